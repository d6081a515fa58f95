/**
 * An orphan: a container whose executor is gone (FACTS, real master 15). It lives on unwatched and keeps its address, so that its
 * successor cannot start. It notices by the executor's health checks, which come no more.
 */

/** An executor makes a check every few seconds; who has had none for so many ticks has none. */
export const orphanAfterTicks = 60;

/**
 * Counts the node agent's own ticks, of a second each, since the last health check. A container that was paused, or a host that
 * was suspended, has no ticks meanwhile, whatever the clocks say: its executor had no chance either.
 */
export class ExecutorWatch {
  #ticks = 0;

  /** @param checksAreDue whether this task was launched with a health check; without one its absence means nothing */
  constructor(readonly checksAreDue: boolean) {}

  /** A health check came. */
  checked(): void {
    this.#ticks = 0;
  }

  tick(): void {
    this.#ticks += 1;
  }

  get isGone(): boolean {
    return this.checksAreDue && this.#ticks >= orphanAfterTicks;
  }
}

/** Whether a request for `/livez` is a health check: the executor asks from within the container's network namespace. */
export function isHealthCheck(remoteAddress: string | undefined): boolean {
  return remoteAddress === '127.0.0.1' || remoteAddress === '::ffff:127.0.0.1';
}
