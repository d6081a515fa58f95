/** The one clock that fences are reckoned on, and how to wait. */
import { openSync, readFileSync, readSync } from 'node:fs';

/** Kept open: the clock is read many times a second. */
const uptime = { file: openSync('/proc/uptime', 'r'), text: Buffer.alloc(64) };

/**
 * Milliseconds since the host booted, suspension included (CLOCK_BOOTTIME, to 10 ms). A monotonic clock stands still while
 * a host is suspended, when leases run out elsewhere; a wall clock jumps.
 */
export function bootClockMs(): number {
  const length = readSync(uptime.file, uptime.text, 0, uptime.text.length, 0);
  return Math.round(Number.parseFloat(uptime.text.toString('latin1', 0, length)) * 1000);
}

/** Another one after every boot of the host; a container sees its host's. */
export function bootIdOfHost(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** Waits, at most until `signal` is aborted; never throws. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Alarm().wait(ms, signal);
}

/** Something to wait on that another part may cut short. */
export class Alarm {
  #wake: () => void = () => {};
  #rung = false;

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  /** Waits for `ms`, for the next `ring()` (or one since the last wait), or for `signal`. */
  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      // By hand: in Node.js 20 every AbortSignal.any() stays with its long-lived source, and this runs for months.
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.#wake = () => {};
        this.#rung = false;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal?.addEventListener('abort', wake);
      this.#wake = wake;
      if (this.#rung || signal?.aborted) wake();
    });
  }
}
