/** The words of the core: what a cluster is, what is kept of it, what can happen to it, and what it can ask for. */

import type { Constraint, Place } from './constraints.js';

/** What the operator asked for, as far as decisions need it. Durations in milliseconds. */
export interface ClusterSpec {
  /** IPv4 addresses by node number; their count is N. */
  readonly addresses: readonly string[];
  /** What one task needs of an offer. */
  readonly needs: Needs;
  /** Which hosts may run a task, beside the others. */
  readonly constraints: readonly Constraint[];
  /** How long a launch may go without TASK_RUNNING before it is reconciled and killed. */
  readonly launchTimeoutMs: number;
  /** How long a task may be unreachable before its node is given a new one. */
  readonly unreachableGraceMs: number;
  /** Time from SIGTERM to SIGKILL when a task is killed. */
  readonly killGraceMs: number;
  /** First and longest wait between relaunches of a node whose tasks keep failing. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** A task that was healthy this long clears its node's record of failures. */
  readonly healthySpellMs: number;
  /** How long offers may be held to choose the best spread among them. */
  readonly offerHoldMs: number;
  /** How long declined resources are not to be offered again, unless revived. */
  readonly declineMs: number;
  /** Whether the operator gave a command that releases an address. */
  readonly canReleaseAddress: boolean;
}

/** An amount of each resource that the core counts. */
export interface Needs {
  readonly cpus: number;
  readonly memMb: number;
  readonly diskMb: number;
}

/** A Mesos offer, as far as decisions need it. */
export interface Offer extends Needs, Place {
  readonly id: string;
  readonly agentId: string;
  /** Maintenance of the host is announced. */
  readonly unavailable: boolean;
}

/** How a task ended, and whether its container is certainly gone (DESIGN: proven dead). */
export interface TaskEnd {
  readonly reason: string;
  readonly provenDead: boolean;
}

/** One task, as stored. It is stored before the ACCEPT that launches it is sent. */
export interface TaskRecord extends Place {
  readonly id: string;
  readonly node: number;
  readonly incarnation: number;
  readonly generation: number;
  readonly agentId: string;
  /** Whether an update ever showed it alive: one that never was is proven dead by the master's refusal. */
  readonly seenAlive: boolean;
  /** Its host's `/proc/sys/kernel/random/boot_id`, as its node agent told it. */
  readonly bootId?: string;
  readonly end?: TaskEnd;
}

/** A task id chosen for a founder before anything is launched. */
export interface Founder {
  readonly taskId: string;
  readonly incarnation: number;
  readonly launched: boolean;
}

/** One founding of the etcd cluster. */
export interface Generation {
  readonly number: number;
  /** By node number. */
  readonly founders: readonly Founder[];
  /**
   * How many numbers in a row before this one were found taken or past on the volume: this record does not know all tasks
   * that may live (it was lost, or put back from a copy). Absent again when a task of this generation has lived for a while.
   */
  readonly pastBefore?: number;
}

/** The operator's word that automation is frozen. */
export interface Pause {
  /** When it was given, ISO 8601. */
  readonly since: string;
  /** The operator's own words. */
  readonly reason?: string;
}

/** All that outlives the scheduler process. */
export interface ClusterRecord {
  readonly frameworkId?: string;
  /** PEM text of the cluster's CA, as the first node showed it. No secret. */
  readonly ca?: string;
  readonly addresses: readonly string[];
  readonly generation: Generation;
  /** By node number: the node's last task, if it ever had one, and the last incarnation given out. */
  readonly nodes: readonly { readonly incarnation: number; readonly task?: TaskRecord }[];
  /** Earlier tasks that ended with no proof that their containers are gone. */
  readonly unproven: readonly TaskRecord[];
  /** Set while the cluster is paused. */
  readonly paused?: Pause;
}

export const taskStates = [
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_UNREACHABLE',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
] as const;
export type TaskState = (typeof taskStates)[number];

/** A Mesos status update, as far as decisions need it. */
export interface StatusUpdate {
  readonly taskId: string;
  readonly state: TaskState;
  readonly agentId?: string;
  readonly source?: 'SOURCE_MASTER' | 'SOURCE_AGENT' | 'SOURCE_EXECUTOR';
  readonly reason?: string;
  readonly message?: string;
  readonly healthy?: boolean;
  /** Only updates with one are to be acknowledged. Base64, passed on as it came. */
  readonly uuid?: string;
}

