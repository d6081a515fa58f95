/**
 * What `GET /status` answers and `mesos-jupyter status --json` prints: the one place that says what is in it. Programs may rely on it:
 * fields may be added, and those that are here keep their names and meanings while `format` is 1. It holds no secret.
 */
import { z } from 'zod';
import type { ClusterView, ToldMember } from '../cluster/view.js';
import type { Health } from './health.js';

export interface SchedulerStatus {
  readonly format: 1;
  /** Of mesos-jupyter. */
  readonly version: string;
  /** When this was said; all times are ISO 8601 in UTC. */
  readonly time: string;
  /** When the process began. */
  readonly startedAt: string;
  /** As `GET /healthz` says it. */
  readonly healthy: boolean;
  /** `standingBy`: another scheduler has the store. `connecting`: to a master. */
  readonly state: 'starting' | 'standingBy' | 'connecting' | 'subscribed' | 'stopping';
  /** One sentence: why it is in that state. */
  readonly reason: string;
  /** The same as `state` being that; for those who want to know nothing else. */
  readonly standingBy: boolean;
  readonly frameworkName: string;
  /** Null until one is known: at the first start ever, and while it stands by. */
  readonly frameworkId: string | null;
  /** `HOST:PORT` of the master that it is subscribed at. */
  readonly master: string | null;
  /** The state file's path, or etcd's URL. */
  readonly store: string;
  /** Number of the present founding of the cluster. Null while it does not schedule. */
  readonly generation: number | null;
  /** In order of their numbers. Empty while it does not schedule. */
  readonly nodes: readonly NodeStatus[];
  /** While the operator has automation frozen: since when, and why. */
  readonly paused: PauseStatus | null;
  /** What is not wrong yet, but would be with one more failure; a sentence each. */
  readonly warnings: readonly string[];
  /** While a node waits for an offer: hosts whose last offer fitted none, and why. */
  readonly misfits: readonly MisfitStatus[];
}

export interface NodeStatus {
  readonly number: number;
  readonly address: string;
  /** Such as `TASK_RUNNING`, or what the node waits for. */
  readonly state: string;
  /** One sentence: why it is in that state. */
  readonly reason: string;
  /** Since when it has been in that state, as far as this process knows: no earlier than `startedAt`. */
  readonly since: string;
  /** Of the present task; null while there is none. */
  readonly host: string | null;
  readonly task: string | null;
  readonly incarnation: number | null;
  /**
   * What its node agent told last of its etcd; null where it was never heard. It is asked every 5 s, which says nothing of the node: a
   * scheduler often reaches the nodes of its own host only.
   */
  readonly member: MemberStatus | null;
  /**
   * Whether its node agent takes the cluster for paused, as it said last; null where it was never heard since the pause began or ended.
   * Nodes that do not agree with `paused` are told again as soon as they are reached.
   */
  readonly paused: boolean | null;
}

export interface PauseStatus {
  readonly since: string;
  /** The operator's own words. */
  readonly reason: string | null;
}

export interface MemberStatus {
  /** `none` while etcd there does not answer or has no leader. */
  readonly role: 'none' | 'learner' | 'follower' | 'leader';
  /** Whether it votes in a cluster that has a leader. */
  readonly voter: boolean;
  /** Since when it has had this role; null where its image does not say. */
  readonly since: string | null;
  /** The last entry of its raft log. */
  readonly raftIndex: number | null;
  /** When it said so. */
  readonly heardAt: string;
}

export interface MisfitStatus {
  readonly host: string;
  readonly agentId: string;
  /** Such as `memMb (2048 needed)`. */
  readonly unmet: readonly string[];
  /** When that offer was looked at. */
  readonly at: string;
}

/** What a scheduler is at. */
export type Stage =
  | { readonly kind: 'starting' }
  /** `holder`: host and process of the other scheduler. */
  | { readonly kind: 'standingBy'; readonly holder: string }
  | {
      readonly kind: 'scheduling';
      readonly view: ClusterView;
      readonly master: string | undefined;
      readonly reason: string;
    }
  | { readonly kind: 'stopping' };

/** What of the process does not change. */
export interface Identity {
  readonly version: string;
  readonly frameworkName: string;
  readonly store: string;
}

