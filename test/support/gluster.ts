/**
 * A replicated GlusterFS volume of three bricks on this machine, and mounts of it, by volume files alone: without glusterd,
 * of which a machine has but one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { ensurePackage } from './packages.js';
import { waitFor } from './wait.js';

const brickNumbers = [0, 1, 2] as const;
/** GlusterFS' default is 42 s; a test need not hang for that long. */
const pingTimeoutS = 10;

/** A volume file: translators, each on top of those that it names, or of the last one. */
function volumeFile(
  translators: readonly {
    readonly name: string;
    readonly type: string;
    readonly options?: Readonly<Record<string, string | number>>;
    readonly on?: readonly string[];
  }[],
): string {
  return translators
    .map(({ name, type, options = {}, on }) =>
      [
        `volume ${name}`,
        `  type ${type}`,
        ...Object.entries(options).map(([option, value]) => `  option ${option} ${value}`),
        ...(on === undefined ? [] : [`  subvolumes ${on.join(' ')}`]),
        'end-volume\n',
      ].join('\n'),
    )
    .join('\n');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = once(process, 'exit');
  process.kill('SIGKILL');
  await ended;
}

export class GlusterVolume {
  readonly #bricks: ChildProcess[] = [];
  readonly mounts: GlusterMount[] = [];

  private constructor(
    readonly directory: string,
    readonly ports: readonly number[],
  ) {}

  /** @param directory an empty one; its file system must have extended attributes */
  static async create(directory: string): Promise<GlusterVolume> {
    ensurePackage('glusterfs-server', '/usr/sbin/glusterfsd');
    const ports: number[] = [];
    for (const _ of brickNumbers) ports.push(await freePort());
    const volume = new GlusterVolume(directory, ports);
    for (const number of brickNumbers) {
      const path = volume.#brickPath(number);
      mkdirSync(path);
      writeFileSync(
        `${path}.vol`,
        volumeFile([
          { name: 'posix', type: 'storage/posix', options: { directory: path } },
          { name: 'locks', type: 'features/locks', on: ['posix'] },
          { name: path, type: 'performance/io-threads', on: ['locks'] },
          {
            name: 'server',
            type: 'protocol/server',
            options: {
              'transport-type': 'tcp',
              'transport.socket.listen-port': ports[number] ?? 0,
              'transport.socket.bind-address': '127.0.0.1',
              [`auth.addr.${path}.allow`]: '*',
            },
            on: [path],
          },
        ]),
      );
      volume.start(number);
    }
    const clients = brickNumbers.map((number) => `client-${number}`);
    writeFileSync(
      join(directory, 'client.vol'),
      volumeFile([
        ...brickNumbers.map((number) => ({
          name: `client-${number}`,
          type: 'protocol/client',
          options: {
            'transport-type': 'tcp',
            'remote-host': '127.0.0.1',
            'remote-port': ports[number] ?? 0,
            'remote-subvolume': volume.#brickPath(number),
            'ping-timeout': pingTimeoutS,
          },
        })),
        {
          name: 'replicate',
          type: 'cluster/replicate',
          options: { 'quorum-type': 'auto', 'afr-pending-xattr': clients.join() },
          on: clients,
        },
        { name: 'distribute', type: 'cluster/distribute', on: ['replicate'] },
        { name: 'top', type: 'meta', on: ['distribute'] },
      ]),
    );
    return volume;
  }

  #brickPath(number: number): string {
    return join(this.directory, `brick-${number}`);
  }

  start(number: number): void {
    const path = this.#brickPath(number);
    this.#bricks[number] = spawn('glusterfsd', ['-N', '-f', `${path}.vol`, '-l', `${path}.log`], {
      stdio: 'ignore',
    });
  }

  async kill(number: number): Promise<void> {
    const brick = this.#bricks[number];
    if (brick !== undefined) await end(brick);
  }

  /** Its clients wait for it, until their ping times out. */
  hang(number: number): void {
    this.#bricks[number]?.kill('SIGSTOP');
  }

  goOn(number: number): void {
    this.#bricks[number]?.kill('SIGCONT');
  }

  async mount(name: string): Promise<GlusterMount> {
    const path = join(this.directory, name);
    mkdirSync(path);
    const mount = await GlusterMount.of(join(this.directory, 'client.vol'), path);
    this.mounts.push(mount);
    return mount;
  }

  async remove(): Promise<void> {
    for (const mount of this.mounts) await mount.remove();
    for (const number of brickNumbers) await this.kill(number);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class GlusterMount {
  #client: ChildProcess;

  private constructor(
    readonly path: string,
    readonly volumeFilePath: string,
    client: ChildProcess,
  ) {
    this.#client = client;
  }

  static async of(volumeFilePath: string, path: string): Promise<GlusterMount> {
    return new GlusterMount(path, volumeFilePath, await clientOf(volumeFilePath, path));
  }

  /** The mount is dead then, though its path is still there. */
  async die(): Promise<void> {
    await end(this.#client);
  }

  /** What the host does about a mount that is dead; what was started on the dead one stays there. */
  async mountAgain(): Promise<void> {
    this.#takeOff();
    this.#client = await clientOf(this.volumeFilePath, this.path);
  }

  async remove(): Promise<void> {
    this.#takeOff();
    await end(this.#client);
  }

  #takeOff(): void {
    try {
      execFileSync('umount', ['-l', this.path], { stdio: 'ignore' });
    } catch {
      // It was taken off already.
    }
  }
}

async function clientOf(volumeFilePath: string, path: string): Promise<ChildProcess> {
  const { dev } = statSync(path);
  const client = spawn('glusterfs', ['-N', '-f', volumeFilePath, '-l', `${path}.log`, path], {
    stdio: 'ignore',
  });
  await waitFor('the mount', 20_000, () => statSync(path).dev !== dev);
  return client;
}
