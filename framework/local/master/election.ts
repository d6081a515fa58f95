/**
 * The election of a leading master in ZooKeeper, as real masters hold it: each is one ephemeral node `json.info_<number>` below a path,
 * with its MasterInfo in JSON, and the lowest number leads (FACTS, real master 14; src/master/contender and src/master/detector of Mesos).
 */
import { type Client, CreateMode } from 'node-zookeeper-client';
import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { MasterInfo } from '../../mesos/schema/codec.js';
import { leadingNode } from '../../mesos/zookeeper-detector.js';
import { createSession } from '../../mesos/zookeeper-session.js';
import type { Leadership } from './http.js';

export interface ZooKeeperOptions {
  /** `host:port,host:port`. */
  readonly servers: string;
  /** Of the masters' nodes; it is made if it is not there. */
  readonly path: string;
  /** After this long without a word from a master its node is gone, in ms. Default 10000, as Mesos. */
  readonly sessionTimeoutMs?: number;
}

const againMs = 500;

/** One candidacy: from the first look to the end of its session. */
export class Election {
  readonly #client: Client;
  readonly #options: ZooKeeperOptions;
  readonly #info: MasterInfo;
  readonly #logger: Logger;
  readonly #onChange: (leadership: Leadership) => void;
  readonly #onLost: () => void;
  #node: string | undefined;
  #timers = new Set<NodeJS.Timeout>();
  #isCandidate = false;
  #isClosed = false;

  /**
   * @param onLost the session is gone, and with it the candidacy: a real master ends itself, to be started anew
   */
  constructor(
    options: ZooKeeperOptions,
    info: MasterInfo,
    logger: Logger,
    onChange: (leadership: Leadership) => void,
    onLost: () => void,
  ) {
    this.#options = options;
    this.#info = info;
    this.#logger = logger;
    this.#onChange = onChange;
    this.#onLost = onLost;
    this.#client = createSession({
      servers: options.servers,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      againMs,
    });
    this.#client.on('connected', () => this.#connected());
    this.#client.on('disconnected', () => this.#disconnected());
    this.#client.on('expired', () => this.#lost());
    this.#client.connect();
  }

  get #sessionTimeoutMs(): number {
    return this.#options.sessionTimeoutMs ?? 10_000;
  }

  /** Ends the session, and so takes the node away at once. */
  close(): void {
    this.#isClosed = true;
    this.#forgetTimers();
    this.#client.close();
  }

  /** As a process that is killed: nothing is said, and the node stays until the session has run out. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forgetTimers();
    this.#after(this.#sessionTimeoutMs, () => this.#client.close());
  }

  #connected(): void {
    if (this.#isClosed) return;
    this.#forgetTimers();
    if (!this.#isCandidate) this.#stand();
    this.#look();
  }

  /** Nobody knows who leads while ZooKeeper does not answer; whoever led has lost that when its session must have run out. */
  #disconnected(): void {
    if (this.#isClosed) return;
    this.#after(this.#sessionTimeoutMs, () => this.#lost());
  }

  #lost(): void {
    if (this.#isClosed) return;
    this.close();
    this.#onLost();
  }

  #stand(): void {
    this.#isCandidate = true;
    const { path } = this.#options;
    const again = (error: unknown) => {
      this.#logger.debug(`master: cannot stand for election below ${path}: ${messageOf(error)}`);
      this.#isCandidate = false;
      this.#after(againMs, () => {
        if (!this.#isCandidate) this.#stand();
      });
    };
    this.#client.mkdirp(path, (error) => {
      if (this.#isClosed) return;
      if (error) return again(error);
      const data = Buffer.from(inOrder(this.#info));
      this.#client.create(`${path}/json.info_`, data, CreateMode.EPHEMERAL_SEQUENTIAL, (failure, node) => {
        if (this.#isClosed) return;
        // Where the answer is lost, whether there is a node now is not known: only an end of the session makes sure that there is none.
        if (failure) return this.#lost();
        this.#node = node.slice(node.lastIndexOf('/') + 1);
        this.#look();
      });
    });
  }

  /** Asks who leads, and is told when that changes. */
  #look(): void {
    const { path } = this.#options;
    if (this.#isClosed || this.#node === undefined) return;
    this.#client.getChildren(
      path,
      () => this.#look(),
      (error, children) => {
        if (this.#isClosed) return;
        if (error) return this.#lookLater();
        const leading = leadingNode(children);
        if (leading === undefined) return this.#onChange({ kind: 'electing' });
        if (leading === this.#node) return this.#onChange({ kind: 'leading' });
        this.#client.getData(`${path}/${leading}`, (failure, data) => {
          if (this.#isClosed) return;
          if (failure) return this.#lookLater();
          const { hostname, port } = JSON.parse(data.toString('utf8')) as MasterInfo;
          // By host name, which need not resolve where the caller is: that is how a real one does it.
          this.#onChange({ kind: 'following', leader: `${hostname}:${port}` });
        });
      },
    );
  }

  #lookLater(): void {
    this.#after(againMs, () => this.#look());
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #forgetTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** The fields in the order of their names, as Mesos writes its JSON. */
function inOrder(value: object): string {
  const order = (given: unknown): unknown =>
    Array.isArray(given)
      ? given.map(order)
      : typeof given === 'object' && given !== null
        ? Object.fromEntries(
            Object.entries(given)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, item]) => [key, order(item)]),
          )
        : given;
  return JSON.stringify(order(value));
}
