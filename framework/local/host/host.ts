/** The embedded Mesos agent: a host that registers with the master, runs its tasks and tells how they fare. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '../../log.js';
import type {
  Attribute,
  KillPolicy,
  Resource,
  TaskInfo,
  TaskState,
  TaskStatus,
} from '../../mesos/schema/codec.js';
import { type Clock, systemClock, type Timer } from '../master/clock.js';
import type {
  HostFramework,
  HostLink,
  HostTask,
  HostUpdate,
  MasterAddress,
  Registration,
} from '../master/link.js';
import { can, isTerminal } from '../master/records.js';
import { type DockerOptions, DockerRunner } from './docker-task.js';
import type { RunningTask, TaskReport, TaskRunner } from './runner.js';
import { filesAnswer } from './sandbox.js';
import { UpdateQueue } from './updates.js';

export interface HostOptions {
  readonly master: MasterAddress;
  /** Host name that offers show. */
  readonly name: string;
  readonly resources: { readonly cpus: number; readonly memMb: number; readonly diskMb: number };
  /** Further resources, reserved ones for instance. Default: the ports 31000 to 32000. */
  readonly moreResources?: readonly Resource[];
  /** Text attributes. Default none. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Where sandboxes are made; it is made if it is not there. */
  readonly workDirectory: string;
  readonly logger: Logger;
  /** IPv4 address of its own HTTP side, which offers name. Default 127.0.0.1. */
  readonly address?: string;
  /** What its `/flags` says beside, or in place of, the defaults of those that matter to Docker tasks. Default none. */
  readonly flags?: Readonly<Record<string, string>>;
  /** TCP port of its own HTTP side; 0, the default, for any that is free. */
  readonly port?: number;
  /** How long after a master has started the host registers, in ms. Default 1000. */
  readonly registrationDelayMs?: number;
  /** Settings of the Docker executor; Mesos' defaults where missing. */
  readonly docker?: Omit<DockerOptions, 'clock' | 'logger'>;
  /** What runs the tasks, in the place of Docker. */
  readonly runner?: TaskRunner;
  readonly clock?: Clock;
}

interface Task {
  readonly framework: HostFramework;
  readonly info: TaskInfo;
  readonly containerId: string;
  readonly statuses: TaskStatus[];
  readonly running: RunningTask;
  state: TaskState;
  draining: boolean;
}

/** How host and master stand with each other. */
type Standing =
  | { readonly kind: 'registered'; readonly agentId: string }
  /** Looking for the master, or cut off from it; with the id of an earlier registration. */
  | { readonly kind: 'looking' | 'cut off'; readonly agentId: string | undefined }
  | { readonly kind: 'stopped' };

export interface StopOptions {
  /** Whether the containers are removed, or left running as when a Mesos agent just dies. Default 'remove'. */
  readonly containers?: 'remove' | 'leave';
}

export class EmbeddedHost {
  readonly #options: HostOptions;
  readonly #clock: Clock;
  readonly #runner: TaskRunner;
  readonly #updates: UpdateQueue;
  readonly #tasks = new Map<string, Task>();
  /** Ended and acknowledged; their containers are still there. */
  readonly #past: RunningTask[] = [];
  readonly #link: HostLink;
  #standing: Standing = { kind: 'looking', agentId: undefined };
  #resources: Resource[];
  #server: Server | undefined;
  #port = 0;
  #registration: Timer = { cancel: () => {} };
  #forgetMaster: () => void = () => {};

  /** Listens and registers, then resolves. */
  static async start(options: HostOptions): Promise<EmbeddedHost> {
    const host = new EmbeddedHost(options);
    await host.#start();
    return host;
  }

  private constructor(options: HostOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#runner =
      options.runner ?? new DockerRunner({ ...options.docker, clock: this.#clock, logger: options.logger });
    this.#updates = new UpdateQueue(this.#clock, (update) => this.#send(update));
    this.#resources = resourcesOf(options);
    this.#link = {
      launch: (framework, task) => this.#ifHeard(() => this.#launch(framework, task)),
      kill: (frameworkId, taskId, policy, draining) =>
        this.#ifHeard(() => this.#kill(frameworkId, taskId, policy, draining)),
      acknowledge: (frameworkId, taskId, uuid) =>
        this.#ifHeard(() => this.#acknowledge(frameworkId, taskId, uuid)),
      shutdownFramework: (frameworkId) => this.#ifHeard(() => this.#shutdownFramework(frameworkId)),
      frameworkSubscribed: (framework) => this.#ifHeard(() => this.#updates.resume(framework.id)),
      reconcile: (frameworkId, taskIds) => this.#ifHeard(() => this.#reconcile(frameworkId, taskIds)),
      ping: () => this.#standing.kind === 'registered',
      registerAgain: () => this.#ifHeard(() => this.#register()),
      markedGone: () => this.#markedGone(),
    };
  }

  get name(): string {
    return this.#options.name;
  }

  get agentId(): string | undefined {
    return this.#standing.kind === 'stopped' ? undefined : this.#standing.agentId;
  }

  /** Of its own HTTP side, the files API. */
  get url(): string {
    return `http://${this.#address}:${this.#port}`;
  }

  get #address(): string {
    return this.#options.address ?? '127.0.0.1';
  }

