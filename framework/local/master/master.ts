/** The embedded master as a thing to start and stop, with every fault that a test may order. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../../log.js';
import type { MasterInfo } from '../../mesos/schema/codec.js';
import { type Clock, systemClock } from './clock.js';
import { MasterCore } from './core.js';
import { Election, type ZooKeeperOptions } from './election.js';
import { handleRequest, type Leadership } from './http.js';
import type { MasterAddress, MasterLink } from './link.js';
import { mesosVersion } from './operator.js';
import { Registry } from './registry.js';

export interface MasterOptions {
  readonly logger: Logger;
  /** TCP port; 0 for any that is free. Default 0. */
  readonly port?: number;
  /** IPv4 address to listen at. Default 127.0.0.1. */
  readonly address?: string;
  /** Name that the master gives for itself. Default: the address. */
  readonly hostname?: string;
  /** Interval of HEARTBEAT events, in ms. Default 15000, as Mesos. */
  readonly heartbeatMs?: number;
  /** How often what is free is offered, in ms. Default 1000, as Mesos. */
  readonly allocationIntervalMs?: number;
  /** How often a host is asked whether it is there, in ms. Default 15000, as Mesos. */
  readonly pingIntervalMs?: number;
  /** Missed pings after which a host is unreachable. Default 5, as Mesos. */
  readonly maxMissedPings?: number;
  /** How long hosts of the registry may take to come back to a restarted master, in ms. Default 600000, as Mesos. */
  readonly hostReregisterTimeoutMs?: number;
  /** Principals and their secrets; with them every call needs HTTP Basic credentials. Default: nobody is asked. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** Roles that are refused as an ACL would refuse them. Default none. */
  readonly forbiddenRoles?: readonly string[];
  /** Stands for election there, and serves while it leads. Without, it always leads. */
  readonly zookeeper?: ZooKeeperOptions;
  /** What it knows of hosts; masters of one election share it. Default: one of its own. */
  readonly registry?: Registry;
  readonly clock?: Clock;
}

export interface MasterStopOptions {
  /** What becomes of its session with ZooKeeper; 'runs out' is what happens to a process that is killed. Default 'ends'. */
  readonly session?: 'ends' | 'runs out';
}

type State =
  | {
      readonly kind: 'running';
      readonly server: Server;
      readonly info: MasterInfo;
      readonly core: MasterCore;
    }
  | { readonly kind: 'stopped' };

export class EmbeddedMaster implements MasterAddress {
  /** What hosts talk to: whoever is the master at this address at the time. */
  readonly link: MasterLink;
  readonly #options: MasterOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #sockets = new Set<Socket>();
  readonly #registry: Registry;
  #election: Election | undefined;
  /** Going on, where a master that has lost its session starts anew by itself. */
  #rebirth: Promise<void> = Promise.resolve();
  #state: State = { kind: 'stopped' };
  #leadership: Leadership = { kind: 'leading' };
  #port: number;

  /** Listens, then resolves. Rejects with the system's error (EADDRINUSE) where it cannot. */
  static async start(options: MasterOptions): Promise<EmbeddedMaster> {
    const master = new EmbeddedMaster(options);
    await master.#start();
    return master;
  }

  private constructor(options: MasterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#port = options.port ?? 0;
    this.#registry = options.registry ?? new Registry();
    this.link = {
      register: (registration, link) => this.#leadingCore()?.register(registration, link),
      update: (agentId, update) => this.#leadingCore()?.update(agentId, update),
      closed: (agentId) => this.#leadingCore()?.closed(agentId),
      unregister: (agentId) => this.#leadingCore()?.unregister(agentId),
    };
  }

  get address(): string {
    return this.#options.address ?? '127.0.0.1';
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://${this.address}:${this.#port}`;
  }

