/**
 * Breaks a cluster of three real containers in every way that is known, at random and overlapping, and judges what was seen from
 * within: never two Jupyters, no saved file lost, all nodes well again in the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { containerPaths, tokenFileName } from '../../executor-image/contract.js';
import { Deployment } from '../e2e/deployment.js';
import { docker } from '../support/docker.js';
import type { JupyterClient } from '../support/jupyter.js';
import { SeededRandom } from '../support/random.js';
import { faults, type Scene, type Target } from './faults.js';
import { judge, type Sight, type Verdict } from './intervals.js';
import type { RecorderOptions } from './recorder.js';

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
  readonly saved: number;
  /** Files that Jupyter had said were saved, and that were not there in the end as they were. */
  readonly lost: readonly string[];
  /** How long after the last fault all was well, in seconds; undefined when it was not in time. */
  readonly wellAfterS: number | undefined;
  /** Why not. */
  readonly trouble: string | undefined;
}

/** All nodes must be healthy voters so long after the last fault. */
const wellWithinMs = 60_000;
/** Where a node keeps what is its own, on a disk of its own here, which a fault fills. etcd takes 128 MB of it from the start. */
const localDirectory = '/var/lib/mesos-jupyter';
const diskMb = 256;

const bootMs = (): number => Math.round(Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000);

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const cluster = await Deployment.create(3, { hostCount: 3, memMb: 1024 });
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-chaos-'));
  const chaos = new Chaos(options, cluster, scratch);
  try {
    return await chaos.run();
  } finally {
    await chaos.end();
    await cluster.remove();
    rmSync(scratch, { recursive: true, force: true });
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #cluster: Deployment;
  readonly #scratch: string;
  readonly #random: SeededRandom;
  /** The recorder of each container that ever ran, by its id. */
  readonly #recorders = new Map<string, { readonly taskId: string; readonly process: ChildProcess }>();
  readonly #targets = new Map<string, Target>();
  readonly #resumes = new Map<string, number[]>();
  readonly #counts = new Map<string, number>();
  readonly #saved: string[] = [];
  /** Read where this machine has it: any container may be paused. */
  #token = '';
  /** What has not been ended yet. */
  readonly #open = new Set<Promise<void>>();
  #isOver = false;

  constructor(options: ChaosOptions, cluster: Deployment, scratch: string) {
    this.#options = options;
    this.#cluster = cluster;
    this.#scratch = scratch;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<ChaosReport> {
    this.#startScheduler();
    await this.#cluster.settled(90_000);
    this.#token = readFileSync(this.#tokenFile, 'utf8').trim();
    this.#options.log('all is well');
    const besides = [this.#record(), this.#save()];
    await this.#breakThings();
    await Promise.all(this.#open);
    this.#options.log('no more faults');
    const began = performance.now();
    let trouble: string | undefined;
    const holder = await this.#cluster.settled(wellWithinMs).catch((error: unknown) => {
      trouble = String(error);
      return undefined;
    });
    const wellAfterS = holder === undefined ? undefined : (performance.now() - began) / 1000;
    this.#isOver = true;
    await Promise.all(besides);
    const lost = holder === undefined ? [] : await this.#lost(holder);
    const verdict = judge(this.#sights(), this.#resumes);
    return { ...verdict, faults: this.#counts, saved: this.#saved.length, lost, wellAfterS, trouble };
  }

  async end(): Promise<void> {
    this.#isOver = true;
    for (const { process } of this.#recorders.values()) process.kill('SIGKILL');
    for (const { container } of this.#targets.values())
      await docker('unpause', container).catch(() => undefined);
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
      this.#options.log(`${what}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
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
      resumed: (target) => {
        const taskId = this.#taskOf(target);
        this.#resumes.set(taskId, [...(this.#resumes.get(taskId) ?? []), bootMs()]);
      },
      runInNotebook: async (code) => {
        const client = await this.#notebook();
        if (client === undefined) throw new Error('no notebook to be greedy in');
        await client.runCell(await client.startKernel(), code, 5_000);
      },
    };
  }

  #taskOf({ container }: Target): string {
    return this.#recorders.get(container)?.taskId ?? container;
  }

  /** A recorder beside each container, for as long as that runs. */
  async #record(): Promise<void> {
    while (!this.#isOver) {
      const running = [...this.#cluster.containers()].flatMap(([address, ids]) =>
        ids.map((container) => ({ container, address })),
      );
      for (const { container, address } of running) {
        if (!this.#recorders.has(container)) await this.#startRecorder(container, address).catch(() => {});
      }
      for (const [container, recorder] of this.#recorders) {
        if (running.some((one) => one.container === container)) continue;
        recorder.process.kill('SIGKILL');
        this.#targets.delete(container);
      }
      await delay(200);
    }
  }

  async #startRecorder(container: string, address: string): Promise<void> {
    const format = '{{.State.Pid}} {{range .Config.Env}}{{println .}}{{end}}';
    const [pid = '', ...env] = (await docker('inspect', '-f', format, container)).split(/\s+/);
    const taskId = env.find((each) => each.startsWith('MJ_TASK_ID='))?.slice('MJ_TASK_ID='.length);
    if (taskId === undefined || pid === '0') return;
    const options: RecorderOptions = {
      tokenFile: this.#tokenFile,
      sightsFile: join(this.#scratch, `sights-${taskId}`),
      writesFile: `${containerPaths.notebooks}/writes-${taskId}`,
    };
    const program = fileURLToPath(new URL('./recorder.js', import.meta.url));
    const process_ = spawn('nsenter', ['-t', pid, '-n', process.execPath, program, JSON.stringify(options)], {
      stdio: 'ignore',
    });
    this.#recorders.set(container, { taskId, process: process_ });
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

  #sights(): Sight[] {
    const sights: Sight[] = [];
    const read = (path: string): string[] =>
      existsSync(path) ? readFileSync(path, 'latin1').split('\n').filter(Boolean) : [];
    for (const taskId of new Set([...this.#recorders.values()].map((recorder) => recorder.taskId))) {
      for (const line of read(join(this.#scratch, `sights-${taskId}`))) {
        const [fromMs, toMs] = line.split(' ').map(Number);
        if (fromMs !== undefined && toMs !== undefined) sights.push({ taskId, fromMs, toMs });
      }
      for (const line of read(join(this.#cluster.shared, 'notebooks', `writes-${taskId}`))) {
        const atMs = Number(line) * 1000;
        // A line that a kill cut short.
        if (/^\d+\.\d{4}$/.test(line)) sights.push({ taskId, fromMs: atMs, toMs: atMs });
      }
    }
    return sights;
  }
}
