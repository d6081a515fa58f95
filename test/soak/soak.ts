/**
 * A soak: the real scheduler, the embedded master and hosts without Docker, and between scheduler and master a network that
 * misbehaves. What goes wrong, and when, comes from one seed; in the end all must be as it was.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { type Logger, silentLogger } from '../../framework/log.js';
import { type Scheduler, startScheduler } from '../../framework/scheduler.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import { SeededRandom } from '../support/random.js';
import { settingsOf } from '../support/settings.js';
import { waitFor } from '../support/wait.js';
import { Containers } from './containers.js';

/** What a fault may do to tasks. */
export type Harm =
  /** Nothing: the same tasks go on. */
  | 'none'
  /** Tasks end, and others take their places. */
  | 'tasksEnd'
  /** Mesos forgets tasks that run: another may run beside one for a time, until Mesos finds it again. */
  | 'tasksForgotten';

export interface SoakWorld {
  readonly random: SeededRandom;
  readonly master: EmbeddedMaster;
  readonly hosts: readonly EmbeddedHost[];
  readonly proxy: FaultyProxy;
  readonly containers: Containers;
  restartScheduler(): Promise<void>;
}

export interface Fault {
  readonly name: string;
  readonly harm: Harm;
  /** Of all faults that may come, how often this one does. */
  readonly weight: number;
  /** Resolves when it is over, or goes on by itself. */
  strike(world: SoakWorld): Promise<void>;
}

export const faults: readonly Fault[] = [
  {
    name: 'every connection is cut',
    harm: 'none',
    weight: 4,
    strike: async ({ proxy }) => proxy.cut(),
  },
  {
    name: 'some connections are cut',
    harm: 'none',
    weight: 4,
    strike: async ({ proxy }) => proxy.cut(0.5),
  },
  {
    name: 'nothing gets through for a moment',
    harm: 'none',
    weight: 3,
    async strike({ proxy, random }) {
      proxy.stall();
      await delay(random.between(50, 1_500));
      proxy.release();
    },
  },
  {
    name: 'nothing gets through for longer than the heartbeats’ patience',
    harm: 'none',
    weight: 1,
    async strike({ proxy, random }) {
      proxy.stall();
      await delay(random.between(2_500, 4_000));
      proxy.release();
    },
  },
  {
    name: 'connections are refused for a time',
    harm: 'none',
    weight: 2,
    async strike({ proxy, random }) {
      proxy.refuse();
      proxy.cut();
      await delay(random.between(100, 2_000));
      proxy.accept();
    },
  },
  {
    name: 'the master restarts, and remembers its hosts',
    harm: 'none',
    weight: 3,
    strike: ({ master }) => master.restart({ keepRegistry: true }),
  },
  {
    name: 'a host’s Mesos agent restarts',
    harm: 'none',
    weight: 3,
    async strike({ hosts, random }) {
      const host = random.pick(hosts);
      host.disconnect({ silent: random.chance(0.5) });
      await delay(random.between(50, 1_500));
      host.reconnect();
    },
  },
  {
    name: 'the scheduler restarts',
    harm: 'none',
    weight: 2,
    strike: ({ restartScheduler }) => restartScheduler(),
  },
  {
    name: 'a container ends by itself',
    harm: 'tasksEnd',
    weight: 4,
    strike: async ({ containers, random }) => containers.crashOne(random.pick([0, 1, 71, 137])),
  },
  {
    name: 'the master restarts, and knows nothing',
    harm: 'tasksForgotten',
    weight: 1,
    strike: ({ master }) => master.restart({ keepRegistry: false }),
  },
];

export interface SoakOptions {
  readonly seed: number;
  /** How long faults that leave tasks alone go on, then how long all of them do. */
  readonly harmlessS: number;
  readonly harmfulS: number;
  readonly log: (line: string) => void;
  /** The scheduler's own. Default: none. */
  readonly logger?: Logger;
  /** Beside those above; a change of leader, for instance. */
  readonly moreFaults?: readonly Fault[];
  /** Where the scheduler is told to find the master, made from the proxy's address. Default: that address. */
  readonly masterSetting?: (proxy: FaultyProxy) => string;
}

