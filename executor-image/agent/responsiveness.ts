/** Whether a Jupyter that does not answer is to be started anew: the decision, over the answers to its probes. */

/** No notebook's own doing lasts so long: what blocks a kernel does not block the server. */
const silenceLimitMs = 60_000;
/** So many starts in a row that came to nothing make a node unfit for the notebook. */
const vainStartsLimit = 3;

export interface Probe {
  readonly nowMs: number;
  readonly answers: boolean;
  /** Whether it cannot be expected to answer: it is frozen, or a look at the volume, for which it may wait as well, hangs. */
  readonly isExcused: boolean;
}

/** Since when it has been silent without an excuse; undefined when it is not. */
export function silentSince(before: number | undefined, probe: Probe): number | undefined {
  return probe.answers || probe.isExcused ? undefined : (before ?? probe.nowMs);
}

export function isSilentForTooLong(sinceMs: number | undefined, nowMs: number): boolean {
  return sinceMs !== undefined && nowMs - sinceMs >= silenceLimitMs;
}

/** Starts in a row that ended before Jupyter had answered once. */
export function vainStartsAfter(before: number, hadAnswered: boolean): number {
  return hadAnswered ? 0 : before + 1;
}

/** Whether another node should try: Jupyter cannot be started here. */
export function cannotStart(vainStarts: number): boolean {
  return vainStarts >= vainStartsLimit;
}
