/**
 * Whether a restart would help the scheduler: what `GET /healthz` answers, decided from what was observed alone. A master or a store
 * that is away is tried again, and a scheduler that stands by waits: both are well, since another process could do no better.
 */

export interface HealthFacts {
  /** By how much the event loop was late of late. */
  readonly loopLagMs: number;
  /** The store's operation that has been going on for longest, if there is one. */
  readonly pending: { readonly what: string; readonly forMs: number } | undefined;
  /** What the scheduler does, in one sentence. */
  readonly doing: string;
}

export interface Health {
  readonly healthy: boolean;
  /** One sentence. */
  readonly reason: string;
}

/** Far beyond what garbage collection and a busy host cost. */
export const loopLagLimitMs = 10_000;
/** A call of etcd ends after 3 s a member; a file is written in milliseconds, or its disk or mount hangs. */
export const storeLimitMs = 30_000;

export function healthOf({ loopLagMs, pending, doing }: HealthFacts): Health {
  if (loopLagMs > loopLagLimitMs) {
    return { healthy: false, reason: `the event loop stood still for ${seconds(loopLagMs)}` };
  }
  if (pending !== undefined && pending.forMs > storeLimitMs) {
    return { healthy: false, reason: `${pending.what} has not ended for ${seconds(pending.forMs)}` };
  }
  return { healthy: true, reason: doing };
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
