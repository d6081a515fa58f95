/**
 * What master and host say to each other. In Mesos these are messages between two programs; here they are calls in one
 * process, but they keep the manners of messages: none waits, and each may get lost while the link is cut.
 */
import type {
  Attribute,
  DomainInfo,
  FrameworkInfo,
  KillPolicy,
  Resource,
  TaskInfo,
  TaskState,
  TaskStatus,
} from '../../mesos/schema/codec.js';

/** A framework as a host needs to know it, to bring it back to a master that has forgotten it. */
export interface HostFramework {
  readonly id: string;
  readonly info: FrameworkInfo;
}

/** A task that a host runs, or whose end it has yet to have acknowledged. */
export interface HostTask {
  readonly frameworkId: string;
  readonly info: TaskInfo;
  /** The latest state, which the master may not have been told yet. */
  readonly state: TaskState;
  /** Every status so far, in order. */
  readonly statuses: readonly TaskStatus[];
}

export interface Registration {
  /** Its id from an earlier registration, with this master or its predecessor. */
  readonly agentId: string | undefined;
  readonly hostname: string;
  readonly address: { readonly ip: string; readonly port: number };
  readonly resources: readonly Resource[];
  readonly attributes: readonly Attribute[];
  readonly domain?: DomainInfo | undefined;
  readonly frameworks: readonly HostFramework[];
  readonly tasks: readonly HostTask[];
}

export interface HostUpdate {
  readonly frameworkId: string;
  readonly status: TaskStatus;
  /** The state that the task is in by now: the update may have waited for the acknowledgement of an earlier one. */
  readonly latestState: TaskState;
}

/** What the master tells a host. */
export interface HostLink {
  launch(framework: HostFramework, task: TaskInfo): void;
  kill(frameworkId: string, taskId: string, policy: KillPolicy | undefined, draining: boolean): void;
  acknowledge(frameworkId: string, taskId: string, uuid: string): void;
  /** The framework is removed: its tasks are shut down, with the short grace of an executor's shutdown. */
  shutdownFramework(frameworkId: string): void;
  /** The framework has a new stream: updates that wait for an acknowledgement are sent again at once. */
  frameworkSubscribed(framework: HostFramework): void;
  /** Tasks that the master thinks run there; the host answers for those that it does not know. */
  reconcile(frameworkId: string, taskIds: readonly string[]): void;
  /** Whether the host is there: the master asks every so often. */
  ping(): boolean;
  /** The master is gone, or wants to hear of the host anew: register again. */
  registerAgain(): void;
  /** The operator has marked the host gone: it ends its tasks and never comes back under its id. */
  markedGone(): void;
}

/** What a host tells the master. */
export interface MasterLink {
  /** Gives the agent id; undefined while there is no master, or none that would have this host. */
  register(registration: Registration, link: HostLink): string | undefined;
  update(agentId: string, update: HostUpdate): void;
  /** The connection is gone, as when the Mesos agent's process ends. */
  closed(agentId: string): void;
  /** An orderly end: the host is taken off the list at once. */
  unregister(agentId: string): void;
}

/** Where a host finds its master; both outlive any single start of it. */
export interface MasterAddress {
  readonly link: MasterLink;
  /** Runs `listener` whenever a master has started here, until the function that it gives back is called. */
  onStart(listener: () => void): () => void;
}
