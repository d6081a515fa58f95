/** The clock that containers and their machine share, and that a pause does not stop. */
import { readFileSync } from 'node:fs';

/** Milliseconds since the machine started, in steps of 10. */
export const bootMs = (): number =>
  Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000);
