/** What one scheduler process is seen to do, from its first moment on: what the web server answers from. */
import type { ClusterView } from '../cluster/view.js';
import { PendingOperations } from '../store/pending.js';
import { EventLoopWatch } from './event-loop.js';
import { type Health, healthOf } from './health.js';
import { type Identity, reasonOf, type SchedulerStatus, type Stage, statusOf } from './status.js';

/** A scheduler, as far as it is looked at. */
export interface Observed {
  snapshot(): ClusterView;
  connection(): { readonly master: string | undefined; readonly reason: string };
}

export class Observation {
  /** The store's operations are to be counted here. */
  readonly pending = new PendingOperations();
  readonly #identity: Identity;
  readonly #loop = new EventLoopWatch();
  readonly #startedMs = performance.now();
  #stage: () => Stage = () => ({ kind: 'starting' });

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  standingBy(holder: string): void {
    this.#stage = () => ({ kind: 'standingBy', holder });
  }

  scheduling(scheduler: Observed): void {
    this.#stage = () => ({ kind: 'scheduling', view: scheduler.snapshot(), ...scheduler.connection() });
  }

  stopping(): void {
    this.#stage = () => ({ kind: 'stopping' });
  }

  health(): Health {
    return healthOf({
      loopLagMs: this.#loop.lagMs(),
      pending: this.pending.oldest(),
      doing: reasonOf(this.#stage(), this.#identity),
    });
  }

  status(): SchedulerStatus {
    const moment = { nowMs: performance.now(), startedMs: this.#startedMs, wallMs: Date.now() };
    return statusOf(this.#stage(), this.#identity, this.health(), moment);
  }

  end(): void {
    this.#loop.stop();
  }
}
