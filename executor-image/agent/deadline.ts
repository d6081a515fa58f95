/** Until when the holder may run Jupyter: the arithmetic of the fence, on the boot clock. */

import { marginMs } from '../lease-times.js';

/** One attempt to renew the notebook key's lease. */
export interface Renewal {
  /** Boot clock just before the keep-alive was sent, in ms. */
  readonly startedAtMs: number;
  /** `raft_term` of the keep-alive's answer. */
  readonly keepAliveTerm: string;
  /** `raft_term` of a linearizable read of the key, begun after that answer, on the same member. */
  readonly readTerm: string;
}

/**
 * The deadline after a renewal. One counts only when the member was in one term throughout: a leader that was stunned goes
 * on acknowledging renewals of leases that already run out under its successor (etcd's `ensureLeadership`, up to twice
 * the election timeout). One that does not count leaves the deadline where it was.
 */
export function deadlineAfter(deadlineMs: number, renewal: Renewal, ttlMs: number): number {
  if (renewal.keepAliveTerm !== renewal.readTerm) return deadlineMs;
  return Math.max(deadlineMs, renewal.startedAtMs + ttlMs - marginMs(ttlMs));
}
