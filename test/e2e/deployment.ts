/**
 * A cluster run as its users run it: `mesos-jupyter run` as a process of its own against a Mesos master, seen from outside.
 * The master, the Docker engine and the network may be anybody's, by environment:
 *
 *   MESOS_MASTER                 http://HOST:PORT; without it an embedded master with two hosts is started
 *   DOCKER_HOST                  the engine that the hosts use
 *   MESOS_JUPYTER_TEST_NETWORK   a Docker network with fixed addresses; without it a bridge is made
 *   MESOS_JUPYTER_TEST_IPS       three addresses of it, with commas
 *   MESOS_JUPYTER_TEST_SHARED    a directory that the hosts share; without it a temporary one of this machine
 *   MESOS_JUPYTER_TEST_DOCKER_PARAMETERS
 *                                further docker run options that the hosts' engine needs: KEY=VALUE, with semicolons
 *   MESOS_JUPYTER_TEST_RESTART_MASTER
 *                                a shell command that restarts the master
 *   MESOS_JUPYTER_TEST_LONG      if set, what takes minutes in the field takes minutes here
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'node:test';
import { promisify } from 'node:util';
import { containerPaths, type NodeStatus, tokenFileName } from '../../executor-image/contract.js';
import { DockerRunner } from '../../framework/local/host/docker-task.js';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import type { RunningTask, TaskLaunch, TaskReport, TaskRunner } from '../../framework/local/host/runner.js';
import { systemClock } from '../../framework/local/master/clock.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { packageRoot } from '../../framework/local/package.js';
import { silentLogger } from '../../framework/log.js';
import { ClusterAccess } from '../support/cluster-access.js';
import { createTestNetwork, docker, imageUnderTest, uniqueName } from '../support/docker.js';
import { jupyterAnswersInside, statusInside } from '../support/inside.js';
import { dropPacketsTo } from '../support/packets.js';
import { type GivenMesos, givenMesos } from '../support/target.js';
import { waitFor } from '../support/wait.js';

export const program = join(packageRoot, 'dist/framework/main.js');

/** Without what is meant for the tests: the scheduler refuses variables with its prefix that are no settings. */
function schedulersEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('MESOS_JUPYTER_TEST_')),
  );
}

/** To be called where tests are described: shows what the scheduler printed when one of them fails. */
export function showLogOnFailure(cluster: () => Deployment | undefined): void {
  afterEach((context) => {
    if ('error' in context && context.error) process.stderr.write(`${cluster()?.log}\n`);
  });
}

export interface MasterTask {
  readonly id: string;
  readonly state: string;
  readonly slave_id: string;
}

export interface MasterFramework {
  readonly id: string;
  readonly name: string;
  /** Whether its scheduler is there. */
  readonly active: boolean;
  readonly tasks: readonly MasterTask[];
}

export interface MasterState {
  /** New with every start of a master. */
  readonly id: string;
  readonly frameworks: readonly MasterFramework[];
}

/** How a command ended. */
export interface Outcome {
  /** Undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** For tests that bring about what only a Mesos of their own lets them. */
export interface DeploymentOptions {
  /** How many hosts the embedded Mesos has. Default 2. */
  readonly hostCount?: number;
  /** How often the embedded master asks its hosts whether they are there. */
  readonly pingIntervalMs?: number;
  /** What each node asks for. Default 512. */
  readonly memMb?: number;
  /** Whether all that this machine sends to the nodes is dropped, as on Calico where the scheduler's host is not let in. */
  readonly dropsPackets?: boolean;
  /** A directory of this machine's for the shared one, such as a mount; by default one of its own. */
  readonly shared?: string;
  /** Where a host of the embedded Mesos, by its number from 1, has the shared directory: hosts have mounts of their own. */
  readonly mountOf?: (host: number) => string;
  /** A Docker network that is there, and its addresses for nodes; by default a bridge is made. */
  readonly on?: { readonly network: string; readonly addresses: readonly string[] };
}

interface Surroundings {
  /** Of the embedded Mesos, if it is one. */
  readonly hosts: readonly EmbeddedHost[];
  readonly restartMaster: () => Promise<unknown>;
  readonly dropsPackets: boolean;
  readonly master: string;
  readonly network: string;
  readonly addresses: readonly string[];
  readonly shared: string;
  readonly remove: () => Promise<void>;
}

export class Deployment extends ClusterAccess {
  readonly addresses: readonly string[];
  readonly frameworkName = uniqueName('mesos-jupyter-e2e');
  /** Of the nodes that schedulers launch which are started from now on. */
  image = imageUnderTest();
  readonly #around: Surroundings;
  readonly #memMb: number;
  readonly #scratch: string;
  #scheduler: ChildProcess | undefined;
  #log = '';

