/**
 * Room in etcd's database. Compaction keeps it small by itself; should something fill it all the same (a loop of `etcdctl put`,
 * say), etcd raises an alarm and takes no key any more until somebody has made room. Nobody is at the keyboard: so the node agents do.
 */
import { AlarmAction, AlarmType, type Etcd3, type IStatusResponse } from 'etcd3';

/** etcd's `--quota-backend-bytes`: a cluster like this one keeps some kilobytes. */
export const quotaBytes = 256 * 1024 * 1024;
/** A file that is this much of the quota is in the way of taking keys again. */
const fullShare = 0.8;

export interface SpaceView {
  /** Whether the alarm is raised, by any member. */
  readonly alarm: boolean;
  /** Of the own member's file. */
  readonly sizeBytes: number;
  /** What of it holds something. */
  readonly inUseBytes: number;
  readonly isLeader: boolean;
  /** Whether old revisions were thrown away since the alarm. */
  readonly compacted: boolean;
}

export type SpaceDecision =
  | { readonly do: 'nothing' }
  | { readonly do: 'compact' | 'defragment' | 'disarm' | 'wait'; readonly reason: string };

/** What this node does about it; the first rule that fits. The leader compacts and disarms, each defragments its own file. */
export function decideSpace(view: SpaceView): SpaceDecision {
  if (!view.alarm) return { do: 'nothing' };
  if (view.isLeader && !view.compacted) {
    return { do: 'compact', reason: 'its database is full: old revisions go' };
  }
  if (view.sizeBytes < quotaBytes * fullShare) {
    return view.isLeader
      ? { do: 'disarm', reason: 'its database has room again' }
      : { do: 'wait', reason: 'its database was full: the leader is to lift the alarm' };
  }
  if (view.inUseBytes < view.sizeBytes / 2) {
    return {
      do: 'defragment',
      reason: 'its database is full of what was thrown away: its file is made small',
    };
  }
  return view.isLeader
    ? { do: 'wait', reason: 'its database is full of keys that somebody wrote: remove them with etcdctl' }
    : { do: 'wait', reason: 'its database is full: the leader makes room' };
}

/** Ids, decimal, of the members that raised the alarm, as `Status` has them: `memberID:10501334649042878790 alarm:NOSPACE `. */
export function membersWithoutSpace(errors: readonly string[]): string[] {
  return errors.flatMap((words) => /memberID:(\d+) alarm:NOSPACE/.exec(words)?.[1] ?? []);
}

/** Makes room where it is needed. */
export class Space {
  #compacted = false;

  /**
   * @param status the own member's
   * @returns what was done and why, in one sentence; undefined when all is well
   */
  async tend(
    client: Etcd3,
    status: Pick<IStatusResponse, 'errors' | 'dbSize' | 'dbSizeInUse' | 'header'>,
    isLeader: boolean,
  ): Promise<string | undefined> {
    const fullMembers = membersWithoutSpace(status.errors);
    const decision = decideSpace({
      alarm: fullMembers.length > 0,
      sizeBytes: Number(status.dbSize),
      inUseBytes: Number(status.dbSizeInUse),
      isLeader,
      compacted: this.#compacted,
    });
    // Making a large file small takes a while, and nothing else is served meanwhile.
    const patient = { deadline: Date.now() + 30_000 };
    switch (decision.do) {
      case 'nothing':
        this.#compacted = false;
        return undefined;
      case 'compact':
        await client.kv.compact({ revision: status.header.revision, physical: true }, patient);
        this.#compacted = true;
        break;
      case 'defragment':
        await client.maintenance.defragment(patient);
        break;
      case 'disarm':
        for (const memberID of fullMembers) {
          await client.maintenance.alarm(
            { action: AlarmAction.Deactivate, memberID, alarm: AlarmType.Nospace },
            patient,
          );
        }
        break;
      case 'wait':
        break;
    }
    return decision.reason;
  }
}
