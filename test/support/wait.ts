/** Waiting in tests: on a condition, with a deadline, never for a fixed time. */
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks `look` again and again until it returns something other than undefined or false, and resolves with that. A throw counts
 * as "not yet", and the last one is told when the time is over.
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let trouble = '';
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      trouble = '';
    } catch (error) {
      trouble = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() >= deadline) {
      throw new Error(`${what}: not so within ${timeoutMs / 1000} s${trouble}`);
    }
    await delay(50);
  }
}
