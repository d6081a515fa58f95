/** A real ZooKeeper server, Debian's, on a free port; it is installed where it is missing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, CreateMode } from 'node-zookeeper-client';
import { createSession } from '../../framework/mesos/zookeeper-session.js';
import { ensurePackage } from './packages.js';
import { waitFor } from './wait.js';

const jar = '/usr/share/java/zookeeper.jar';

export class ZooKeeper {
  readonly port: number;
  readonly #directory: string;
  #server: ChildProcess | undefined;

  private constructor(port: number, directory: string) {
    this.port = port;
    this.#directory = directory;
  }

  static async create(): Promise<ZooKeeper> {
    ensurePackage('zookeeper', jar);
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-zookeeper-'));
    const settings = [
      'tickTime=200',
      `dataDir=${directory}`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
    ];
    writeFileSync(join(directory, 'zoo.cfg'), [...settings, 'admin.enableServer=false', ''].join('\n'));
    const server = new ZooKeeper(port, directory);
    await server.start();
    return server;
  }

  get servers(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.#server = spawn(
      'java',
      [
        '-Xmx64m',
        '-cp',
        jar,
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        join(this.#directory, 'zoo.cfg'),
      ],
      { stdio: 'ignore' },
    );
    await waitFor('ZooKeeper to answer', 30_000, () => answers(this.port));
  }

  /** As a machine that loses power. */
  async kill(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A session with the server. */
  async connect(): Promise<Client> {
    const client = createSession({ servers: this.servers, sessionTimeoutMs: 4_000, againMs: 500 });
    const connected = once(client, 'connected');
    client.connect();
    await connected;
    return client;
  }

  /** A master's candidacy as Mesos writes it; it ends with the session. Resolves with that. */
  async candidate(path: string, info: object): Promise<Client> {
    const client = await this.connect();
    await new Promise<void>((resolve, reject) =>
      client.mkdirp(path, (error) => (error ? reject(error) : resolve())),
    );
    await new Promise<void>((resolve, reject) =>
      client.create(
        `${path}/json.info_`,
        Buffer.from(JSON.stringify(info)),
        CreateMode.EPHEMERAL_SEQUENTIAL,
        (error) => (error ? reject(error) : resolve()),
      ),
    );
    return client;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether it serves: it takes connections before, and then says that it does not. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('connect', () => socket.write('srvr'));
    socket.on('data', (data) => {
      text += data.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(/^Mode:/m.test(text)));
  });
}
