/**
 * A scheduler that no one here wrote: mesos-framework's own, unpatched, with its own parsing of the stream, which needs one
 * record a chunk and gets it from the embedded master. A program of its own, since the package logs to files below the working
 * directory and exits the process as it sees fit: `start` runs it in a directory that is removed afterwards.
 */
import { fork } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ForeignTask {
  /** TCP port of the master, at 127.0.0.1. */
  readonly port: number;
  readonly image: string;
  /** The one argument of the image's entry point. */
  readonly script: string;
}

/** What it saw, in order: `subscribed`, `offers`, states of its task, `error: …`, `sent_teardown`. */
export interface ForeignRun {
  readonly seen: string[];
  /** Resolves with the exit status of the program; it ends when its task has ended and the teardown was sent. */
  readonly ended: Promise<number | null>;
  kill(): void;
}

export function startForeignScheduler(task: ForeignTask): ForeignRun {
  const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-foreign-'));
  // It logs there, and dies where it cannot.
  mkdirSync(join(directory, 'logs'));
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(task)], {
    cwd: directory,
    execArgv: ['--no-deprecation'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const seen: string[] = [];
  child.on('message', (what) => void seen.push(String(what)));
  return {
    seen,
    ended: new Promise((resolve) => {
      child.once('exit', (status) => {
        rmSync(directory, { recursive: true, force: true });
        resolve(status);
      });
    }),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** The part of the package that is used here; it comes without types. */
interface Package {
  readonly Scheduler: new (options: object) => EventEmitter & { subscribe(): void; teardown(): void };
  readonly Mesos: { getMesos(): Messages };
}
type Message = new (...fields: unknown[]) => object;
interface Messages {
  readonly CommandInfo: Message;
  readonly ContainerInfo: Message & {
    readonly Type: { readonly DOCKER: number };
    readonly DockerInfo: Message & { readonly Network: { readonly HOST: number } };
  };
}

function run({ port, image, script }: ForeignTask): void {
  const { Scheduler, Mesos } = createRequire(import.meta.url)('mesos-framework') as Package;
  const { CommandInfo, ContainerInfo } = Mesos.getMesos();
  const { DockerInfo } = ContainerInfo;
  const say = (what: string) => void process.send?.(what);
  const scheduler = new Scheduler({
    masterUrl: '127.0.0.1',
    port,
    frameworkName: 'foreign',
    tasks: {
      job: {
        instances: 1,
        executorInfo: null,
        containerInfo: new ContainerInfo(
          ContainerInfo.Type.DOCKER,
          null,
          null,
          new DockerInfo(image, DockerInfo.Network.HOST, null, false, null, false, null),
        ),
        commandInfo: new CommandInfo(null, null, false, null, [script], null),
        resources: { cpus: 0.1, mem: 32, ports: 1, disk: 0 },
        healthChecks: null,
        labels: null,
      },
    },
  });
  scheduler.once('ready', () => scheduler.subscribe());
  for (const event of ['subscribed', 'offers', 'sent_accept']) scheduler.on(event, () => say(event));
  let isTearingDown = false;
  scheduler.on('error', (error: unknown) => {
    // The master ends the stream of a framework that it removes, before or after its answer.
    if (isTearingDown) return;
    say(`error: ${typeof error === 'string' ? error : (error as { message?: string }).message}`);
  });
  scheduler.on('update', ({ status }: { status: { state: string } }) => {
    say(status.state);
    // Its acknowledgement of this update is on its way, and the answer to it is not told apart from earlier ones.
    if (status.state !== 'TASK_FINISHED') return;
    scheduler.once('sent_acknowledge', () => {
      isTearingDown = true;
      scheduler.teardown();
    });
  });
  scheduler.once('sent_teardown', () => process.send?.('sent_teardown', () => process.exit(0)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) run(JSON.parse(process.argv[2] ?? '') as ForeignTask);
