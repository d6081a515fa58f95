/** What the age of the last look at the shared volume means for the notebook: the arithmetic, on the boot clock. */
/** A holder that has not seen the volume for so many limits hands over to a node that has. */
const limitsToHandOver = 2;

/**
 * Until when the last look lets Jupyter run. A look's age counts from its start: what it saw may have been so only then.
 * @param startedAtMs when the last look began that saw this generation's file; absent before the first
 */
export function freshUntilMs(startedAtMs: number | undefined, limitMs: number): number {
  return startedAtMs === undefined ? 0 : startedAtMs + limitMs;
}

/** From when on a holder gives the notebook to a node that sees the volume, if there is one. */
export function handsOverFromMs(startedAtMs: number | undefined, limitMs: number): number {
  return freshUntilMs(startedAtMs, limitMs) + (limitsToHandOver - 1) * limitMs;
}