/** What can happen. */
export type ClusterEvent =
  | { readonly kind: 'subscribed'; readonly frameworkId: string }
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'offers'; readonly offers: readonly Offer[] }
  | { readonly kind: 'rescinded'; readonly offerId: string }
  | { readonly kind: 'update'; readonly update: StatusUpdate }
  /** The end of a failed task's `stderr`, as far as it could be had. */
  | { readonly kind: 'explained'; readonly taskId: string; readonly stderr: string }
  /** The task's node agent answers, just now, in this boot of its host. */
  | {
      readonly kind: 'nodeTold';
      readonly taskId: string;
      readonly bootId: string;
      /** Version of the contract that its image speaks. */
      readonly contractVersion: number;
      /** Whether it takes the cluster for paused; undefined where it does not say. */
      readonly paused?: boolean | undefined;
    }
  /** The operator has made certain that the task's container is gone. */
  | { readonly kind: 'confirmedDead'; readonly taskId: string }
  /** The operator freezes automation. */
  | ({ readonly kind: 'pause' } & Pause)
  /** The operator lets it go on. */
  | { readonly kind: 'resume' }
  /** A call did not reach the master for certain: what it was about must be reconciled. */
  | { readonly kind: 'callFailed' }
  /** A node agent that took our call showed the cluster's CA, in PEM. */
  | { readonly kind: 'caShown'; readonly ca: string }
  /** The operator wants every task ended and the framework gone. */
  | { readonly kind: 'teardown' }
  /** Time has passed. */
  | { readonly kind: 'tick' };

/** A task to launch: enough to build its TaskInfo. */
export interface Launch {
  readonly task: TaskRecord;
  readonly founders: readonly string[];
  /** For a founder: tasks of earlier generations that may be alive (`unknownTasks` for those that the record does not name). */
  readonly unproven: readonly string[];
}

/** A node agent to speak to: each call names the task that it is for. */
export interface Recipient {
  readonly taskId: string;
  readonly address: string;
}

/** What the shell is to do, in this order. */
export type Action =
  | { readonly kind: 'store'; readonly record: ClusterRecord }
  | { readonly kind: 'accept'; readonly offerIds: readonly string[]; readonly launches: readonly Launch[] }
  | { readonly kind: 'decline'; readonly offerIds: readonly string[]; readonly refuseMs: number }
  | { readonly kind: 'suppress' }
  | { readonly kind: 'revive' }
  | { readonly kind: 'kill'; readonly taskId: string; readonly agentId: string | undefined }
  | { readonly kind: 'acknowledge'; readonly taskId: string; readonly agentId: string; readonly uuid: string }
  /** An empty list asks for all of the framework's tasks (implicit reconciliation). */
  | { readonly kind: 'reconcile'; readonly tasks: readonly { taskId: string; agentId: string }[] }
  /** Asks for the end of a failed task's `stderr`; nothing waits for it. */
  | { readonly kind: 'explain'; readonly taskId: string; readonly agentId: string }
  /** Tells node agents that a task is proven dead; nothing waits for it. */
  | { readonly kind: 'tellDeath'; readonly taskId: string; readonly survivors: readonly Recipient[] }
  /** Tells node agents of a pause, or of its end where `paused` is absent; nothing waits for it. */
  | { readonly kind: 'tellPause'; readonly paused?: Pause; readonly nodes: readonly Recipient[] }
  /** Gets to know the cluster's CA; nothing waits for it. */
  | { readonly kind: 'greet'; readonly node: Recipient }
  /** Runs the operator's command for an address that stays assigned to a container that is gone. */
  | { readonly kind: 'releaseAddress'; readonly address: string }
  /** Removes the framework from the master. Once the master has taken it, its id is forgotten and the scheduler ends. */
  | { readonly kind: 'teardown' }
  | { readonly kind: 'log'; readonly level: 'info' | 'warn'; readonly message: string };

