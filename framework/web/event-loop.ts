/** How late the event loop is: a timer that should come every second, and by how much it missed. */

const everyMs = 1_000;
/** A delay is told of for this long after it ended, so that whoever asks every few seconds hears of it. */
const rememberMs = 10_000;

export class EventLoopWatch {
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #late = { byMs: 0, atMs: Number.NEGATIVE_INFINITY };

  constructor() {
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#note(now);
      this.#lastMs = now;
    }, everyMs);
    this.#timer.unref();
  }

  /** The longest delay of the last seconds, one that has not ended included. */
  lagMs(): number {
    const now = performance.now();
    this.#note(now);
    return now - this.#late.atMs < rememberMs ? this.#late.byMs : 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #note(now: number): void {
    const byMs = Math.max(0, now - this.#lastMs - everyMs);
    if (byMs >= this.#late.byMs || now - this.#late.atMs >= rememberMs) this.#late = { byMs, atMs: now };
  }
}
