/** What a node agent says of itself, where it can be reached. */
import { type NodeStatus, ports } from '../executor-image/contract.js';
import type { ToldMember } from './cluster/view.js';

/** A node agent answers in milliseconds, or its network is not ours. */
const askTimeoutMs = 1_500;

/** Undefined where it does not answer: nothing follows from that (a scheduler often reaches the nodes of its own host only). */
export async function askNode(address: string): Promise<NodeStatus | undefined> {
  try {
    const response = await fetch(`http://${address}:${ports.nodeAgent}/status`, {
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    return response.ok ? ((await response.json()) as NodeStatus) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What a node told of its etcd at `nowMs`. Undefined for an answer in which that cannot be read: one image may be older than the
 * scheduler, and at the address may be anything.
 */
export function memberTold({ taskId, etcd }: NodeStatus, nowMs: number): ToldMember | undefined {
  const { role, forS, raftIndex } = etcd ?? {};
  if (!roles.includes(role)) return undefined;
  return {
    taskId,
    role,
    sinceMs: typeof forS === 'number' ? nowMs - forS * 1000 : undefined,
    raftIndex: typeof raftIndex === 'number' ? raftIndex : undefined,
    heardAtMs: nowMs,
  };
}

const roles: readonly unknown[] = ['none', 'learner', 'follower', 'leader'] satisfies ToldMember['role'][];
