/** Runs no containers: a test says what becomes of each task. */
import type {
  RunningTask,
  TaskLaunch,
  TaskReport,
  TaskRunner,
} from '../../../framework/local/host/runner.js';
import type { KillPolicy } from '../../../framework/mesos/schema/codec.js';

export class FakeTask implements RunningTask {
  readonly kills: (KillPolicy | undefined)[] = [];
  ended: 'shutdown' | 'disposed' | 'abandoned' | undefined;

  constructor(
    readonly launch: TaskLaunch,
    readonly report: (report: TaskReport) => void,
  ) {}

  starting(): void {
    this.report({ state: 'TASK_STARTING', source: 'SOURCE_EXECUTOR' });
  }
  running(): void {
    this.report({
      state: 'TASK_RUNNING',
      source: 'SOURCE_EXECUTOR',
      data: Buffer.from('[]').toString('base64'),
      networkInfos: [{ ip_addresses: [{ protocol: 'IPv4', ip_address: '198.51.100.100' }], name: 'calico' }],
    });
  }
  exited(status: number): void {
    this.report({
      state: this.kills.length > 0 ? 'TASK_KILLED' : status === 0 ? 'TASK_FINISHED' : 'TASK_FAILED',
      source: 'SOURCE_EXECUTOR',
      message: `Container exited with status ${status}`,
    });
  }
  kill(policy: KillPolicy | undefined): void {
    this.kills.push(policy);
  }
  shutdown(): void {
    this.ended = 'shutdown';
  }
  killClient(): void {}
  killExecutor(): void {}
  abandon(): void {
    this.ended = 'abandoned';
  }
  async dispose(): Promise<void> {
    this.ended = 'disposed';
  }
}

export class FakeRunner implements TaskRunner {
  readonly tasks: FakeTask[] = [];

  launch(launch: TaskLaunch, report: (report: TaskReport) => void): RunningTask {
    const task = new FakeTask(launch, report);
    this.tasks.push(task);
    return task;
  }

  get last(): FakeTask {
    const task = this.tasks.at(-1);
    if (task === undefined) throw new Error('nothing was launched');
    return task;
  }
}
