/** A real etcd of one member, on free ports. Where the machine has none, Debian's package is unpacked, not installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { packageRoot } from '../../framework/local/package.js';
import type { Certificate } from './certificates.js';
import { waitFor } from './wait.js';

export interface EtcdOptions {
  /** IPv4 address that clients are served at. Default 127.0.0.1. */
  readonly address?: string;
  /** Serves clients by TLS, and takes only those with a certificate of this CA. */
  readonly tls?: { readonly ca: Certificate; readonly server: Certificate };
}

export class Etcd {
  readonly endpoint: string;
  readonly #peerPort: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-etcd-'));
  readonly #options: EtcdOptions;
  #server: ChildProcess | undefined;

  private constructor(ports: readonly [number, number], options: EtcdOptions) {
    this.endpoint = `${options.address ?? '127.0.0.1'}:${ports[0]}`;
    this.#peerPort = ports[1];
    this.#options = options;
  }

  static async create(options: EtcdOptions = {}): Promise<Etcd> {
    const etcd = new Etcd([await freePort(), await freePort()], options);
    try {
      await etcd.start();
    } catch (error) {
      await etcd.remove();
      throw error;
    }
    return etcd;
  }

  /** With the data of the last time. */
  async start(): Promise<void> {
    const { tls } = this.#options;
    const client = `${tls === undefined ? 'http' : 'https'}://${this.endpoint}`;
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    const server = spawn(
      // It ends with this process, even where that is killed.
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', etcdProgram()],
        ...['--name', 'test', '--data-dir', join(this.#directory, 'data')],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', `test=${peer}`, '--logger', 'zap', '--log-outputs', '/dev/null'],
        ...(tls === undefined
          ? []
          : [
              ...['--cert-file', tls.server.certFile, '--key-file', tls.server.keyFile],
              ...['--client-cert-auth', '--trusted-ca-file', tls.ca.certFile],
            ]),
      ],
      // etcd 3.4 starts on arm64 only when told so.
      { stdio: 'ignore', env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } },
    );
    this.#server = server;
    await waitFor('etcd to answer', 30_000, async () => {
      if (server.exitCode !== null) throw new Error(`etcd ended with status ${server.exitCode}`);
      const probe = this.connect();
      try {
        await probe.get('x').options({ deadline: Date.now() + 2_000 });
        return true;
      } catch (error) {
        // It answers, if only that it wants to know who asks.
        if (/user name is empty|permission denied/.test(String(error))) return true;
        throw error;
      } finally {
        probe.close();
      }
    });
  }

  /** As a machine that loses power. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    if (server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A client of etcd3's own making, to look and meddle with; to be closed. */
  connect(auth?: { username: string; password: string }): Etcd3 {
    const { tls } = this.#options;
    return new Etcd3({
      hosts: `${tls === undefined ? 'http' : 'https'}://${this.endpoint}`,
      ...(auth !== undefined && { auth }),
      ...(tls !== undefined && {
        credentials: {
          rootCertificate: Buffer.from(tls.ca.cert),
          certChain: Buffer.from(tls.server.cert),
          privateKey: Buffer.from(tls.server.key),
        },
      }),
    });
  }
}

/** The machine's own, or Debian's: its package would start a service, so it is only unpacked, once, into a cache of ours. */
function etcdProgram(): string {
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    if (directory !== '' && existsSync(join(directory, 'etcd'))) return join(directory, 'etcd');
  }
  const cache = join(packageRoot, 'node_modules/.cache/mesos-jupyter-etcd');
  const program = join(cache, 'usr/bin/etcd');
  if (existsSync(program)) return program;
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-etcd-'));
  try {
    const download = () =>
      execFileSync('apt-get', ['download', 'etcd-server'], { cwd: scratch, stdio: 'pipe' });
    try {
      download();
    } catch {
      // On a fresh machine there are no lists yet.
      execFileSync('apt-get', ['update'], { stdio: 'pipe' });
      download();
    }
    const unpacked = mkdtempUnder(join(packageRoot, 'node_modules/.cache'));
    const archive = readdirSync(scratch).find((name) => name.endsWith('.deb'));
    execFileSync('dpkg-deb', ['--extract', join(scratch, archive ?? ''), unpacked], { stdio: 'pipe' });
    rmSync(cache, { recursive: true, force: true });
    renameSync(unpacked, cache);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return program;
}

function mkdtempUnder(parent: string): string {
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'unpacking-'));
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
