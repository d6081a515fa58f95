/**
 * Breaks a cluster of three real containers in every way that is known, at random and overlapping, and judges what was seen from
 * within: never two Jupyters, no saved file lost, all nodes well again in the end.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tokenFileName } from '../../executor-image/contract.js';
import { Deployment } from '../e2e/deployment.js';
import { docker, logsOf } from '../support/docker.js';
import { type GlusterMount, GlusterVolume } from '../support/gluster.js';
import type { JupyterClient } from '../support/jupyter.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/wait.js';
import { ContainerEvents } from './containers.js';
import { faults, type Scene, type Target } from './faults.js';
import { judge, type Verdict } from './intervals.js';
import { Recorders } from './sights.js';

export interface ChaosOptions {
  readonly seed: number;
  /** For how long faults begin, in seconds. */
  readonly forS: number;
  /** Which kinds; all by default. */
  readonly kinds?: readonly string[];
  /** Ends the faults before their time. */
  readonly signal?: AbortSignal;
  readonly log: (line: string) => void;
}

export interface ChaosReport extends Verdict {
  /** How often each kind of fault happened. */
  readonly faults: ReadonlyMap<string, number>;
  /** How often Jupyter was seen to answer, and its kernels to write: at least once, before the faults began. */
  readonly answers: number;
  readonly writes: number;
  readonly saved: number;
  /** Files that Jupyter had said were saved, and that were not there in the end as they were. */
  readonly lost: readonly string[];
  /** How long after the last fault all was well, in seconds; undefined when it was not in time. */
  readonly wellAfterS: number | undefined;
  /** Why not, with the last words of the scheduler and of the nodes. */
  readonly trouble: string | undefined;
}

