/** Ctrl-C and SIGTERM as callbacks, each told how often it was asked to stop. */

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** npm sends on what the terminal has sent already: two signals within this time are one wish. */
const sameWishMs = 800;

/** Calls `onStop(1)` at the first signal, `onStop(2)` at the next… Returns a function that gives the signals back. */
export function onStopSignals(onStop: (times: number) => void): () => void {
  let times = 0;
  let last = Number.NEGATIVE_INFINITY;
  const listener = () => {
    const now = performance.now();
    if (now - last < sameWishMs) return;
    last = now;
    times += 1;
    onStop(times);
  };
  for (const name of stopSignals) process.on(name, listener);
  return () => {
    for (const name of stopSignals) process.off(name, listener);
  };
}
