/** `mesos-jupyter local`: a whole cluster on this machine, from the Docker engine to the notebook's address, and its removal. */
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Checked } from '../config/load.js';
import { CodedError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Scheduler, startScheduler } from '../scheduler.js';
import { throwIfStopped } from './command.js';
import { forgetGenerations, type LocalDirectories, makeDirectories } from './directories.js';
import { ensureDocker } from './docker.js';
import { followCluster } from './follow.js';
import { refuseUnfitVolume } from './given-volume.js';
import { EmbeddedHost } from './host/host.js';
import { ensureImage, ensureNamedImage } from './image.js';
import { instanceLabel, instanceName, removeInstance, removeLeftovers } from './instance.js';
import { completeSettings, type LocalSetting } from './local-settings.js';
import { EmbeddedMaster } from './master/master.js';
import { ensureNetwork, type LocalNetwork } from './network.js';
import type { Terminal } from './terminal.js';

export interface LocalOptions {
  readonly settings: Checked<LocalSetting>;
  readonly nodes: number;
  /** TCP port of the embedded master; 0 for any. */
  readonly port: number;
  /** How long the cluster may take to be well, counted from its own start. */
  readonly timeoutS: number;
  readonly exitWhenReady: boolean;
  readonly install: boolean;
  readonly terminal: Terminal;
  readonly logger: Logger;
  /** Ends everything, in order. */
  readonly signal: AbortSignal;
}

const hostNames = ['host-1', 'host-2'] as const;

/** Runs until told to stop, or until all is well with `exitWhenReady`; removes all that it made in any case. */
export async function runLocalCluster(options: LocalOptions): Promise<void> {
  const undo = new UndoList(options.terminal);
  try {
    await bringUp(options, undo);
  } catch (error) {
    // Being told to stop is how this command ends; what stopped it is not lost, since the caller sent it.
    if (!(options.signal.aborted && error instanceof CodedError && error.code === 'INTERRUPTED')) {
      await undo.run().catch((second: unknown) => options.terminal.warn(messageOf(second)));
      throw error;
    }
  }
  await undo.run();
}

async function bringUp(options: LocalOptions, undo: UndoList): Promise<void> {
  const { settings, terminal, logger, signal, install, nodes } = options;
  await refuseTakenPort(options.port);
  if (settings.shared !== undefined) refuseUnfitVolume(settings.shared, settings.sharedVolumeType);
  await ensureDocker({ install, terminal, signal });
  throwIfStopped(signal);
  await removeLeftovers(terminal, new Date());

  const image = settings.image ?? (await ensureImage({ terminal, install, signal }));
  if (settings.image !== undefined) await ensureNamedImage(settings.image, { terminal, signal });
  throwIfStopped(signal);

  const instance = instanceName();
  // First in the list, so run last; by labels, so it finds what any later step made, however far that step came.
  undo.add('containers, network and directories', async () => {
    const { kept } = await removeInstance(instance, new Date());
    if (kept !== undefined) terminal.say(`Your notebooks are kept in ${kept}`);
  });
  const directories = makeDirectories(instance, image, settings.shared);
  const network = await ensureNetwork({ name: settings.network, subnet: settings.subnet, nodes, instance });
  throwIfStopped(signal);
  introduce(terminal, image, network, directories);

  const master = await startMaster(options.port, logger);
  undo.add('the master', () => master.stop());
  let hasScheduler = false;
  undo.add('what stands for its generations', async () => {
    if (hasScheduler && directories.sharedIsGiven) await forgetGenerations(directories.shared, image);
  });
  for (const name of hostNames) {
    const host = await EmbeddedHost.start({
      master,
      name,
      resources: hostResources(settings, nodes),
      workDirectory: directories.workDirectoryOf(name),
      logger,
    });
    undo.add(`${name} and its containers`, () => host.stop());
  }
  throwIfStopped(signal);
  hasScheduler = true;
  const scheduler = await startScheduler(
    completeSettings(settings, {
      master: master.url,
      image,
      network: network.name,
      subnet: network.subnet,
      ips: [...network.addresses],
      shared: directories.shared,
      stateFile: directories.stateFile,
      dockerParameters: [
        ...settings.dockerParameters,
        { key: 'label', value: `${instanceLabel}=${instance}` },
      ],
    }),
    { logger },
  );
  undo.add('the nodes and the scheduler', () => end(scheduler, settings.killGraceS));
  await follow(scheduler, image, directories, options);
}