const hostCount = 3;
/** All nodes must be healthy voters so long after the last fault. */
const wellWithinMs = 60_000;
/** Where a node keeps what is its own, on a disk of its own here, which a fault fills. etcd takes 128 MB of it from the start. */
const localDirectory = '/var/lib/mesos-jupyter';
const diskMb = 256;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-chaos-'));
  const undo: (() => unknown)[] = [() => rmSync(scratch, { recursive: true, force: true })];
  try {
    const volume = await GlusterVolume.create(mkdtempSync(join(tmpdir(), 'mesos-jupyter-chaos-volume-')));
    undo.push(() => volume.remove());
    const mounts: HostMount[] = [];
    for (let number = 1; number <= hostCount; number++)
      mounts.push(new HostMount(await volume.mount(`host-${number}`)));
    const cluster = await Deployment.create(3, {
      hostCount,
      memMb: 1024,
      shared: (await volume.mount('seen-by-the-test')).path,
      mountOf: (host) => mounts[host - 1]?.path ?? '',
    });
    undo.push(() => cluster.remove());
    const chaos = new Chaos(options, cluster, mounts, scratch);
    undo.push(() => chaos.end());
    return await chaos.run();
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

/** A host's mount of the shared volume. Faults that overlap kill it and have it mounted again in turn. */
class HostMount {
  #isDead = false;
  #work: Promise<void> = Promise.resolve();

  constructor(readonly mount: GlusterMount) {}

  get path(): string {
    return this.mount.path;
  }

  die(): Promise<void> {
    return this.#next(async () => {
      this.#isDead = true;
      await this.mount.die();
    });
  }

  mountAgain(): Promise<void> {
    return this.#next(async () => {
      if (!this.#isDead) return;
      await this.mount.mountAgain();
      this.#isDead = false;
    });
  }

  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#work.then(step);
    this.#work = done.catch(() => {});
    return done;
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #cluster: Deployment;
  readonly #mounts: readonly HostMount[];
  readonly #random: SeededRandom;
  readonly #recorders: Recorders;
  readonly #events: ContainerEvents;
  /** The task of each container that ever ran, by its id. */
  readonly #tasks = new Map<string, string>();
  readonly #ended = new Set<string>();
  /** The containers that run. */
  readonly #targets = new Map<string, Target>();
  readonly #counts = new Map<string, number>();
  readonly #saved: string[] = [];
  /** Read where this machine has it: any container may be paused. */
  #token = '';
  /** What has not been ended yet. */
  readonly #open = new Set<Promise<void>>();
  #isOver = false;

  /** @param mounts of the hosts, in order */
  constructor(options: ChaosOptions, cluster: Deployment, mounts: readonly HostMount[], scratch: string) {
    this.#options = options;
    this.#cluster = cluster;
    this.#mounts = mounts;
    this.#recorders = new Recorders(scratch, join(cluster.shared, 'notebooks'), this.#tokenFile);
    this.#random = new SeededRandom(options.seed);
    this.#events = new ContainerEvents({
      started: (container) => void this.#record(container).catch(() => {}),
      ended: (container) => {
        this.#ended.add(container);
        this.#targets.delete(container);
        this.#recorders.end(this.#tasks.get(container));
      },
    });
  }

  async run(): Promise<ChaosReport> {
    this.#startScheduler();
    await this.#cluster.settled(90_000);
    this.#token = readFileSync(this.#tokenFile, 'utf8').trim();
    this.#options.log('all is well');
    const saving = this.#save();
    await this.#seen();
    await this.#breakThings();
    await Promise.all(this.#open);
    this.#options.log('no more faults');
    const began = performance.now();
    let trouble: string | undefined;
    const holder = await this.#cluster.settled(wellWithinMs).catch(async (error: unknown) => {
      trouble = `${error}\n${await this.#lastWords()}`;
      return undefined;
    });
    const wellAfterS = holder === undefined ? undefined : (performance.now() - began) / 1000;
    this.#isOver = true;
    await saving;
    const lost = holder === undefined ? [] : await this.#lost(holder);
    const { answers, writes } = this.#recorders.read();
    const resumes = new Map(
      [...this.#tasks].map(([container, taskId]) => [taskId, this.#events.resumesOf(container)]),
    );
    return {
      ...judge([...answers, ...writes], resumes),
      faults: this.#counts,
      answers: answers.length,
      writes: writes.length,
      saved: this.#saved.length,
      lost,
      wellAfterS,
      trouble,
    };
  }

  /** Faults may leave no moment for a notebook: what is judged must have been seen at work before they begin. */
  async #seen(): Promise<void> {
    await waitFor('a Jupyter that answers, a kernel that writes and a file that is saved', 30_000, () => {
      const { answers, writes } = this.#recorders.read();
      return answers.length > 0 && writes.length > 0 && this.#saved.length > 0;
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#recorders.endAll();
    this.#events.end();
    for (const { container } of this.#targets.values())
      await docker('unpause', container).catch(() => undefined);
  }

  /** What whoever looks for the cause wants to read. */
  async #lastWords(): Promise<string> {
    const lastOf = (text: string, lines: number) => text.trimEnd().split('\n').slice(-lines).join('\n');
    const nodes = [...this.#cluster.containers()].flatMap(([address, ids]) =>
      ids.map(async (id) => {
        const log = await logsOf(id).catch(String);
        return `${this.#tasks.get(id) ?? id} at ${address}:\n${lastOf(log, 40)}`;
      }),
    );
    return [`scheduler:\n${lastOf(this.#cluster.log, 80)}`, ...(await Promise.all(nodes))].join('\n\n');
  }

  #startScheduler(): void {
    this.#cluster.startScheduler(
      ...['--docker-parameters', `tmpfs=${localDirectory}:size=${diskMb}m`],
      // What is killed again and again is relaunched later and later, for up to two minutes by default: longer than all may take to be well.
      ...['--backoff-max-s', '10'],
    );
  }

  async #breakThings(): Promise<void> {
    const kinds = this.#options.kinds ?? Object.keys(faults);
    const until = performance.now() + this.#options.forS * 1000;
    while (performance.now() < until && !this.#options.signal?.aborted) {
      const kind = this.#random.pick(kinds);
      const forMs = this.#random.pick([
        this.#random.between(200, 2_000),
        this.#random.between(3_500, 6_500),
        this.#random.between(8_000, 30_000),
      ]);
      const target = this.#random.pickIfAny([...this.#targets.values()]);
      if (target !== undefined) {
        this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
        const broken = this.#break(kind, target, forMs).finally(() => this.#open.delete(broken));
        this.#open.add(broken);
      }
      await delay(this.#random.between(300, 9_000));
    }
  }

  async #break(kind: string, target: Target, forMs: number): Promise<void> {
    const what = `${this.#taskOf(target)} is ${kind}`;
    try {
      const mend = await faults[kind]?.(this.#scene(), target);
      this.#options.log(what);
      await delay(forMs);
      await mend?.();
    } catch (error) {
      // The container went before, or in the middle of it.
      this.#options.log(`${what}: ${String(error).trim().replaceAll('\n', ' ')}`);
    }
  }

  #scene(): Scene {
    return {
      random: this.#random,
      targets: [...this.#targets.values()],
      gateway: this.#cluster.address(0).replace(/\d+$/, (last) => String(Number(last) - 9)),
      localDirectory,
      killScheduler: async () => {
        await this.#cluster.stopScheduler('SIGKILL');
        this.#startScheduler();
      },
      killMount: async ({ address }) => {
        const { name } = this.#cluster.hostOf(this.#cluster.addresses.indexOf(address));
        const mount = this.#mounts[Number(name.replace('host-', '')) - 1];
        await mount?.die();
        return async () => mount?.mountAgain();
      },
      runInNotebook: async (code) => {
        const client = await this.#notebook();
        if (client === undefined) throw new Error('no notebook to be greedy in');
        await client.runCell(await client.startKernel(), code, 5_000);
      },
    };
  }

  #taskOf({ container }: Target): string {
    return this.#tasks.get(container) ?? container;
  }

  /** Has a recorder beside a container that has started, for as long as it runs, if it is one of the cluster's. */
  async #record(container: string): Promise<void> {
    const atAddress = `{{with index .NetworkSettings.Networks "${this.#cluster.network}"}}{{.IPAddress}}{{end}}`;
    const format = `{{.State.Pid}} ${atAddress} {{range .Config.Env}}{{println .}}{{end}}`;
    const words = (await docker('inspect', '-f', format, container)).split(/\s+/);
    const [pid = '0', address = '', ...env] = words;
    const taskId = env.find((each) => each.startsWith('MJ_TASK_ID='))?.slice('MJ_TASK_ID='.length);
    if (taskId === undefined || pid === '0' || !this.#cluster.addresses.includes(address)) return;
    if (this.#ended.has(container)) return;
    this.#recorders.start(taskId, Number(pid));
    this.#tasks.set(container, taskId);
    this.#targets.set(container, { container, address, pid: Number(pid) });
  }

  /** The one that answers, if one can be reached. */
  async #notebook(): Promise<JupyterClient | undefined> {
    const clients = this.#cluster.nodes.map((node) => this.#cluster.jupyter(node, this.#token));
    const answers = await Promise.all(clients.map((client) => client.probe()));
    return clients[answers.indexOf(200)];
  }

  get #tokenFile(): string {
    return join(this.#cluster.shared, '.mesos-jupyter', tokenFileName);
  }

  /** Saves a file a second, as a person does who hears whether it was saved. */
  async #save(): Promise<void> {
    for (let number = 1; !this.#isOver; number++) {
      const name = `saved-${number}.txt`;
      const notebook = await this.#notebook();
      await notebook?.writeFile(name, name).then(
        () => this.#saved.push(name),
        () => {},
      );
      await delay(1_000);
    }
  }

  async #lost(holder: number): Promise<string[]> {
    const client = this.#cluster.jupyter(holder, this.#token);
    const lost: string[] = [];
    for (const name of this.#saved) {
      const content = await client.readFile(name).catch(String);
      if (content !== name) lost.push(`${name}: ${content}`);
    }
    return lost;
  }
}
