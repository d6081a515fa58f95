/** What can go wrong with a cluster of real containers, and how each of it is ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { docker } from '../support/docker.js';
import type { SeededRandom } from '../support/random.js';

/** A container that runs now. */
export interface Target {
  readonly container: string;
  readonly address: string;
  /** Of its first process, as this machine counts them. */
  readonly pid: number;
}

export interface Scene {
  readonly random: SeededRandom;
  readonly targets: readonly Target[];
  /** The address from which the scheduler reaches the nodes. */
  readonly gateway: string;
  /** Where a node keeps what is its own, etcd's data among it, in its container. */
  readonly localDirectory: string;
  killScheduler(): Promise<void>;
  /** Ends the process that serves the shared volume's mount on the target's host; resolves with what has the host mount it again. */
  killMount(target: Target): Promise<() => Promise<void>>;
  /** Runs code in a kernel of whichever node serves. */
  runInNotebook(code: string): Promise<void>;
}

/** Does it to `target`, and resolves with what ends it. Rejects where the container went meanwhile. */
type Fault = (scene: Scene, target: Target) => Promise<() => Promise<unknown>>;

const nothing = async (): Promise<void> => {};

async function run(...command: readonly [string, ...string[]]): Promise<void> {
  const [program, ...args] = command;
  const child = spawn(program, args, { stdio: 'ignore' });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}`);
}

/** Drops packets in the container's network namespace, by rules of iptables. */
async function drop({ pid }: Target, rules: readonly (readonly string[])[]): Promise<() => Promise<unknown>> {
  const each = (how: '-I' | '-D') => async () => {
    for (const rule of rules)
      await run('nsenter', '-t', String(pid), '-n', 'iptables', '-w', how, ...rule, '-j', 'DROP');
  };
  await each('-I')();
  return each('-D');
}

const input = ['INPUT', '!', '-i', 'lo'];
const output = ['OUTPUT', '!', '-o', 'lo'];

/** The container's files, as this machine has them. (A `docker exec` in a container that is just being paused hangs the engine.) */
const rootOf = ({ pid }: Target): string => `/proc/${pid}/root`;

/** Writes until nothing more goes. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    const zeros = Buffer.alloc(2 ** 20);
    for (;;) await file.write(zeros);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

/** Processes of the container whose command line matches, as this machine counts them. */
async function pidsOf({ container }: Target, pattern: RegExp): Promise<string[]> {
  const listing = await docker('top', container, '-eo', 'pid,args');
  return listing.split('\n').flatMap((line) => {
    const [, pid, args] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid !== undefined && args !== undefined && pattern.test(args) ? [pid] : [];
  });
}

async function signal(target: Target, pattern: RegExp, name: string): Promise<void> {
  const pids = await pidsOf(target, pattern);
  if (pids.length > 0) await run('kill', `-${name}`, ...pids);
}

const etcd = /^\S*etcd /;
const nodeAgent = /^\S*node .*main\.cjs/;
const keeper = /^\S*python3 .*keeper\.py/;
/** Whether it serves or stands by; not the keeper, whose command line ends with Jupyter's. */
const jupyter = /^\S*python3 -P \S*standby\.py/;

/** Takes all memory and all processors that it can, for 20 s; what dies for want of memory leaves the rest of them. */
const greed = `
import os, signal
for which in range(4 + 2 * os.cpu_count()):
    if os.fork() == 0:
        signal.alarm(20)
        hoard = []
        while True:
            if which < 4:
                hoard.append(bytearray(2**20))
`;

export const faults: Readonly<Record<string, Fault>> = {
  'killed with -9': async (_, { container }) => {
    await docker('kill', container);
    return nothing;
  },
  stopped: async (_, { container }) => {
    await docker('stop', '-t', '15', container);
    return nothing;
  },
  paused: async (_, { container }) => {
    await docker('pause', container);
    return () => docker('unpause', container);
  },
  'stunned, its network back later': async (scene, target) => {
    await docker('pause', target.container);
    return async () => {
      const mend = await drop(target, [input, output]);
      await docker('unpause', target.container);
      await new Promise((resolve) => setTimeout(resolve, scene.random.between(500, 15_000)));
      await mend();
    };
  },
  'cut off': async (_, target) => drop(target, [input, output]),
  deaf: async (_, target) => drop(target, [input]),
  mute: async (_, target) => drop(target, [output]),
  'cut off from its peers': async ({ targets }, target) =>
    drop(
      target,
      targets
        .filter(({ address }) => address !== target.address)
        .flatMap(({ address }) => [
          ['INPUT', '-s', address],
          ['OUTPUT', '-d', address],
        ]),
    ),
  'cut off from the scheduler': async ({ gateway }, target) =>
    drop(target, [
      ['INPUT', '-s', gateway],
      ['OUTPUT', '-d', gateway],
    ]),
  'without its etcd': async (_, target) => {
    await signal(target, etcd, 'KILL');
    return nothing;
  },
  'without its Jupyter': async (_, target) => {
    await signal(target, jupyter, 'KILL');
    return nothing;
  },
  'with its node agent stopped': async (_, target) => {
    await signal(target, nodeAgent, 'STOP');
    return () => signal(target, nodeAgent, 'CONT');
  },
  'without its node agent': async (_, target) => {
    await signal(target, nodeAgent, 'KILL');
    return nothing;
  },
  'without its keeper': async (_, target) => {
    await signal(target, keeper, 'KILL');
    return nothing;
  },
  "with etcd's data wiped": async ({ localDirectory }, target) => {
    const data = join(rootOf(target), localDirectory, 'etcd');
    for (const name of await readdir(data)) await rm(join(data, name), { recursive: true, force: true });
    await signal(target, etcd, 'KILL');
    return nothing;
  },
  'with its disk full': async ({ localDirectory }, target) => {
    const filler = join(rootOf(target), localDirectory, 'filler');
    await fill(filler);
    return () => rm(filler, { force: true });
  },
  'on a host whose mount died': async (scene, target) => scene.killMount(target),
  'beside a notebook that takes what it can': async (scene) => {
    await scene.runInNotebook(greed);
    return nothing;
  },
  'killed with its neighbour': async ({ targets, random }, target) => {
    const other = random.pickIfAny(targets.filter(({ container }) => container !== target.container));
    await docker('kill', target.container, ...(other === undefined ? [] : [other.container]));
    return nothing;
  },
  'without its scheduler': async (scene) => {
    await scene.killScheduler();
    return nothing;
  },
};
