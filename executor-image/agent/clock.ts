/** The one clock that fences are reckoned on, and how to wait. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Milliseconds since the host booted, suspension included (CLOCK_BOOTTIME, to 10 ms). A monotonic clock stands still while
 * a host is suspended, when leases run out elsewhere; a wall clock jumps.
 */
export function bootClockMs(): number {
  return Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000);
}

/** Waits, at most until `signal` is aborted; never throws. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/** Something to wait on that another part may cut short. */
export class Alarm {
  #ring: () => void = () => {};
  #rung = false;

  ring(): void {
    this.#rung = true;
    this.#ring();
  }

  /** Waits for `ms`, for the next `ring()` (or one since the last wait), or for `signal`. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const cut = new AbortController();
      this.#ring = () => cut.abort();
      await sleep(ms, AbortSignal.any([signal, cut.signal]));
    }
    this.#rung = false;
  }
}