  private constructor(around: Surroundings, scratch: string, memMb = 512) {
    super();
    this.#around = around;
    this.#scratch = scratch;
    this.#memMb = memMb;
    this.addresses = around.addresses;
  }

  static async create(size = 3, options: DeploymentOptions = {}): Promise<Deployment> {
    imageUnderTest();
    const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-e2e-'));
    return new Deployment(await surroundings(size, scratch, options), scratch, options.memMb);
  }

  /** The host of the embedded Mesos that the node's present task runs on. */
  hostOf(node: number): EmbeddedHost {
    const host = this.#around.hosts.find(({ taskIds }) =>
      taskIds.some((id) => id.startsWith(`node${node}.`)),
    );
    if (host === undefined) throw new Error(`no host of the embedded Mesos runs a task of node ${node}`);
    return host;
  }

  /** Has the master begun anew, as one that crashed does; the hosts' tasks go on. It may be gone for a while yet. */
  async restartMaster(): Promise<void> {
    await this.#around.restartMaster();
  }

  override async status(node: number): Promise<NodeStatus> {
    return this.#around.dropsPackets ? statusInside(this.container(node)) : super.status(node);
  }

  override async serving(nodes: readonly number[] = this.nodes): Promise<number[]> {
    if (!this.#around.dropsPackets) return super.serving(nodes);
    const containers = this.containers();
    const answers = await Promise.all(
      nodes.map((node) => jupyterAnswersInside(containers.get(this.address(node))?.[0] ?? 'none')),
    );
    return nodes.filter((_, position) => answers[position]);
  }

  get master(): string {
    return this.#around.master;
  }

  get network(): string {
    return this.#around.network;
  }

  get shared(): string {
    return this.#around.shared;
  }

  get stateFile(): string {
    return join(this.#scratch, 'state.json');
  }

  /** What every scheduler of this deployment has printed. */
  get log(): string {
    return this.#log;
  }

  get flags(): string[] {
    return [
      ...['--master', this.master, '--framework-name', this.frameworkName, '--state-file', this.stateFile],
      ...['--image', this.image, '--network', this.network, '--ips', this.addresses.join()],
      ...['--shared', this.shared, '--cpus', '0.2', '--mem-mb', String(this.#memMb), '--http-port', '0'],
      ...(givenMesos?.dockerParameters ?? []).flatMap((parameter) => ['--docker-parameters', parameter]),
    ];
  }

  startScheduler(...more: string[]): void {
    const child = spawn(process.execPath, [program, 'run', ...this.flags, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: schedulersEnvironment(),
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.#log += String(chunk);
      });
    }
    this.#scheduler = child;
  }

  /** Resolves with the exit status, or the signal's name. */
  async stopScheduler(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    const child = this.#scheduler;
    if (child === undefined) throw new Error('no scheduler runs');
    this.#scheduler = undefined;
    if (child.exitCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [status, by] = (await ended) as [number | null, string | null];
    return status ?? by;
  }

  /** Runs `mesos-jupyter teardown` to its end, and resolves with what it printed. */
  async teardown(): Promise<string> {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...[program, 'teardown', '--master', this.master, '--framework-name', this.frameworkName],
        ...['--state-file', this.stateFile],
      ],
      { timeout: 60_000, env: schedulersEnvironment() },
    );
    return stdout;
  }

  /** Gives an operator's order (`hand-over`, say), and resolves with what came of it. */
  order(command: string, ...more: string[]): Promise<Outcome> {
    const args = ['--framework-name', this.frameworkName, '--state-file', this.stateFile];
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [program, command, ...args, ...more],
        { timeout: 120_000, env: schedulersEnvironment() },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : error.code;
          resolve({ status: typeof code === 'number' ? code : undefined, stdout, stderr });
        },
      );
    });
  }

  /** What the master says of itself. */
  async masterState(): Promise<MasterState> {
    const response = await fetch(`${this.master}/master/state`, { signal: AbortSignal.timeout(5000) });
    return (await response.json()) as MasterState;
  }

  /** The framework as the master knows it. */
  async framework(): Promise<MasterFramework | undefined> {
    return (await this.masterState()).frameworks.find(({ name }) => name === this.frameworkName);
  }

  /** Ids of the tasks that run, in order of node. */
  async runningTasks(): Promise<string[]> {
    const tasks = (await this.framework())?.tasks ?? [];
    return tasks
      .filter(({ state }) => state === 'TASK_RUNNING')
      .map(({ id }) => id)
      .sort();
  }

  /** The running container at each address of the network, by address. */
  containers(): Map<string, string[]> {
    const ids = execFileSync('docker', ['ps', '-q', '--filter', `network=${this.network}`], {
      encoding: 'utf8',
    })
      .split('\n')
      .filter((id) => id !== '');
    const found = new Map<string, string[]>();
    if (ids.length === 0) return found;
    const format = `{{.Id}} {{(index .NetworkSettings.Networks "${this.network}").IPAddress}}`;
    // One that ended in between makes the command fail for the others' output, too: that is printed all the same.
    let text: string;
    try {
      text = execFileSync('docker', ['inspect', '-f', format, ...ids], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      text = String((error as { stdout?: string }).stdout ?? '');
    }
    for (const line of text.split('\n')) {
      const [id, address] = line.split(' ');
      if (id && address) found.set(address, [...(found.get(address) ?? []), id]);
    }
    return found;
  }

  override container(node: number): string {
    const [id] = this.containers().get(this.address(node)) ?? [];
    if (id === undefined) throw new Error(`no container runs at ${this.address(node)}`);
    return id;
  }

  get token(): string {
    const [id] = [...this.containers().values()].flat();
    if (id === undefined) throw new Error('no container runs');
    return execFileSync('docker', ['exec', id, 'cat', `${containerPaths.trusted}/${tokenFileName}`], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  }

  /** Ends everything that this made, whatever state it is in. */
  async remove(): Promise<void> {
    if (this.#scheduler !== undefined) await this.stopScheduler('SIGKILL');
    const framework = await this.framework().catch(() => undefined);
    if (framework !== undefined) {
      await fetch(`${this.master}/master/teardown`, {
        method: 'POST',
        body: `frameworkId=${framework.id}`,
      }).catch(() => {});
      await waitFor('the end of all containers', 30_000, () => this.containers().size === 0).catch(() => {});
    }
    for (const id of [...this.containers().values()].flat()) await docker('rm', '-f', id).catch(() => {});
    await this.#around.remove();
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}

async function surroundings(
  size: number,
  scratch: string,
  options: DeploymentOptions,
): Promise<Surroundings> {
  const undo: (() => unknown)[] = [];
  const hosts: EmbeddedHost[] = [];
  const { master, restartMaster } =
    givenMesos === undefined ? await embeddedMesos(scratch, undo, hosts, options) : controlsOf(givenMesos);
  const given = process.env['MESOS_JUPYTER_TEST_NETWORK'];
  let network: string;
  let addresses: readonly string[];
  if (options.on !== undefined) {
    ({ network, addresses } = options.on);
  } else if (given !== undefined) {
    network = given;
    addresses = (process.env['MESOS_JUPYTER_TEST_IPS'] ?? '').split(',').slice(0, size);
  } else {
    const made = await createTestNetwork('mesos-jupyter-e2e');
    undo.push(() => made.remove());
    if (options.dropsPackets) undo.push(await dropPacketsTo(made.subnet));
    network = made.name;
    addresses = Array.from({ length: size }, (_, node) => made.address(10 + node));
  }
  const shared = options.shared ?? (await sharedDirectory(scratch, undo));
  return {
    hosts,
    restartMaster,
    dropsPackets: options.dropsPackets ?? false,
    master,
    network,
    addresses,
    shared,
    // What came last goes first, but hosts remove their containers before the network can go.
    remove: async () => {
      for (const step of undo) await step();
    },
  };
}

type MesosControls = Pick<Surroundings, 'master' | 'restartMaster'>;

function controlsOf({ master, restartMaster }: GivenMesos): MesosControls {
  return {
    master,
    async restartMaster() {
      if (restartMaster === undefined) throw new Error('MESOS_JUPYTER_TEST_RESTART_MASTER is not set');
      await promisify(execFile)('sh', ['-c', restartMaster], { timeout: 60_000 });
    },
  };
}

async function embeddedMesos(
  scratch: string,
  undo: (() => unknown)[],
  hosts: EmbeddedHost[],
  { hostCount = 2, pingIntervalMs, mountOf }: DeploymentOptions,
): Promise<MesosControls> {
  const master = await EmbeddedMaster.start({
    logger: silentLogger,
    ...(pingIntervalMs === undefined ? {} : { pingIntervalMs }),
  });
  for (let number = 1; number <= hostCount; number++) {
    const name = `host-${number}`;
    const host = await EmbeddedHost.start({
      master,
      name,
      resources: { cpus: 4, memMb: 8192, diskMb: 1024 },
      workDirectory: join(scratch, name),
      logger: silentLogger,
      ...(mountOf !== undefined && { runner: new RunnerOnMount(mountOf(number)) }),
    });
    hosts.push(host);
    undo.push(() => host.stop());
  }
  undo.push(() => master.stop());
  return { master: master.url, restartMaster: () => master.restart({ keepRegistry: true }) };
}

/** Runs tasks as a host does that has the shared directory at a place of its own: on one machine, one place is one mount. */
class RunnerOnMount implements TaskRunner {
  readonly #runner = new DockerRunner({ clock: systemClock, logger: silentLogger });

  constructor(readonly mount: string) {}

  launch(launch: TaskLaunch, report: (report: TaskReport) => void): RunningTask {
    const { container } = launch.task;
    if (container?.volumes === undefined) return this.#runner.launch(launch, report);
    const volumes = container.volumes.map((volume) => ({ ...volume, host_path: this.mount }));
    const task = { ...launch.task, container: { ...container, volumes } };
    return this.#runner.launch({ ...launch, task }, report);
  }
}

/**
 * Empty, and on the hosts: below the one that was given, where it comes into being with the first container that has it as a
 * volume and goes by one more, since this machine may not see it; or in `scratch`.
 */
async function sharedDirectory(scratch: string, undo: (() => unknown)[]): Promise<string> {
  const given = givenMesos?.shared;
  if (given === undefined) return mkdtempSync(join(scratch, 'shared-'));
  const name = uniqueName('shared');
  undo.push(() =>
    docker(
      ...['run', '--rm', '--net', 'none', '--entrypoint', 'rm', '--volume', `${given}:/given`],
      ...[imageUnderTest(), '-rf', `/given/${name}`],
    ),
  );
  return join(given, name);
}