/** One moment, and when the process began, on the clock that the view's times are of. */
export interface Moment {
  readonly nowMs: number;
  readonly startedMs: number;
  /** What `nowMs` is on the wall clock, in milliseconds since 1970. */
  readonly wallMs: number;
}

export function statusOf(
  stage: Stage,
  identity: Identity,
  { healthy }: Health,
  moment: Moment,
): SchedulerStatus {
  const at = (ms: number): string => new Date(moment.wallMs - (moment.nowMs - ms)).toISOString();
  const view = stage.kind === 'scheduling' ? stage.view : undefined;
  return {
    format: 1,
    version: identity.version,
    time: at(moment.nowMs),
    startedAt: at(moment.startedMs),
    healthy,
    state: stateOf(stage),
    reason: reasonOf(stage, identity),
    standingBy: stage.kind === 'standingBy',
    frameworkName: identity.frameworkName,
    frameworkId: view?.frameworkId ?? null,
    master: stage.kind === 'scheduling' ? (stage.master ?? null) : null,
    store: identity.store,
    generation: view?.generation ?? null,
    nodes: (view?.nodes ?? []).map((node) => ({
      number: node.number,
      address: node.address,
      state: node.state,
      reason: node.reason,
      since: at(node.sinceMs ?? moment.startedMs),
      host: node.hostname ?? null,
      task: node.taskId ?? null,
      incarnation: node.incarnation ?? null,
      member: node.member === undefined ? null : memberStatus(node.member, at),
      paused: node.heardPaused ?? null,
    })),
    paused:
      view?.paused === undefined ? null : { since: view.paused.since, reason: view.paused.reason ?? null },
    warnings: view?.warnings ?? [],
    misfits: (view?.misfits ?? []).map(({ hostname, agentId, unmet, atMs }) => ({
      host: hostname,
      agentId,
      unmet,
      at: at(atMs),
    })),
  };
}

function memberStatus(
  { role, sinceMs, raftIndex, heardAtMs }: ToldMember,
  at: (ms: number) => string,
): MemberStatus {
  return {
    role,
    voter: role === 'follower' || role === 'leader',
    since: sinceMs === undefined ? null : at(sinceMs),
    raftIndex: raftIndex ?? null,
    heardAt: at(heardAtMs),
  };
}

function stateOf(stage: Stage): SchedulerStatus['state'] {
  if (stage.kind !== 'scheduling') return stage.kind;
  return stage.master === undefined ? 'connecting' : 'subscribed';
}

export function reasonOf(stage: Stage, { store }: Identity): string {
  switch (stage.kind) {
    case 'starting':
      return `opening ${store}`;
    case 'standingBy':
      return `standing by: another scheduler (${stage.holder}) has ${store}`;
    case 'scheduling':
      return stage.view.paused === undefined ? stage.reason : `${stage.reason}; paused by the operator`;
    case 'stopping':
      return 'stopping; nodes run on';
  }
}

const text = z.string();
const textOrNull = text.nullable();

/** For those who read it: what a later release adds is left out. */
export const schedulerStatus: z.ZodType<SchedulerStatus> = z.object({
  format: z.literal(1),
  version: text,
  time: text,
  startedAt: text,
  healthy: z.boolean(),
  state: z.enum(['starting', 'standingBy', 'connecting', 'subscribed', 'stopping']),
  reason: text,
  standingBy: z.boolean(),
  frameworkName: text,
  frameworkId: textOrNull,
  master: textOrNull,
  store: text,
  generation: z.number().nullable(),
  nodes: z.array(
    z.object({
      number: z.number(),
      address: text,
      state: text,
      reason: text,
      since: text,
      host: textOrNull,
      task: textOrNull,
      incarnation: z.number().nullable(),
      member: z
        .object({
          role: z.enum(['none', 'learner', 'follower', 'leader']),
          voter: z.boolean(),
          since: textOrNull,
          raftIndex: z.number().nullable(),
          heardAt: text,
        })
        .nullable()
        // An earlier release does not say.
        .default(null),
      paused: z.boolean().nullable().default(null),
    }),
  ),
  paused: z.object({ since: text, reason: textOrNull }).nullable().default(null),
  warnings: z.array(text),
  misfits: z.array(z.object({ host: text, agentId: text, unmet: z.array(text), at: text })),
});
