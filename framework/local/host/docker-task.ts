/**
 * One task, run as Mesos' Docker executor runs it: a `docker run` client for as long as the container lives, whose end is the
 * task's end, with all that follows from it (FACTS, real master 15; src/docker/executor.cpp of Mesos 1.12).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../log.js';
import type { KillPolicy, NetworkInfo } from '../../mesos/schema/codec.js';
import type { Clock, Timer } from '../master/clock.js';
import { dockerRunArguments, RunOptionsError } from './docker-arguments.js';
import { HealthChecker } from './health.js';
import { type Program, run, start } from './program.js';
import type { RunningTask, TaskLaunch, TaskReport, TaskRunner } from './runner.js';

export interface DockerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Grace of a kill where the task has no policy, and of a shutdown. Default 5000 ms, as Mesos. */
  readonly shutdownGraceMs?: number;
  /** How long the executor waits for `docker inspect` before it gives up on TASK_RUNNING. Default 5000 ms, as Mesos. */
  readonly inspectTimeoutMs?: number;
  /** When a dead container is removed. Default 6 h, as Mesos. */
  readonly removeDelayMs?: number;
}

const inspectIntervalMs = 500;
const killRetryMs = 5000;
/** What a shutdown keeps back of its grace: a second for the forced kill and one for the reaper (executor.cpp). */
const shutdownReserveMs = 2000;
/** How long removal waits for a `docker run` that is just making its container. */
const disposeTimeoutMs = 30_000;

export class DockerRunner implements TaskRunner {
  readonly #options: DockerOptions;

  constructor(options: DockerOptions) {
    this.#options = options;
  }

  launch(launch: TaskLaunch, report: (report: TaskReport) => void): RunningTask {
    const task = new DockerTask(launch, this.#options, report);
    task.begin();
    return task;
  }
}

type Phase =
  | { readonly kind: 'pulling'; readonly pull: Program | undefined }
  | {
      readonly kind: 'running';
      readonly client: ChildProcess;
      readonly inspected: Promise<Inspection | undefined>;
    }
  /** The client, or the executor, is gone. The container may be there. */
  | { readonly kind: 'ended' };

interface Inspection {
  readonly output: string;
  readonly pid: number;
  readonly address: string | undefined;
}

class DockerTask implements RunningTask {
  readonly #launch: TaskLaunch;
  readonly #options: DockerOptions;
  readonly #report: (report: TaskReport) => void;
  readonly #name: string;
  #phase: Phase = { kind: 'pulling', pull: undefined };
  /** Whether a kill has been issued, and who wanted it. */
  #killed: 'no' | 'by-request' | 'by-health-check' = 'no';
  #silent = false;
  #networkInfos: readonly NetworkInfo[] | undefined;
  #health: HealthChecker | undefined;
  #stopping: Program | undefined;
  /** Ends the asking for an inspection. */
  readonly #giveUp = new AbortController();
  #timers = new Set<Timer>();
  #clientEnded: Promise<void> = Promise.resolve();

  constructor(launch: TaskLaunch, options: DockerOptions, report: (report: TaskReport) => void) {
    this.#launch = launch;
    this.#options = options;
    this.#name = `mesos-${launch.containerId}`;
    this.#report = (r) => {
      if (!this.#silent) report(r);
    };
  }

