/** How long to wait before a program that ended is started again. */

export interface Backoff {
  /** Ends since the last healthy spell. */
  readonly ends: number;
  readonly waitMs: number;
}

export const noBackoff: Backoff = { ends: 0, waitMs: 0 };

const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** A program that lived this long was healthy: its next end counts as a first one. */
const healthySpellMs = 60_000;

/** The backoff after another end, of a program that had lived for `livedMs`. */
export function afterEnd(backoff: Backoff, livedMs: number): Backoff {
  const ends = livedMs >= healthySpellMs ? 1 : backoff.ends + 1;
  return { ends, waitMs: Math.min(firstWaitMs * 2 ** (ends - 1), longestWaitMs) };
}
