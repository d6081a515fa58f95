/** What runs the tasks of a host: Docker, or a stand-in in tests. The part of a Mesos agent that containerizer and executor are. */
import type {
  KillPolicy,
  NetworkInfo,
  TaskInfo,
  TaskState,
  TaskStatusReason,
} from '../../mesos/schema/codec.js';

export interface TaskLaunch {
  readonly frameworkId: string;
  readonly task: TaskInfo;
  readonly containerId: string;
  /** Directory of the task's `stdout` and `stderr`; it exists. */
  readonly sandboxDirectory: string;
  /** Whether the framework is to be told of TASK_KILLING. */
  readonly tellKilling: boolean;
}

/** What becomes of a task; the host makes a status update of it. */
export interface TaskReport {
  readonly state: TaskState;
  readonly source: 'SOURCE_EXECUTOR' | 'SOURCE_AGENT';
  readonly message?: string;
  readonly reason?: TaskStatusReason;
  /** Base64. */
  readonly data?: string;
  readonly healthy?: boolean;
  /** Addresses of the container; without them the update shows the host's (FACTS, real master 4). */
  readonly networkInfos?: readonly NetworkInfo[];
}

export interface RunningTask {
  /** `docker stop` with the grace of the given policy, else the task's own, else the host's. */
  kill(policy: KillPolicy | undefined): void;
  /** An executor's shutdown: the kill policy does not count, about 3 s are left. */
  shutdown(): void;
  /** Fault: the `docker run` client dies; the container lives on. */
  killClient(): void;
  /** Fault: the executor dies; the container lives on, watched by nobody. */
  killExecutor(): void;
  /** Ends all and removes the container, reporting nothing more. Resolves when nothing is left. */
  dispose(): Promise<void>;
  /** Stops watching and leaves the container running, reporting nothing more. */
  abandon(): void;
}

export interface TaskRunner {
  launch(launch: TaskLaunch, report: (report: TaskReport) => void): RunningTask;
}
