/**
 * What is to become of the notebook, written to etcd before anything moves, so that leaders do not undo it. Each intent is a
 * key on a short lease that nobody renews: it needs no clock, and no cleaning up after whoever wrote it. Intents steer; that
 * there is one Jupyter rests on the notebook key alone.
 */
import { type ClusterView, keys, type NodeRecord } from './directory.js';
import type { ClientSource } from './etcd/client.js';
import { Lease, type Proviso } from './lease.js';

export interface Intents {
  /** The task that is to have the notebook next. */
  readonly handOverTo?: string;
  /** Tasks that cannot run Jupyter. */
  readonly unfit: readonly string[];
}

export const noIntents: Intents = { unfit: [] };

export const intentKeys = {
  handOver: '/intents/hand-over',
  unfit: '/intents/unfit/',
} as const;

/** Lives of the intents, in seconds: a hand-over takes some two; an unfit node may try again after a minute. */
const ttlS = { handOver: 10, unfit: 60 };

/** `intents`, and what the key says, if it is one of an intent. */
export function withIntent(intents: Intents, key: string, value: string): Intents {
  if (key === intentKeys.handOver) return { ...intents, handOverTo: value };
  if (!key.startsWith(intentKeys.unfit)) return intents;
  return { ...intents, unfit: [...intents.unfit, key.slice(intentKeys.unfit.length)] };
}

export async function intendHandOver(etcd: ClientSource, toTaskId: string): Promise<void> {
  const lease = await Lease.grant(etcd, ttlS.handOver);
  await lease.put(intentKeys.handOver, toTaskId);
}

export async function declareUnfit(etcd: ClientSource, taskId: string, why: string): Promise<void> {
  const lease = await Lease.grant(etcd, ttlS.unfit);
  await lease.put(intentKeys.unfit + taskId, why);
}

/**
 * By what right a node takes the free key: nobody has paused the cluster; or it is paused, and this task was the last to have the
 * notebook, or was given it by the operator.
 */
export type Right = 'notPaused' | 'lastHolder' | 'handedOver';

/** What a node does about a notebook key that is free. */
export type AboutFreeKey =
  | { readonly do: 'take'; readonly by: Right }
  /** It is another's to take. */
  | { readonly do: 'leave' }
  /** Leadership goes to the task, or to the best one; where there is none, `else` is done. */
  | {
      readonly do: 'passOn';
      readonly toTaskId?: string;
      readonly why: string;
      readonly else: 'take' | 'wait';
    };

export interface FreeKeyView extends Pick<ClusterView, 'live' | 'intents' | 'isPaused' | 'lastHolderTaskId'> {
  readonly selfTaskId: string;
  /** Whether etcd's leader is on this node. */
  readonly leads: boolean;
  readonly seesVolume: boolean;
}

/** What to do; the first that fits. */
export function aboutFreeKey(view: FreeKeyView): AboutFreeKey {
  const { selfTaskId, leads, seesVolume, isPaused } = view;
  const { handOverTo, unfit } = view.intents;
  const isForAnother =
    handOverTo !== undefined &&
    handOverTo !== selfTaskId &&
    view.live.some(({ taskId }) => taskId === handOverTo);
  if (isPaused) {
    // Whoever has a right to it needs no leadership for it: nothing is to move now.
    const by = rightInPause(view);
    if (by !== undefined && seesVolume && !isForAnother) return { do: 'take', by };
    if (!isForAnother) return { do: 'leave' };
  }
  if (!leads) return { do: 'leave' };
  const otherwise = seesVolume && !isPaused ? 'take' : 'wait';
  if (isForAnother)
    return { do: 'passOn', toTaskId: handOverTo, why: 'the notebook is being handed over', else: otherwise };
  if (!seesVolume) return { do: 'passOn', why: 'the shared volume is not seen here', else: 'wait' };
  // A hand-over to this very task wins. Where nobody else can, it is better tried here once more than not at all.
  const isUnfit = handOverTo !== selfTaskId && unfit.includes(selfTaskId);
  if (isUnfit) return { do: 'passOn', why: 'Jupyter could not be started here', else: 'take' };
  return { do: 'take', by: 'notPaused' };
}

function rightInPause({ selfTaskId, intents, lastHolderTaskId }: FreeKeyView): Right | undefined {
  if (intents.handOverTo === selfTaskId) return 'handedOver';
  return lastHolderTaskId === selfTaskId ? 'lastHolder' : undefined;
}

/** What the transaction that takes the key asks for, so that a pause counts from the moment in which it is written. */
export function provisosOf(by: Right, self: NodeRecord): Proviso[] {
  const fenced: Proviso = { key: keys.fenced, is: 'there' };
  switch (by) {
    case 'notPaused':
      return [fenced, { key: keys.paused, is: 'absent' }];
    case 'lastHolder':
      return [fenced, { key: keys.lastHolder, is: 'value', value: JSON.stringify(self) }];
    case 'handedOver':
      return [fenced, { key: intentKeys.handOver, is: 'value', value: self.taskId }];
  }
}
