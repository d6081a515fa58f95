/**
 * The times of a node's leases: how etcd's elections, a lease's TTL and the time to freeze Jupyter in go together. The
 * scheduler checks its settings against them, the node agent lives by them.
 */

/** etcd's own defaults, which are told to it all the same: what follows depends on them. In ms. */
export const etcdTiming = { heartbeatMs: 100, electionTimeoutMs: 1000 } as const;

/** Renewals of a lease in its TTL, while all is well. */
export const renewalsPerTtl = 5;

/** What is kept back of a TTL to freeze Jupyter in, and for clocks that do not run alike. */
export function marginMs(ttlMs: number): number {
  return Math.min(1000, ttlMs / 4);
}

/** What is wrong with a TTL, in one sentence; undefined when nothing is. */
export function leaseTtlTrouble(ttlS: number): string | undefined {
  const { electionTimeoutMs } = etcdTiming;
  const ttlMs = ttlS * 1000;
  // etcd grants a longer one instead, without a word (its minimum lease TTL).
  const leastS = Math.ceil((1.5 * electionTimeoutMs) / 1000);
  if (ttlS < leastS) return `is less than ${leastS}, one and a half of etcd's election timeouts`;
  // Between two renewals there may be an election: it should not freeze Jupyter each time.
  if (ttlMs - marginMs(ttlMs) < electionTimeoutMs + ttlMs / renewalsPerTtl) {
    return `leaves no time for an election of etcd's between two renewals and ${marginMs(ttlMs)} ms to freeze Jupyter in`;
  }
  return undefined;
}
