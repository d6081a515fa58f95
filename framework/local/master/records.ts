/** What the master keeps on record: frameworks, hosts, tasks, offers. */
import type {
  Event,
  FrameworkInfo,
  FrameworkInfoCapabilityType,
  Resource,
  TaskInfo,
  TaskState,
  TaskStatus,
  Unavailability,
} from '../../mesos/schema/codec.js';
import type { Timer } from './clock.js';
import type { HostLink, Registration } from './link.js';
import { add } from './resources.js';

/** The open answer to one SUBSCRIBE. */
export interface EventStream {
  readonly id: string;
  send(event: Event): void;
  end(): void;
}

export type FrameworkConnection =
  | { readonly kind: 'connected'; readonly stream: EventStream; readonly heartbeats: Timer }
  /** Tasks go on until the failover timeout has passed. */
  | { readonly kind: 'disconnected'; readonly failover: Timer }
  /** Heard of by a host's registration only, after the master has lost its memory. */
  | { readonly kind: 'recovered'; readonly failover: Timer };

export interface MasterTask {
  readonly frameworkId: string;
  readonly agentId: string;
  readonly info: TaskInfo;
  /** The latest that the host knows; what frees the resources. */
  state: TaskState;
  /** The last update that was forwarded; what reconciliation tells. */
  forwarded: { readonly state: TaskState; readonly uuid: string | undefined } | undefined;
  readonly statuses: TaskStatus[];
}

export interface OfferFilter {
  readonly role: string;
  readonly agentId: string;
  readonly resources: readonly Resource[];
  readonly expiry: Timer;
}

export interface Framework {
  readonly id: string;
  info: FrameworkInfo;
  connection: FrameworkConnection;
  readonly suppressed: Set<string>;
  readonly filters: Set<OfferFilter>;
  readonly tasks: Map<string, MasterTask>;
  readonly unreachableTasks: Map<string, MasterTask>;
  readonly completedTasks: MasterTask[];
  registeredAt: number;
  reregisteredAt: number | undefined;
  unregisteredAt: number | undefined;
}

export interface MasterHost {
  readonly id: string;
  registration: Registration;
  link: HostLink;
  /** Whether the connection to the Mesos agent stands; without it nothing is offered. */
  connected: boolean;
  missedPings: number;
  pings: Timer;
  registeredAt: number;
  reregisteredAt: number | undefined;
  unavailability: Unavailability | undefined;
  draining: DrainState;
  /** Kills that the host may not have heard; told again when it registers again. */
  readonly killedTasks: Set<string>;
}

export type DrainState = 'no' | 'draining' | 'drained';

export interface MasterOffer {
  readonly id: string;
  readonly frameworkId: string;
  readonly agentId: string;
  readonly role: string;
  /** With their allocation. */
  readonly resources: readonly Resource[];
}

const terminalStates: ReadonlySet<TaskState> = new Set<TaskState>([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
]);

export const isTerminal = (state: TaskState): boolean => terminalStates.has(state);

export const can = (info: FrameworkInfo, capability: FrameworkInfoCapabilityType): boolean =>
  (info.capabilities ?? []).some((c) => c.type === capability);

export const rolesOf = (info: FrameworkInfo): string[] =>
  can(info, 'MULTI_ROLE') ? (info.roles ?? []) : [info.role ?? '*'];

export const streamOf = (framework: Framework): EventStream | undefined =>
  framework.connection.kind === 'connected' ? framework.connection.stream : undefined;

export const resourcesOf = (task: TaskInfo): Resource[] =>
  add(task.resources ?? [], task.executor?.resources ?? []);

/** What the tasks of a host hold; a task that has ended holds nothing, acknowledged or not. */
export function usedOn(agentId: string, frameworks: Iterable<Framework>): Resource[] {
  let used: Resource[] = [];
  for (const framework of frameworks) {
    for (const task of framework.tasks.values()) {
      if (task.agentId === agentId && !isTerminal(task.state)) used = add(used, resourcesOf(task.info));
    }
  }
  return used;
}
