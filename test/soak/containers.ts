/** Stands in for Docker in a soak: containers that start, run until they are told to end, and are counted. */
import type { RunningTask, TaskLaunch, TaskReport, TaskRunner } from '../../framework/local/host/runner.js';
import type { SeededRandom } from '../support/random.js';

class Container implements RunningTask {
  readonly #report: (report: TaskReport) => void;
  readonly #ended: () => void;
  readonly #random: SeededRandom;
  #isAlive = true;
  #isWatched = true;
  #isKilled = false;

  constructor(
    readonly launch: TaskLaunch,
    {
      report,
      ended,
      random,
    }: { report: (report: TaskReport) => void; ended: () => void; random: SeededRandom },
  ) {
    this.#report = (what) => {
      if (this.#isWatched) report(what);
    };
    this.#ended = ended;
    this.#random = random;
    this.#later(10, 100, () => {
      this.#report({ state: 'TASK_STARTING', source: 'SOURCE_EXECUTOR' });
      this.#later(10, 200, () => {
        this.#report({
          state: 'TASK_RUNNING',
          source: 'SOURCE_EXECUTOR',
          // As large as the inspection that a real one carries.
          data: Buffer.alloc(6_000, 'inspect ').toString('base64'),
          networkInfos: [
            { ip_addresses: [{ protocol: 'IPv4', ip_address: '198.51.100.100' }], name: 'calico' },
          ],
        });
      });
    });
  }

  exit(status: number): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#ended();
    this.#report({
      state: this.#isKilled ? 'TASK_KILLED' : status === 0 ? 'TASK_FINISHED' : 'TASK_FAILED',
      source: 'SOURCE_EXECUTOR',
      message: `Container exited with status ${status}`,
    });
  }

  kill(): void {
    if (this.#isKilled) return;
    this.#isKilled = true;
    if (this.launch.tellKilling) this.#report({ state: 'TASK_KILLING', source: 'SOURCE_EXECUTOR' });
    this.#later(10, 300, () => this.exit(143));
  }
  shutdown(): void {
    this.kill();
  }
  killClient(): void {}
  killExecutor(): void {}
  abandon(): void {
    this.#isWatched = false;
  }
  async dispose(): Promise<void> {
    this.#isWatched = false;
    this.exit(137);
  }

  #later(least: number, most: number, work: () => void): void {
    setTimeout(
      () => {
        if (this.#isAlive) work();
      },
      this.#random.between(least, most),
    );
  }
}

/** All containers of all hosts: what really runs, whatever Mesos or the scheduler think. */
export class Containers implements TaskRunner {
  readonly #alive = new Set<Container>();
  readonly #random: SeededRandom;
  launched = 0;
  /** Times that a container was started while another of the same node ran. */
  doubles = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  launch(launch: TaskLaunch, report: (report: TaskReport) => void): RunningTask {
    if ([...this.#alive].some((other) => other.launch.task.name === launch.task.name)) this.doubles += 1;
    this.launched += 1;
    const container: Container = new Container(launch, {
      report,
      ended: () => this.#alive.delete(container),
      random: this.#random,
    });
    this.#alive.add(container);
    return container;
  }

  /** Task ids of the containers that run, by the node's name. */
  get running(): ReadonlyMap<string, readonly string[]> {
    const nodes = new Map<string, string[]>();
    for (const { launch } of this.#alive) {
      const ids = nodes.get(launch.task.name) ?? [];
      nodes.set(launch.task.name, [...ids, launch.task.task_id.value]);
    }
    return nodes;
  }

  /** One of them ends by itself. */
  crashOne(status: number): void {
    const all = [...this.#alive];
    if (all.length > 0) this.#random.pick(all).exit(status);
  }
}
