/**
 * What is to become of the notebook, written to etcd before anything moves, so that leaders do not undo it. Each intent is a
 * key on a short lease that nobody renews: it needs no clock, and no cleaning up after whoever wrote it. Intents steer; that
 * there is one Jupyter rests on the notebook key alone.
 */
import type { ClusterView } from './directory.js';
import type { ClientSource } from './etcd/client.js';
import { Lease } from './lease.js';

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

/** What an etcd leader does about a notebook key that is free. */
export type AboutFreeKey =
  | { readonly do: 'take' }
  /** Leadership goes to the task, or to the best one; where there is none, `else` is done. */
  | {
      readonly do: 'passOn';
      readonly toTaskId?: string;
      readonly why: string;
      readonly else: 'take' | 'wait';
    };

export function aboutFreeKey(
  selfTaskId: string,
  seesVolume: boolean,
  view: Pick<ClusterView, 'live' | 'intents'>,
): AboutFreeKey {
  const { handOverTo, unfit } = view.intents;
  // A hand-over to this very task wins.
  const isUnfit = handOverTo !== selfTaskId && unfit.includes(selfTaskId);
  const otherwise = seesVolume ? 'take' : 'wait';
  if (
    handOverTo !== undefined &&
    handOverTo !== selfTaskId &&
    view.live.some(({ taskId }) => taskId === handOverTo)
  ) {
    return { do: 'passOn', toTaskId: handOverTo, why: 'the notebook is being handed over', else: otherwise };
  }
  if (!seesVolume) return { do: 'passOn', why: 'the shared volume is not seen here', else: 'wait' };
  // Where nobody else can, it is better tried here once more than not at all.
  if (isUnfit) return { do: 'passOn', why: 'Jupyter could not be started here', else: 'take' };
  return { do: 'take' };
}
