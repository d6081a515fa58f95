/**
 * A soak: the real scheduler, two embedded masters of which one leads, hosts without Docker, and between scheduler and masters a network
 * that misbehaves. What goes wrong, and when, comes from one seed; in the end all must be as it was.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../framework/errors.js';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { type Logger, silentLogger } from '../../framework/log.js';
import { type Scheduler, startScheduler } from '../../framework/scheduler.js';
import type { FaultyProxy } from '../support/faulty-proxy.js';
import { SeededRandom } from '../support/random.js';
import { settingsOf } from '../support/settings.js';
import { waitFor } from '../support/wait.js';
import { Containers } from './containers.js';
import { Masters } from './masters.js';

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
  readonly masters: Masters;
  readonly hosts: readonly EmbeddedHost[];
  readonly containers: Containers;
  restartScheduler(): Promise<void>;
}

export interface Fault {
  readonly name: string;
  readonly harm: Harm;
  /** Of all faults that may come, how often this one does. */
  readonly weight: number;
  /** The part of the world that it stops and starts: no other fault does that to the same part meanwhile. */
  readonly part?: 'masters' | 'hosts' | 'scheduler';
  /** Resolves when it is over, or goes on by itself. */
  strike(world: SoakWorld): Promise<void>;
}

export const faults: readonly Fault[] = [
  {
    name: 'every connection is cut',
    harm: 'none',
    weight: 4,
    async strike({ masters }) {
      for (const proxy of masters.proxies) proxy.cut();
    },
  },
  {
    name: 'some connections are cut',
    harm: 'none',
    weight: 4,
    async strike({ masters }) {
      for (const proxy of masters.proxies) proxy.cut(0.5);
    },
  },
  {
    name: 'nothing gets through for a moment',
    harm: 'none',
    weight: 3,
    strike: ({ masters, random }) => stall(masters.networks(random), random.between(50, 1_500)),
  },
  {
    name: 'nothing gets through for longer than the heartbeats’ patience',
    harm: 'none',
    weight: 1,
    strike: ({ masters, random }) => stall(masters.networks(random), random.between(2_500, 4_000)),
  },
  {
    name: 'connections are refused for a time',
    harm: 'none',
    weight: 2,
    async strike({ masters, random }) {
      const proxies = masters.networks(random);
      for (const proxy of proxies) {
        proxy.refuse();
        proxy.cut();
      }
      await delay(random.between(100, 2_000));
      for (const proxy of proxies) proxy.accept();
    },
  },
  {
    name: 'the master restarts, and remembers its hosts',
    harm: 'none',
    weight: 3,
    part: 'masters',
    strike: ({ masters }) => masters.leader.restart({ keepRegistry: true }),
  },
  {
    name: 'the leading master gives up, and after an election another leads',
    harm: 'none',
    weight: 3,
    part: 'masters',
    strike: ({ masters, random }) => masters.handOver(random.between(0, 1_500)),
  },
  {
    name: 'the leading master is killed, and when its session has run out another leads',
    harm: 'none',
    weight: 3,
    part: 'masters',
    strike: ({ masters, random }) => masters.succeed(random.between(50, 1_500), random.between(0, 1_000)),
  },
  {
    name: 'a host’s Mesos agent restarts',
    harm: 'none',
    weight: 3,
    part: 'hosts',
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
    part: 'scheduler',
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
    part: 'masters',
    strike: ({ masters }) => masters.leader.restart({ keepRegistry: false }),
  },
];

async function stall(proxies: readonly FaultyProxy[], ms: number): Promise<void> {
  for (const proxy of proxies) proxy.stall();
  await delay(ms);
  for (const proxy of proxies) proxy.release();
}

export interface SoakOptions {
  readonly seed: number;
  /** How long faults that leave tasks alone go on, then how long all of them do. */
  readonly harmlessS: number;
  readonly harmfulS: number;
  readonly log: (line: string) => void;
  /** The scheduler's own. Default: none. */
  readonly logger?: Logger;
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
  readonly #masters: Masters;
  readonly #hosts: readonly EmbeddedHost[];
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
    const masters = await Masters.start(
      {
        logger: silentLogger,
        heartbeatMs: 500,
        allocationIntervalMs: 100,
        pingIntervalMs: 500,
        // A host that is away for a moment is not given up.
        maxMissedPings: 40,
        hostReregisterTimeoutMs: 60_000,
      },
      new SeededRandom(options.seed + 2),
    );
    const hosts: EmbeddedHost[] = [];
    for (let number = 1; number <= nodes; number += 1) {
      hosts.push(
        await EmbeddedHost.start({
          master: masters.ensemble,
          name: `host-${number}`,
          resources: { cpus: 4, memMb: 8_192, diskMb: 20_000 },
          workDirectory: join(directory, `host-${number}`),
          logger: silentLogger,
          registrationDelayMs: random.between(50, 500),
          runner: containers,
        }),
      );
    }
    return new Soak(options, { directory, random, containers, masters, hosts });
  }

  private constructor(
    options: SoakOptions,
    parts: {
      directory: string;
      random: SeededRandom;
      containers: Containers;
      masters: Masters;
      hosts: readonly EmbeddedHost[];
    },
  ) {
    this.#options = options;
    this.#directory = parts.directory;
    this.#random = parts.random;
    this.#containers = parts.containers;
    this.#masters = parts.masters;
    this.#hosts = parts.hosts;
    this.#watch = setInterval(() => this.#look(), 20);
  }

  async run(): Promise<SoakResult> {
    const { harmlessS, harmfulS, log } = this.#options;
    await this.#startScheduler();
    const before = await this.#settled('the start');
    log(`tasks: ${before.join(', ')}`);

    await this.#strike(
      faults.filter(({ harm }) => harm === 'none'),
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
      await this.#strike(faults, harmfulS);
      log(`tasks: ${(await this.#settled('all faults')).join(', ')}`);
    }
    const forgotten = faults
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
      connections: this.#masters.proxies.reduce((sum, { connectionsSeen }) => sum + connectionsSeen, 0),
      launched: this.#containers.launched,
      doubles: this.#containers.doubles,
      frameworkIds: [...this.#frameworkIds],
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#scheduler?.stop();
    for (const host of this.#hosts) await host.stop();
    await this.#masters.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #startScheduler(): Promise<void> {
    const { logger = silentLogger } = this.#options;
    const settings = settingsOf({
      master: this.#masters.setting,
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
      this.#failures.add(`the scheduler ended: ${messageOf(error)}`);
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
      masters: this.#masters,
      hosts: this.#hosts,
      containers: this.#containers,
      restartScheduler: async () => {
        await this.#scheduler?.stop();
        await this.#startScheduler();
      },
    };
    const end = performance.now() + forS * 1000;
    const under: Promise<void>[] = [];
    const turns = new Map<Fault['part'], Promise<void>>();
    while (performance.now() < end && this.#failures.size === 0) {
      const fault = this.#random.pick(deck);
      this.#struck.set(fault.name, (this.#struck.get(fault.name) ?? 0) + 1);
      if (fault.part !== undefined) await turns.get(fault.part);
      this.#options.log(`fault: ${fault.name}`);
      const striking = fault.strike(world).catch((error: unknown) => {
        this.#failures.add(`"${fault.name}" failed: ${messageOf(error)}`);
      });
      if (fault.part !== undefined) turns.set(fault.part, striking);
      if (this.#random.chance(0.5)) await striking;
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