/** Where a node is in its life. Times are when the phase began. */
export type Phase =
  /** Wants an offer. */
  | { readonly kind: 'waiting' }
  /** Wants an offer, but not before a time. */
  | { readonly kind: 'backingOff'; readonly untilMs: number }
  /** Its task is known from the store and has not answered yet. */
  | { readonly kind: 'unconfirmed' }
  /** ACCEPT sent, no update yet. */
  | { readonly kind: 'launching'; readonly sinceMs: number; readonly reconciledMs?: number }
  /** Mesos has it: pulling, creating. */
  | { readonly kind: 'starting'; readonly sinceMs: number; readonly reconciledMs?: number }
  | { readonly kind: 'running'; readonly sinceMs: number; readonly healthy?: boolean }
  /** KILL sent, the end not yet seen. */
  | { readonly kind: 'killing'; readonly sinceMs: number; readonly sentMs: number }
  /** Mesos lost sight of its host. A task that was running goes on living, should it come back. */
  | { readonly kind: 'unreachable'; readonly sinceMs: number; readonly runningSinceMs?: number };

export interface NodeState {
  readonly phase: Phase;
  /** One sentence: why the node is where it is. */
  readonly reason: string;
  /** Since when the phase is of its kind; absent for the one that this process began with. */
  readonly sinceMs?: number;
  /** Ends in a row without a healthy spell between them. */
  readonly failures: number;
  /** Mesos agent that just failed this node. */
  readonly avoidAgentId?: string;
  /** Since when Docker has been saying that the node's address is taken. */
  readonly addressTakenSinceMs?: number;
  /** Since when the present task has been healthy. */
  readonly healthySinceMs?: number;
  /** The node's last task ended saying that it found no quorum, and no later one has lived long enough since. */
  readonly saidNoQuorum: boolean;
  /** The task whose image was last heard to speak another version of the contract than this scheduler, and which one. */
  readonly otherContract?: { readonly taskId: string; readonly version: number };
  /** Whether the node agent of a task said last that the cluster is paused. */
  readonly heardPaused?: { readonly taskId: string; readonly paused: boolean };
}

/** A task that lives and is no node's present one: back from a partition, say. It is killed. */
export interface Stray {
  readonly taskId: string;
  readonly agentId?: string;
  /** The node that it was a task of, which is given no new one before this has ended. */
  readonly node?: number;
  /** When KILL was last sent; absent while it is held back by a pause. */
  readonly sentMs?: number;
}

/** A host whose last offer no node could use that wanted one. */
export interface Misfit {
  readonly agentId: string;
  readonly hostname: string;
  /** What it did not meet, each in a few words. */
  readonly unmet: readonly string[];
  /** When that was seen. */
  readonly atMs: number;
}

/** Explicit reconciliation in progress, or the time of the next implicit one. */
export type Reconciliation =
  | {
      readonly kind: 'asking';
      /** Tasks that have not answered. */
      readonly pending: readonly string[];
      readonly nextMs: number;
      readonly delayMs: number;
      /** Until when a node waits for the answers of its earlier tasks; absent when that is over. */
      readonly holdUntilMs?: number;
    }
  | { readonly kind: 'settled'; readonly implicitMs: number };

/** Everything that a decision depends on. */
export interface ClusterState {
  readonly spec: ClusterSpec;
  readonly record: ClusterRecord;
  readonly nodes: readonly NodeState[];
  /** Random text of this scheduler process: makes its task ids unlike any other's, also after a restore of its store. */
  readonly idSuffix: string;
  readonly connected: boolean;
  /** Offers in hand, and since when. */
  readonly offers: readonly Offer[];
  readonly offersSinceMs?: number;
  /** One a host, by its last offer; for people only, and absent when no node wants an offer. */
  readonly misfits?: readonly Misfit[];
  /** What the master last heard: no offers wanted, or wanted with filters set, or wanted with none. */
  readonly demand: 'open' | 'filtered' | 'suppressed';
  /** Nodes that filters were lifted for: they are lifted again only for another. */
  readonly wantedBy: readonly number[];
  readonly reconciliation: Reconciliation;
  readonly strays: readonly Stray[];
  /**
   * Until when nothing is launched, so that tasks which the record does not know (it was put back from a copy) are heard of
   * before. Absent when that is over; `next` in a process that found a record and is not subscribed yet.
   */
  readonly launchesFromMs?: number | 'next';
  /** Set while every task is brought to its end, on the operator's word. */
  readonly tearingDownSinceMs?: number;
  /** When TEARDOWN was last sent. */
  readonly tornDownMs?: number;
  /** Set while what is left of a generation without a quorum is brought to its end. */
  readonly refoundingSinceMs?: number;
  /** Set when a node agent said that the present generation's number is taken, or past, until the next is begun. */
  readonly generationIsPast?: true;
}