  begin(): void {
    void this.#begin().catch((error: unknown) => {
      this.#options.logger.error(`host: task ${this.#taskId} could not be started: ${String(error)}`);
    });
  }

  get #taskId(): string {
    return this.#launch.task.task_id.value;
  }

  async #begin(): Promise<void> {
    const failure = await this.#pull();
    if (this.#phase.kind !== 'pulling') return;
    if (failure !== undefined) {
      this.#phase = { kind: 'ended' };
      this.#report({
        state: 'TASK_FAILED',
        source: 'SOURCE_AGENT',
        reason: 'REASON_CONTAINER_LAUNCH_FAILED',
        message: `Failed to launch container: ${failure}`,
      });
      return;
    }
    this.#note(`Starting task ${this.#taskId}`);
    this.#report({ state: 'TASK_STARTING', source: 'SOURCE_EXECUTOR' });
    let args: string[];
    try {
      args = dockerRunArguments({
        task: this.#launch.task,
        containerName: this.#name,
        sandboxDirectory: this.#launch.sandboxDirectory,
      });
    } catch (error) {
      if (!(error instanceof RunOptionsError)) throw error;
      this.#phase = { kind: 'ended' };
      const message = `Failed to create docker run options: ${error.message}`;
      this.#report({ state: 'TASK_FAILED', source: 'SOURCE_EXECUTOR', message });
      return;
    }
    this.#run(args);
  }

  /** Asks for the image, and pulls it where it is not there. Gives the failure in Mesos' words (57). */
  async #pull(): Promise<string | undefined> {
    const docker = this.#launch.task.container?.docker;
    if (docker === undefined) return 'No container info found, skipping launch';
    const image =
      /:[^/]+$/.test(docker.image) || docker.image.includes('@') ? docker.image : `${docker.image}:latest`;
    if (
      docker.force_pull_image !== true &&
      (await run('docker', ['inspect', '--type=image', image])).status === 0
    ) {
      return undefined;
    }
    if (this.#phase.kind !== 'pulling') return undefined;
    const pull = start('docker', ['pull', image]);
    this.#phase = { kind: 'pulling', pull };
    const { status, stderr } = await pull.ended;
    if (status === 0) return undefined;
    const socket = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
    return `Failed to run 'docker -H ${socket} pull ${image}': exited with status ${status}; stderr='${stderr}'`;
  }

  #run(args: readonly string[]): void {
    const { sandboxDirectory } = this.#launch;
    const stdout = openSync(join(sandboxDirectory, 'stdout'), 'a');
    const stderr = openSync(join(sandboxDirectory, 'stderr'), 'a');
    const client = spawn('docker', args, { detached: true, stdio: ['ignore', stdout, stderr] });
    closeSync(stdout);
    closeSync(stderr);
    const reaped = new Promise<string>((resolve) => {
      client.once('error', (error) => resolve(`could not be started: ${error.message}`));
      client.once('exit', (code, signal) =>
        resolve(
          signal === null ? `exited with status ${code}` : `terminated with signal ${signalText(signal)}`,
        ),
      );
    });
    this.#clientEnded = reaped.then(() => {});
    const giveUp = this.#giveUp;
    const inspected = this.#inspect(giveUp.signal);
    const phase: Phase = { kind: 'running', client, inspected };
    this.#phase = phase;
    void inspected.then((inspection) => this.#started(inspection));
    void reaped.then(async (how) => {
      if (this.#phase !== phase) return;
      this.#health?.stop();
      this.#stopping?.kill();
      // TASK_RUNNING comes first where it is still to come; an executor waits no longer than this for it.
      this.#after(this.#options.inspectTimeoutMs ?? 5000, () => {
        if (this.#phase !== phase) return;
        this.#note(`Docker inspect timed out after 5secs for container '${this.#name}'`);
        giveUp.abort();
      });
      await inspected;
      if (this.#phase === phase) this.#ended(how);
    });
  }

  /** Asks until the container has started; undefined when told to give up. */
  async #inspect(giveUp: AbortSignal): Promise<Inspection | undefined> {
    const gaveUp = new Promise<void>((resolve) =>
      giveUp.addEventListener('abort', () => resolve(), { once: true }),
    );
    for (;;) {
      const { status, stdout } = await run('docker', ['inspect', '--type=container', this.#name]);
      const inspection = status === 0 ? readInspection(stdout) : undefined;
      if (inspection !== undefined) return inspection;
      if (giveUp.aborted) return undefined;
      await Promise.race([gaveUp, new Promise<void>((resolve) => this.#after(inspectIntervalMs, resolve))]);
      if (giveUp.aborted) return undefined;
    }
  }

  #started(inspection: Inspection | undefined): void {
    if (inspection === undefined || this.#phase.kind !== 'running' || this.#killed !== 'no') return;
    const { task } = this.#launch;
    if (inspection.address !== undefined) {
      const { ip_addresses: _, ...asked } = task.container?.network_infos?.[0] ?? {};
      this.#networkInfos = [{ ...asked, ip_addresses: [{ ip_address: inspection.address }] }];
    }
    this.#report({
      state: 'TASK_RUNNING',
      source: 'SOURCE_EXECUTOR',
      data: Buffer.from(inspection.output, 'utf8').toString('base64'),
      ...this.#addresses(),
    });
    if (task.health_check === undefined) return;
    const target = { containerName: this.#name, pid: inspection.pid };
    this.#health = new HealthChecker(task.health_check, target, this.#options.clock, {
      note: (text) => this.#note(text),
      result: ({ healthy, killTask }) => {
        if (this.#phase.kind !== 'running' || this.#killed !== 'no') return;
        this.#report({
          state: 'TASK_RUNNING',
          source: 'SOURCE_EXECUTOR',
          reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
          healthy,
          ...this.#addresses(),
        });
        if (killTask) void this.#kill('by-health-check', this.#graceMs(undefined));
      },
    });
  }

  #addresses(): Pick<TaskReport, 'networkInfos'> {
    return this.#networkInfos === undefined ? {} : { networkInfos: this.#networkInfos };
  }

  #ended(how: string): void {
    this.#phase = { kind: 'ended' };
    const message = `Container ${how}`;
    this.#note(message);
    const clean = how === 'exited with status 0';
    this.#report({
      state: this.#killed !== 'no' ? 'TASK_KILLED' : clean ? 'TASK_FINISHED' : 'TASK_FAILED',
      source: 'SOURCE_EXECUTOR',
      message,
      ...(this.#killed === 'by-health-check' ? { healthy: false } : {}),
    });
    this.#removeLater();
  }

  #removeLater(): void {
    this.#after(
      this.#options.removeDelayMs ?? 6 * 3600 * 1000,
      () => void run('docker', ['rm', '--force', '--volumes', this.#name]),
    );
  }

  kill(policy: KillPolicy | undefined): void {
    if (this.#phase.kind === 'pulling') {
      this.#phase.pull?.kill();
      this.#phase = { kind: 'ended' };
      this.#report({
        state: 'TASK_KILLED',
        source: 'SOURCE_AGENT',
        reason: 'REASON_TASK_KILLED_DURING_LAUNCH',
        message: 'Task killed before delivered to the executor',
      });
      return;
    }
    void this.#kill('by-request', this.#graceMs(policy));
  }

  shutdown(): void {
    if (this.#phase.kind === 'pulling') return this.kill(undefined);
    void this.#kill('by-request', Math.max((this.#options.shutdownGraceMs ?? 5000) - shutdownReserveMs, 0));
  }

  #graceMs(policy: KillPolicy | undefined): number {
    const ns = policy?.grace_period?.nanoseconds ?? this.#launch.task.kill_policy?.grace_period?.nanoseconds;
    return ns === undefined ? (this.#options.shutdownGraceMs ?? 5000) : ns / 1e6;
  }

  /** `docker stop`, once the container is known to be there, or after the time that an inspection may take. */
  async #kill(why: 'by-request' | 'by-health-check', graceMs: number): Promise<void> {
    const phase = this.#phase;
    if (phase.kind !== 'running') return;
    await Promise.race([
      phase.inspected,
      new Promise<void>((resolve) => this.#after(this.#options.inspectTimeoutMs ?? 5000, resolve)),
    ]);
    if (this.#phase !== phase) return;
    if (this.#killed === 'no') {
      this.#killed = why;
      this.#health?.stop();
      if (this.#launch.tellKilling) this.#report({ state: 'TASK_KILLING', source: 'SOURCE_EXECUTOR' });
    }
    // A second kill takes the place of a stop that hangs.
    this.#stopping?.kill();
    const stop = start('docker', ['stop', '-t', String(Math.trunc(graceMs / 1000)), this.#name]);
    this.#stopping = stop;
    const { status, stderr } = await stop.ended;
    if (this.#stopping === stop) this.#stopping = undefined;
    if (status === 0 || this.#phase !== phase) return;
    this.#note(`Failed to stop container '${this.#name}': ${stderr.trim()}`);
    // Nobody else would try again; a kill of the framework's is for the framework to repeat.
    if (why === 'by-health-check') this.#after(killRetryMs, () => void this.#kill(why, graceMs));
  }

  killClient(): void {
    if (this.#phase.kind === 'running') signalGroup(this.#phase.client);
  }

  killExecutor(): void {
    if (this.#phase.kind === 'ended') return;
    this.#stopWatching();
    this.#report({
      state: 'TASK_FAILED',
      source: 'SOURCE_AGENT',
      reason: 'REASON_EXECUTOR_TERMINATED',
      message: 'Container terminated',
    });
    this.#removeLater();
  }

  abandon(): void {
    this.#silent = true;
    this.#stopWatching();
    for (const timer of this.#timers) timer.cancel();
  }

  #stopWatching(): void {
    const phase = this.#phase;
    this.#phase = { kind: 'ended' };
    this.#giveUp.abort();
    this.#health?.stop();
    switch (phase.kind) {
      case 'pulling':
        phase.pull?.kill();
        break;
      case 'running':
        signalGroup(phase.client);
        break;
      case 'ended':
        break;
    }
  }

  async dispose(): Promise<void> {
    this.#silent = true;
    const phase = this.#phase;
    this.#phase = { kind: 'ended' };
    this.#giveUp.abort();
    this.#health?.stop();
    for (const timer of [...this.#timers]) timer.cancel();
    if (phase.kind === 'pulling') {
      phase.pull?.kill();
      return;
    }
    // A client that is just starting is not killed: dockerd would finish making its container behind our back. Its container is
    // removed as soon as it is there, and that ends the client.
    let clientEnded = phase.kind === 'ended';
    void this.#clientEnded.then(() => {
      clientEnded = true;
    });
    const deadline = Date.now() + disposeTimeoutMs;
    for (;;) {
      const last = clientEnded;
      const { status, stderr } = await run('docker', ['rm', '--force', '--volumes', this.#name]);
      const isGone = status === 0 && !/no such container/i.test(stderr);
      if ((isGone && phase.kind !== 'running') || last) break;
      if (Date.now() > deadline) {
        if (phase.kind === 'running') signalGroup(phase.client);
        await this.#clientEnded;
      } else {
        await Promise.race([this.#clientEnded, new Promise((resolve) => setTimeout(resolve, 100))]);
      }
    }
    // Those of a dispose() itself do not outlive it.
    for (const timer of [...this.#timers]) timer.cancel();
  }

  #after(ms: number, work: () => void): void {
    const timer = this.#options.clock.after(ms, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
  }

  /** The executor's own words, in the sandbox's stderr between those of Docker (33). */
  #note(text: string): void {
    const at = new Date(this.#options.clock.now()).toISOString().replace('T', ' ').slice(5, 23);
    try {
      appendFileSync(join(this.#launch.sandboxDirectory, 'stderr'), `I${at} executor] ${text}\n`);
    } catch {
      // The sandbox may be gone when the host is being stopped.
    }
  }
}

function signalGroup(client: ChildProcess): void {
  if (client.pid === undefined || client.exitCode !== null || client.signalCode !== null) return;
  try {
    process.kill(-client.pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}

/** What strsignal() says of the signals that end a client. */
function signalText(signal: NodeJS.Signals): string {
  const texts: Partial<Record<NodeJS.Signals, string>> = {
    SIGHUP: 'Hangup',
    SIGINT: 'Interrupt',
    SIGQUIT: 'Quit',
    SIGABRT: 'Aborted',
    SIGKILL: 'Killed',
    SIGSEGV: 'Segmentation fault',
    SIGPIPE: 'Broken pipe',
    SIGTERM: 'Terminated',
  };
  return texts[signal] ?? `Unknown signal ${constants.signals[signal]}`;
}

interface InspectedContainer {
  readonly State: { readonly Pid: number; readonly StartedAt: string };
  readonly HostConfig: { readonly NetworkMode: string };
  readonly NetworkSettings: {
    readonly IPAddress?: string;
    readonly Networks?: Readonly<Record<string, { readonly IPAddress?: string }>>;
  };
}

/** undefined while the container has not started. */
function readInspection(output: string): Inspection | undefined {
  const [container] = JSON.parse(output) as InspectedContainer[];
  if (container === undefined || container.State.StartedAt.startsWith('0001')) return undefined;
  const { NetworkSettings: settings, HostConfig: config } = container;
  const address = settings.Networks?.[config.NetworkMode]?.IPAddress || settings.IPAddress;
  return { output, pid: container.State.Pid, address: address === '' ? undefined : address };
}