/** Lets nodes end in good order. What does not go in time, or with a scheduler that has failed, is removed by force after it. */
async function end(scheduler: Scheduler, killGraceS: number): Promise<void> {
  const patience = new AbortController();
  const late = delay((killGraceS + 5) * 1000, undefined, { signal: patience.signal });
  await Promise.race([scheduler.teardown(), late]).catch(() => {});
  patience.abort();
  await late.catch(() => {});
  await scheduler.stop();
}

/** Until told to stop, until all is well where that was asked for, or until the scheduler fails. */
async function follow(
  scheduler: Scheduler,
  image: string,
  { shared }: LocalDirectories,
  options: LocalOptions,
): Promise<void> {
  const { settings, timeoutS, exitWhenReady, terminal, signal } = options;
  const over = new AbortController();
  const following = followCluster({
    nodes: () => scheduler.snapshot().nodes,
    basePath: settings.basePath,
    shared,
    image,
    timeoutS,
    untilReady: exitWhenReady,
    terminal,
    signal: AbortSignal.any([signal, over.signal]),
  });
  try {
    await Promise.race([following, scheduler.done]);
  } finally {
    over.abort();
    await following.catch(() => {});
  }
}

function introduce(
  terminal: Terminal,
  image: string,
  network: LocalNetwork,
  { shared, sharedIsGiven }: LocalDirectories,
): void {
  terminal.say(
    `Image ${image}, network ${network.name} on ${network.subnet}${network.made ? '' : ' (there already)'}.`,
  );
  terminal.say(
    sharedIsGiven
      ? `Notebooks and keys are in ${shared}, which stays.`
      : `The shared directory ${shared} goes with the cluster; notebooks that you write are kept. --shared DIR keeps all of it.`,
  );
}

/** Enough on each host for all nodes, so that one host may go and the other take over; the machine itself is the limit. */
function hostResources(settings: LocalOptions['settings'], nodes: number) {
  return {
    cpus: nodes * settings.cpus + 1,
    memMb: nodes * settings.memMb + 1024,
    diskMb: nodes * settings.diskMb + 10_240,
  };
}

async function startMaster(port: number, logger: Logger): Promise<EmbeddedMaster> {
  try {
    return await EmbeddedMaster.start({ port, logger });
  } catch (error) {
    throw isAddressInUse(error) ? portTaken(port) : error;
  }
}

/** Asked before the long steps: nobody should wait ten minutes to be told this. */
function refuseTakenPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => reject(isAddressInUse(error) ? portTaken(port) : error));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function portTaken(port: number): CodedError {
  return new CodedError(
    'PORT_TAKEN',
    `port ${port}, which the embedded master wants, is in use: end what has it ("ss -ltnp" names it), or give another with --port (0: any)`,
  );
}

/** What was made, to be unmade in the opposite order; one failure does not stop the rest. */
class UndoList {
  readonly #terminal: Terminal;
  readonly #steps: { readonly what: string; readonly work: () => Promise<void> }[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  add(what: string, work: () => Promise<void>): void {
    this.#steps.push({ what, work });
  }

  async run(): Promise<void> {
    const steps = this.#steps.splice(0).reverse();
    if (steps.length === 0) return;
    const problems: string[] = [];
    await this.#terminal.step('Stopping, and removing what was made', async (progress) => {
      for (const { what, work } of steps) {
        progress(what);
        try {
          await work();
        } catch (error) {
          problems.push(`${what}: ${messageOf(error)}`);
        }
      }
    });
    if (problems.length > 0) throw new CodedError('CLEANUP_FAILED', problems.join('\n  and '));
  }
}
