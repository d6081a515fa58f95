/** Which node should have the notebook next: the choice, over what the others say of themselves. */
import type { NodeStatus } from '../contract.js';

/** Another live node, as its node agent and its etcd answered just now. */
export interface Candidate {
  readonly status: Pick<NodeStatus, 'node' | 'taskId' | 'ready' | 'leaving' | 'volume'> & {
    readonly etcd: Pick<NodeStatus['etcd'], 'memberId'>;
  };
  /** Length of its etcd's log. */
  readonly raftIndex: bigint;
}

export interface Successor {
  readonly node: number;
  readonly taskId: string;
  /** Hexadecimal. */
  readonly memberId: string;
}

export interface Wish {
  /** The node that an operator wants it to be. */
  readonly node?: number;
  /** Tasks that cannot serve. */
  readonly unfit: readonly string[];
}

/**
 * The ready node that sees the volume and is not unfit, with the longest log: it has the least to catch up with as etcd's
 * leader. Of equals the one with the youngest look. One that is itself to leave would only hand over again: it comes last.
 */
export function bestSuccessor(candidates: readonly Candidate[], wish: Wish): Successor | undefined {
  const able = candidates.filter(
    ({ status: { ready, node, taskId, etcd, volume } }) =>
      ready &&
      etcd.memberId !== undefined &&
      // A node agent of another release may say nothing of its volume.
      volume?.fresh &&
      !wish.unfit.includes(taskId) &&
      (wish.node === undefined || wish.node === node),
  );
  const [best] = able.sort((a, b) => {
    if (isToLeave(a) !== isToLeave(b)) return isToLeave(a) ? 1 : -1;
    if (a.raftIndex !== b.raftIndex) return a.raftIndex > b.raftIndex ? -1 : 1;
    return ageOf(a) - ageOf(b);
  });
  if (best?.status.etcd.memberId === undefined) return undefined;
  const { node, taskId, etcd } = best.status;
  return { node, taskId, memberId: etcd.memberId as string };
}

const isToLeave = ({ status }: Candidate): boolean => status.leaving !== undefined;

const ageOf = ({ status }: Candidate): number => status.volume.lookAgeS ?? Number.POSITIVE_INFINITY;