  /** The tasks that run, or whose end is not acknowledged yet. */
  get taskIds(): readonly string[] {
    return [...this.#tasks.values()].map((task) => task.info.task_id.value);
  }

  containerNameOf(taskId: string): string {
    return `mesos-${this.#taskOf(taskId).containerId}`;
  }

  // ---- Faults ----

  /**
   * Cuts host and master off from each other: tasks and their health checks go on, nothing gets through. As when the Mesos agent's
   * process is killed, the master notices the connection's end at once; with `silent`, as when a network swallows everything, it
   * learns by its pings only.
   */
  disconnect(options: { readonly silent?: boolean } = {}): void {
    const standing = this.#standing;
    if (standing.kind === 'stopped' || standing.kind === 'cut off') return;
    this.#registration.cancel();
    this.#standing = { kind: 'cut off', agentId: standing.agentId };
    if (standing.kind === 'registered' && options.silent !== true)
      this.#options.master.link.closed(standing.agentId);
  }

  /** Lets host and master find each other again: the host registers at once. */
  reconnect(): void {
    if (this.#standing.kind !== 'cut off') return;
    this.#standing = { kind: 'looking', agentId: this.#standing.agentId };
    this.#register();
  }

  /** Fault: the `docker run` client of a task dies, the container lives on. */
  killDockerClient(taskId: string): void {
    this.#taskOf(taskId).running.killClient();
  }

  /** Fault: the executor of a task dies, the container lives on, watched by nobody. */
  killExecutor(taskId: string): void {
    this.#taskOf(taskId).running.killExecutor();
  }

  /** The host has more or less than before: its offers are taken back and made anew. */
  changeResources(resources: HostOptions['resources']): void {
    this.#resources = resourcesOf({ ...this.#options, resources });
    if (this.#standing.kind === 'registered') this.#register();
  }

  /**
   * Ends the host. By default an orderly end: the master is told, every container that the host made is removed, also one that
   * is just being started. Resolves when nothing is left.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const standing = this.#standing;
    if (standing.kind === 'stopped') return;
    this.#standing = { kind: 'stopped' };
    this.#forgetMaster();
    this.#registration.cancel();
    this.#updates.stop();
    const leave = options.containers === 'leave';
    if (standing.kind === 'registered') {
      if (leave) this.#options.master.link.closed(standing.agentId);
      else this.#options.master.link.unregister(standing.agentId);
    }
    const all = [...this.#past, ...[...this.#tasks.values()].map((task) => task.running)];
    this.#tasks.clear();
    if (leave) for (const running of all) running.abandon();
    else await Promise.all(all.map((running) => running.dispose()));
    const server = this.#server;
    if (server !== undefined) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  }

  // ---- Registration ----

  async #start(): Promise<void> {
    mkdirSync(this.#options.workDirectory, { recursive: true });
    await this.#listen();
    this.#forgetMaster = this.#options.master.onStart(() => this.#masterStarted());
    this.#register();
  }

  /** A new master knows nothing of us until we register; a real Mesos agent takes a moment to find it. */
  #masterStarted(): void {
    if (this.#standing.kind !== 'registered' && this.#standing.kind !== 'looking') return;
    this.#standing = { kind: 'looking', agentId: this.#standing.agentId };
    this.#registration.cancel();
    this.#registration = this.#clock.after(this.#options.registrationDelayMs ?? 1000, () => this.#register());
  }

  #register(): void {
    const standing = this.#standing;
    if (standing.kind !== 'registered' && standing.kind !== 'looking') return;
    const { master, name, attributes = {}, logger } = this.#options;
    const tasks = [...this.#tasks.values()];
    const registration: Registration = {
      agentId: standing.agentId,
      hostname: name,
      address: { ip: this.#address, port: this.#port },
      resources: this.#resources,
      attributes: Object.entries(attributes).map(
        ([key, value]): Attribute => ({ name: key, type: 'TEXT', text: { value } }),
      ),
      frameworks: [...new Map(tasks.map(({ framework }) => [framework.id, framework])).values()],
      tasks: tasks.map(
        (task): HostTask => ({
          frameworkId: task.framework.id,
          info: task.info,
          state: task.state,
          statuses: task.statuses,
        }),
      ),
    };
    // While it registers the host already hears: the master may have something to say about its tasks.
    this.#standing = { kind: 'registered', agentId: standing.agentId ?? '' };
    const agentId = master.link.register(registration, this.#link);
    if (agentId === undefined) {
      // No master now: the next that starts here calls.
      if (this.#isRegistered()) this.#standing = { kind: 'looking', agentId: standing.agentId };
      return;
    }
    this.#standing = { kind: 'registered', agentId };
    logger.debug(`host ${name}: registered as ${agentId}`);
    this.#updates.resume();
  }

  #isRegistered(): boolean {
    return this.#standing.kind === 'registered';
  }

  #ifHeard(work: () => void): void {
    if (this.#standing.kind === 'registered') work();
  }

  #markedGone(): void {
    if (this.#standing.kind === 'stopped') return;
    this.#options.logger.info(`host ${this.#options.name}: marked gone, ending its tasks`);
    this.#standing = { kind: 'cut off', agentId: this.#standing.agentId };
    for (const task of this.#tasks.values()) task.running.shutdown();
  }

  // ---- Tasks ----

  #launch(framework: HostFramework, info: TaskInfo): void {
    const containerId = randomUUID();
    const key = keyOf(framework.id, info.task_id.value);
    const sandboxDirectory = this.#makeSandbox(framework.id, info.task_id.value, containerId);
    // Reports come later, never from within launch().
    const running = this.#runner.launch(
      {
        frameworkId: framework.id,
        task: info,
        containerId,
        sandboxDirectory,
        tellKilling: can(framework.info, 'TASK_KILLING_STATE'),
      },
      (report) => this.#report(key, report),
    );
    this.#tasks.set(key, {
      framework,
      info,
      containerId,
      running,
      statuses: [],
      state: 'TASK_STAGING',
      draining: false,
    });
  }

  /** …/frameworks/F/executors/TASK/runs/CONTAINER, with `latest` beside it: for a task without an executor of its own, that has the task's name. */
  #makeSandbox(frameworkId: string, taskId: string, containerId: string): string {
    const runs = join(this.#sandboxRoot, 'frameworks', frameworkId, 'executors', taskId, 'runs');
    const directory = join(runs, containerId);
    mkdirSync(directory, { recursive: true });
    for (const file of ['stdout', 'stderr']) writeFileSync(join(directory, file), '');
    rmSync(join(runs, 'latest'), { force: true });
    symlinkSync(containerId, join(runs, 'latest'));
    return directory;
  }

  get #sandboxRoot(): string {
    return join(this.#options.workDirectory, 'slave');
  }

  #report(key: string, report: TaskReport): void {
    const task = this.#tasks.get(key);
    if (task === undefined || isTerminal(task.state)) return;
    task.state = report.state;
    const draining = task.draining && (report.state === 'TASK_KILLING' || report.state === 'TASK_KILLED');
    const reason = draining ? 'REASON_AGENT_DRAINING' : report.reason;
    const status: TaskStatus = {
      task_id: task.info.task_id,
      state: report.state,
      ...(report.message === undefined ? {} : { message: report.message }),
      source: report.source,
      ...(reason === undefined ? {} : { reason }),
      ...(report.data === undefined ? {} : { data: report.data }),
      agent_id: { value: this.agentId ?? '' },
      executor_id: { value: task.info.executor?.executor_id.value ?? task.info.task_id.value },
      timestamp: this.#clock.now() / 1000,
      uuid: randomBytes(16).toString('base64'),
      ...(report.healthy === undefined ? {} : { healthy: report.healthy }),
      ...(report.source === 'SOURCE_AGENT'
        ? {}
        : {
            container_status: {
              container_id: { value: task.containerId },
              network_infos: [
                ...(report.networkInfos ?? [{ ip_addresses: [{ ip_address: this.#address }] }]),
              ],
            },
          }),
    };
    task.statuses.push(withoutData(status));
    this.#updates.add({ frameworkId: task.framework.id, status, latestState: report.state });
  }

  #send(update: HostUpdate): void {
    if (this.#standing.kind === 'registered')
      this.#options.master.link.update(this.#standing.agentId, update);
  }

  #acknowledge(frameworkId: string, taskId: string, uuid: string): void {
    const update = this.#updates.acknowledge(frameworkId, taskId, uuid);
    if (update === undefined || !isTerminal(update.status.state)) return;
    const key = keyOf(frameworkId, taskId);
    const task = this.#tasks.get(key);
    if (task === undefined) return;
    this.#tasks.delete(key);
    this.#past.push(task.running);
  }

  #kill(frameworkId: string, taskId: string, policy: KillPolicy | undefined, draining: boolean): void {
    const task = this.#tasks.get(keyOf(frameworkId, taskId));
    // A Mesos agent without an executor for it says so with an update; ours has none only when the end is on its way.
    if (task === undefined || isTerminal(task.state)) return;
    if (draining) task.draining = true;
    task.running.kill(policy);
  }

  /** Nobody is there to acknowledge: the tasks end, their updates go nowhere. */
  #shutdownFramework(frameworkId: string): void {
    this.#updates.forget(frameworkId);
    for (const [key, task] of this.#tasks) {
      if (task.framework.id !== frameworkId) continue;
      task.running.shutdown();
      this.#tasks.delete(key);
      this.#past.push(task.running);
    }
  }

  /** Tasks that never arrived here, because the link was cut when they were launched (Slave::reregistered). */
  #reconcile(frameworkId: string, taskIds: readonly string[]): void {
    for (const taskId of taskIds) {
      if (this.#tasks.has(keyOf(frameworkId, taskId))) continue;
      this.#updates.add({
        frameworkId,
        latestState: 'TASK_DROPPED',
        status: {
          task_id: { value: taskId },
          state: 'TASK_DROPPED',
          message: 'Reconciliation: task unknown to the agent',
          source: 'SOURCE_AGENT',
          reason: 'REASON_RECONCILIATION',
          agent_id: { value: this.agentId ?? '' },
          timestamp: this.#clock.now() / 1000,
          uuid: randomBytes(16).toString('base64'),
        },
      });
    }
  }

  #taskOf(taskId: string): Task {
    const task = [...this.#tasks.values()].find(({ info }) => info.task_id.value === taskId);
    if (task === undefined) throw new Error(`host ${this.#options.name} has no task ${taskId}`);
    return task;
  }

  // ---- HTTP ----

  /** As a Mesos agent writes durations; these are its defaults, but for the containerizer. */
  #flags(): Record<string, string> {
    return {
      containerizers: 'docker',
      docker_remove_delay: '6hrs',
      docker_stop_timeout: '0ns',
      executor_registration_timeout: '1mins',
      ...this.#options.flags,
    };
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://host');
      const path = url.pathname.replace(/^\/slave\(1\)/, '');
      const answer =
        path === '/health'
          ? { status: 200, body: '', json: false }
          : path === '/flags'
            ? { status: 200, body: JSON.stringify({ flags: this.#flags() }), json: true }
            : filesAnswer(this.#sandboxRoot, path, url.searchParams);
      const { status, body, json } = answer ?? { status: 404, body: '', json: false };
      response.writeHead(status, {
        'Content-Type': json ? 'application/json' : 'text/plain; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
      });
      response.end(body);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port ?? 0, this.#address, () => resolve());
    });
    this.#port = (server.address() as AddressInfo).port;
  }
}

const keyOf = (frameworkId: string, taskId: string): string => JSON.stringify([frameworkId, taskId]);

/** What is kept on record of a status: the inspection is large, and nobody asks for it again. */
function withoutData({ data: _, ...status }: TaskStatus): TaskStatus {
  return status;
}

function resourcesOf({
  resources,
  moreResources,
}: Pick<HostOptions, 'resources' | 'moreResources'>): Resource[] {
  const scalar = (name: string, value: number): Resource => ({
    name,
    type: 'SCALAR',
    scalar: { value },
    role: '*',
  });
  const ports: Resource = {
    name: 'ports',
    type: 'RANGES',
    ranges: { range: [{ begin: 31000, end: 32000 }] },
    role: '*',
  };
  return [
    ...(moreResources ?? [ports]),
    scalar('cpus', resources.cpus),
    scalar('mem', resources.memMb),
    scalar('disk', resources.diskMb),
  ];
}