  /** The master itself, for tests that look at it or order a fault of a host: markUnreachable(), markGone(), drain(), … */
  get core(): MasterCore {
    if (this.#state.kind === 'stopped') throw new Error('the embedded master is stopped');
    return this.#state.core;
  }

  get isLeading(): boolean {
    return this.#leadingCore() !== undefined;
  }

  /** Runs `listener` whenever it has started, or begins to lead. */
  onStart(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends as a process that is killed: connections break, all it knew is gone. Tasks go on. */
  async stop({ session = 'ends' }: MasterStopOptions = {}): Promise<void> {
    await this.#rebirth;
    await this.#stop(session);
  }

  async #stop(session: 'ends' | 'runs out'): Promise<void> {
    if (session === 'ends') this.#election?.close();
    else this.#election?.abandon();
    const state = this.#state;
    if (state.kind === 'stopped') return;
    this.#state = { kind: 'stopped' };
    state.core.stop();
    const closed = new Promise<void>((resolve) => state.server.close(() => resolve()));
    this.dropConnections();
    await closed;
  }

  /**
   * Starts again at the same port as a new master with a new id. With the registry kept it knows which hosts there were, and keeps
   * silent about their tasks until they are back; without, it knows nothing (24 to 28).
   */
  async restart(options: { readonly keepRegistry: boolean }): Promise<void> {
    await this.stop();
    if (!options.keepRegistry) this.#registry.clear();
    await this.#start();
  }

  /** Breaks every connection of a client, as a network does: no event says so. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Makes this master one that does not lead, whose streams break and which answers 307 or 503; or one that leads, and knows what the
   * registry says and nothing else.
   */
  setLeadership(leadership: Leadership): void {
    const led = this.#leadership.kind === 'leading';
    const leads = leadership.kind === 'leading';
    this.#leadership = leadership;
    if (led === leads) return;
    const state = this.#state;
    if (state.kind === 'running') {
      // Who does not lead gives no host up in the registry of who does.
      state.core.stop();
      if (leads) this.#state = { ...state, core: this.#newCore(state.info) };
    }
    if (!leads) this.dropConnections();
    else for (const listener of this.#listeners) listener();
  }

  #leadingCore(): MasterCore | undefined {
    return this.#state.kind === 'running' && this.#leadership.kind === 'leading'
      ? this.#state.core
      : undefined;
  }

  async #start(): Promise<void> {
    const options = this.#options;
    const clock = this.#clock;
    const server = createServer((request, response) => {
      const side = {
        core: () => (this.#state.kind === 'running' ? this.#state.core : undefined),
        leadership: () => this.#leadership,
        credentials:
          options.credentials === undefined ? undefined : new Map(Object.entries(options.credentials)),
        now: () => clock.now(),
      };
      handleRequest(side, request, response).catch((error: unknown) => {
        options.logger.debug(
          `master: a request broke off: ${error instanceof Error ? error.message : String(error)}`,
        );
        response.destroy();
      });
    });
    // A stream may be silent for as long as a heartbeat takes, and lasts for months.
    server.requestTimeout = 0;
    // A real master never closes an idle connection: a client that is about to use it would lose its call.
    server.keepAliveTimeout = 0;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      // What is small and late hurts more than what is split: events go out as they come.
      socket.setNoDelay(true);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.address, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#port = (server.address() as AddressInfo).port;
    const info = this.#masterInfo();
    this.#state = { kind: 'running', server, info, core: this.#newCore(info) };
    options.logger.info(`master: listening at ${this.url}`);
    if (options.zookeeper !== undefined) {
      this.#leadership = { kind: 'electing' };
      this.#election = new Election(
        options.zookeeper,
        info,
        options.logger,
        (leadership) => this.#elected(leadership),
        () => this.#startAnew(),
      );
    }
    if (this.#leadership.kind === 'leading') for (const listener of this.#listeners) listener();
    else this.#state.core.stop();
  }

  #elected(leadership: Leadership): void {
    const state = this.#state;
    if (state.kind === 'stopped' || sameLeadership(leadership, this.#leadership)) return;
    this.#options.logger.info(
      `master: ${this.url} ${leadership.kind === 'following' ? `follows ${leadership.leader}` : `is ${leadership.kind}`}`,
    );
    this.setLeadership(leadership);
  }

  /** A real master that has lost its session ends its process, and whoever watches it starts it again. */
  #startAnew(): void {
    this.#options.logger.warn(`master: ${this.url} has lost its session with ZooKeeper, and starts anew`);
    this.#rebirth = this.#rebirth
      .then(() => this.#stop('ends'))
      .then(() => this.#start())
      .catch((error: unknown) => {
        this.#options.logger.error(`master: ${this.url} did not start anew: ${String(error)}`);
      });
  }

  #newCore(masterInfo: MasterInfo): MasterCore {
    const options = this.#options;
    return new MasterCore({
      clock: this.#clock,
      logger: options.logger,
      masterInfo,
      heartbeatMs: options.heartbeatMs ?? 15_000,
      allocationIntervalMs: options.allocationIntervalMs ?? 1000,
      pingIntervalMs: options.pingIntervalMs ?? 15_000,
      maxMissedPings: options.maxMissedPings ?? 5,
      hostReregisterTimeoutMs: options.hostReregisterTimeoutMs ?? 600_000,
      forbiddenRoles: new Set(options.forbiddenRoles ?? []),
      registry: this.#registry,
    });
  }

  #masterInfo(): MasterInfo {
    const ip = this.address;
    const hostname = this.#options.hostname ?? ip;
    return {
      id: randomUUID(),
      ip: littleEndian(ip),
      port: this.#port,
      pid: `master@${ip}:${this.#port}`,
      hostname,
      version: mesosVersion,
      address: { hostname, ip, port: this.#port },
      capabilities: [{ type: 'AGENT_UPDATE' }, { type: 'AGENT_DRAINING' }, { type: 'QUOTA_V2' }],
    };
  }
}

const sameLeadership = (a: Leadership, b: Leadership): boolean => JSON.stringify(a) === JSON.stringify(b);

/** MasterInfo.ip is in network byte order, read as little-endian: 127.0.0.1 is 16777343 (FACTS, real master 14). */
function littleEndian(ip: string): number {
  const parts = ip.split('.').map(Number);
  return parts.reduceRight((sum, part) => sum * 256 + part, 0);
}