export interface SoakResult {
  /** Sentences about what was not as it must be. */
  readonly failures: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly connections: number;
  readonly launched: number;
  readonly doubles: number;
  readonly frameworkIds: readonly string[];
}

const nodes = 3;
/** After the last fault all must be well within this. */
const patienceMs = 60_000;

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const soak = await Soak.start(options);
  try {
    return await soak.run();
  } finally {
    await soak.stop();
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #directory: string;
  readonly #random: SeededRandom;
  readonly #containers: Containers;
  readonly #master: EmbeddedMaster;
  readonly #hosts: readonly EmbeddedHost[];
  readonly #proxy: FaultyProxy;
  readonly #failures = new Set<string>();
  readonly #frameworkIds = new Set<string>();
  readonly #struck = new Map<string, number>();
  readonly #watch: NodeJS.Timeout;
  #scheduler: Scheduler | undefined;

  static async start(options: SoakOptions): Promise<Soak> {
    const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-soak-'));
    // Streams of their own, so that what a container draws does not change which fault is next.
    const random = new SeededRandom(options.seed);
    const containers = new Containers(new SeededRandom(options.seed + 1));
    const master = await EmbeddedMaster.start({
      logger: silentLogger,
      heartbeatMs: 500,
      allocationIntervalMs: 100,
      pingIntervalMs: 500,
      // A host that is away for a moment is not given up.
      maxMissedPings: 40,
      hostReregisterTimeoutMs: 60_000,
    });
    const hosts: EmbeddedHost[] = [];
    for (let number = 1; number <= nodes; number += 1) {
      hosts.push(
        await EmbeddedHost.start({
          master,
          name: `host-${number}`,
          resources: { cpus: 4, memMb: 8_192, diskMb: 20_000 },
          workDirectory: join(directory, `host-${number}`),
          logger: silentLogger,
          registrationDelayMs: random.between(50, 500),
          runner: containers,
        }),
      );
    }
    const proxy = await FaultyProxy.start({
      upstreamPort: master.port,
      random: new SeededRandom(options.seed + 2),
    });
    return new Soak(options, { directory, random, containers, master, hosts, proxy });
  }

  private constructor(
    options: SoakOptions,
    parts: {
      directory: string;
      random: SeededRandom;
      containers: Containers;
      master: EmbeddedMaster;
      hosts: readonly EmbeddedHost[];
      proxy: FaultyProxy;
    },
  ) {
    this.#options = options;
    this.#directory = parts.directory;
    this.#random = parts.random;
    this.#containers = parts.containers;
    this.#master = parts.master;
    this.#hosts = parts.hosts;
    this.#proxy = parts.proxy;
    this.#watch = setInterval(() => this.#look(), 20);
  }

  async run(): Promise<SoakResult> {
    const { harmlessS, harmfulS, log, moreFaults = [] } = this.#options;
    const all = [...faults, ...moreFaults];
    await this.#startScheduler();
    const before = await this.#settled('the start');
    log(`tasks: ${before.join(', ')}`);

    await this.#strike(
      all.filter(({ harm }) => harm === 'none'),
      harmlessS,
    );
    const after = await this.#settled('faults that leave tasks alone');
    if (after.join() !== before.join()) {
      this.#failures.add(
        `tasks were ${before.join(', ')}, and are ${after.join(', ')}, though none was harmed`,
      );
    }
    if (this.#containers.doubles > 0) {
      this.#failures.add(
        `a node had two containers ${this.#containers.doubles} times, though no task was forgotten`,
      );
    }

    if (harmfulS > 0) {
      await this.#strike(all, harmfulS);
      log(`tasks: ${(await this.#settled('all faults')).join(', ')}`);
    }
    const forgotten = all
      .filter(({ harm }) => harm === 'tasksForgotten')
      .some(({ name }) => (this.#struck.get(name) ?? 0) > 0);
    if (this.#containers.doubles > 0 && !forgotten) {
      this.#failures.add(
        `a node had two containers ${this.#containers.doubles} times, though no task was forgotten`,
      );
    }
    if (this.#frameworkIds.size !== 1) {
      this.#failures.add(`the framework ids were ${[...this.#frameworkIds].join(', ')}`);
    }
    return {
      failures: [...this.#failures],
      faults: this.#struck,
      connections: this.#proxy.connectionsSeen,
      launched: this.#containers.launched,
      doubles: this.#containers.doubles,
      frameworkIds: [...this.#frameworkIds],
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#scheduler?.stop();
    for (const host of this.#hosts) await host.stop();
    await this.#proxy.stop();
    await this.#master.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #startScheduler(): Promise<void> {
    const { masterSetting = (proxy: FaultyProxy) => proxy.url, logger = silentLogger } = this.#options;
    const settings = settingsOf({
      master: masterSetting(this.#proxy),
      stateFile: join(this.#directory, 'state.json'),
      masterTimeoutS: 120,
      launchTimeoutS: 20,
      // Longer than any fault: whoever is away comes back.
      unreachableGraceS: 300,
      killGraceS: 2,
      backoffMinS: 0.2,
      backoffMaxS: 1,
      healthySpellS: 5,
      offerHoldMs: 200,
    });
    const scheduler = await startScheduler(settings, { logger });
    this.#scheduler = scheduler;
    scheduler.done.catch((error: unknown) => {
      this.#failures.add(`the scheduler ended: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  #look(): void {
    const id = this.#scheduler?.snapshot().frameworkId;
    if (id !== undefined) this.#frameworkIds.add(id);
  }

  /** One fault after another, with pauses, some of them over each other. */
  async #strike(choice: readonly Fault[], forS: number): Promise<void> {
    const deck = choice.flatMap((fault) => new Array<Fault>(fault.weight).fill(fault));
    const world: SoakWorld = {
      random: this.#random,
      master: this.#master,
      hosts: this.#hosts,
      proxy: this.#proxy,
      containers: this.#containers,
      restartScheduler: async () => {
        await this.#scheduler?.stop();
        await this.#startScheduler();
      },
    };
    const end = performance.now() + forS * 1000;
    const under: Promise<void>[] = [];
    while (performance.now() < end && this.#failures.size === 0) {
      const fault = this.#random.pick(deck);
      this.#struck.set(fault.name, (this.#struck.get(fault.name) ?? 0) + 1);
      this.#options.log(`fault: ${fault.name}`);
      const striking = fault.strike(world);
      // What restarts a part of the world is waited for: another may want the same part.
      if (this.#random.chance(0.5) || fault.name.includes('restarts')) await striking;
      else under.push(striking);
      await delay(this.#random.between(0, 1_500));
    }
    await Promise.all(under);
  }

  /** Waits until all is well, and gives the ids of the tasks. */
  async #settled(after: string): Promise<string[]> {
    return waitFor(`three running tasks after ${after}`, patienceMs, () => {
      const [failure] = this.#failures;
      const summaries = this.#scheduler?.snapshot().nodes ?? [];
      const ids = summaries.map(({ taskId }) => taskId ?? '');
      const running = [...this.#containers.running].sort(([a], [b]) => a.localeCompare(b));
      const expected = ids.map((id, node) => [`node${node}`, [id]]);
      const isWell =
        summaries.length === nodes &&
        summaries.every(({ state }) => state === 'TASK_RUNNING') &&
        JSON.stringify(running) === JSON.stringify(expected);
      if (isWell) return ids;
      throw new Error(
        `${failure ?? ''} scheduler: ${summaries.map(({ number, state, taskId, reason }) => `node${number} ${taskId} ${state} (${reason})`).join(', ')}; containers: ${JSON.stringify(running)}`,
      );
    });
  }
}
