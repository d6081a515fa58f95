/** Follows the masters' election in ZooKeeper: one ephemeral node a master below a path, the lowest number leads. */
import { EventEmitter, once } from 'node:events';
import type { Client } from 'node-zookeeper-client';
import { z } from 'zod';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { MasterDetector } from './detector.js';
import { createSession } from './zookeeper-session.js';

/** ZooKeeper forgets a client that it has not heard of for this long. */
const sessionTimeoutMs = 10_000;
/** After an answer that brought nothing, and between tries at a session. */
const againMs = 1_000;

/** What a master writes about itself (FACTS, real master 14). `ip`, the number, is in two byte orders at once: not used. */
const masterInfo = z.object({
  hostname: z.string().optional(),
  port: z.number().optional(),
  address: z
    .object({ ip: z.string().optional(), hostname: z.string().optional(), port: z.number() })
    .optional(),
});

/** The node of the leader among the children of the masters' path. */
export function leadingNode(children: readonly string[]): string | undefined {
  return children
    .filter((name) => /^json\.info_\d+$/.test(name))
    .sort((a, b) => sequenceOf(a) - sequenceOf(b))[0];
}

const sequenceOf = (name: string): number => Number(name.slice(name.lastIndexOf('_') + 1));

/**
 * The address in a leader's node: by IP where it is told, since a master's host name need not resolve here.
 * @throws Error for anything that is no master's node
 */
export function addressOf(data: string, secure: boolean): URL {
  const info = masterInfo.parse(JSON.parse(data));
  const host = info.address?.ip ?? info.address?.hostname ?? info.hostname;
  const port = info.address?.port ?? info.port;
  if (host === undefined || port === undefined) throw new Error('it names neither host nor port');
  return new URL(`${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`);
}

export class ZooKeeperDetector implements MasterDetector {
  readonly description: string;
  readonly #servers: string;
  readonly #path: string;
  readonly #secure: boolean;
  readonly #logger: Logger;
  readonly #changes = new EventEmitter();
  #client: Client;
  #leader: URL | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(setting: string, { secure, logger }: { secure: boolean; logger: Logger }) {
    const rest = setting.slice('zk://'.length);
    const slash = rest.indexOf('/');
    this.description = setting;
    this.#servers = rest.slice(0, slash);
    this.#path = rest.slice(slash);
    this.#secure = secure;
    this.#logger = logger;
    this.#client = this.#connect();
  }

  async next(signal: AbortSignal): Promise<URL> {
    while (this.#leader === undefined) await once(this.#changes, 'leader', { signal });
    return this.#leader;
  }

  onLeaderChange(listener: () => void): void {
    this.#changes.on('leader', listener);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#client.close();
    this.#changes.removeAllListeners();
  }

  #connect(): Client {
    const client = createSession({ servers: this.#servers, sessionTimeoutMs, againMs });
    client.on('connected', () => this.#look(client));
    // While ZooKeeper is out of reach the last known leader stands: it may lead on, and if not, it says so.
    client.on('disconnected', () => this.#logger.debug(`disconnected from ZooKeeper at ${this.#servers}`));
    client.on('expired', () => {
      if (this.#closed || client !== this.#client) return;
      // A session that ran out comes back no more; watches went with it.
      client.close();
      this.#client = this.#connect();
    });
    client.connect();
    return client;
  }

  /** Asks who leads, and is told when that changes. */
  #look(client: Client): void {
    if (this.#closed || client !== this.#client) return;
    const changed = () => this.#look(client);
    client.getChildren(this.#path, changed, (error, children) => {
      if (this.#closed || client !== this.#client) return;
      if (error) return this.#lookLater(client, messageOf(error));
      const node = leadingNode(children);
      if (node === undefined) return this.#become(undefined, 'no master is there');
      client.getData(`${this.#path}/${node}`, (failure, data) => {
        if (this.#closed || client !== this.#client) return;
        // Gone in between: the watch on the children has told, or will.
        if (failure) return this.#lookLater(client, messageOf(failure));
        try {
          this.#become(addressOf(data.toString('utf8'), this.#secure), node);
        } catch (problem) {
          this.#become(undefined, `${node} cannot be read: ${messageOf(problem)}`);
        }
      });
    });
  }

  #lookLater(client: Client, why: string): void {
    this.#logger.debug(`looking for the leader below ${this.#path}: ${why}`);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(client), againMs);
  }

  #become(leader: URL | undefined, why: string): void {
    if (leader?.href === this.#leader?.href) return;
    this.#leader = leader;
    this.#logger.info(
      leader === undefined
        ? `ZooKeeper knows no leading master (${why})`
        : `ZooKeeper says that ${leader.host} leads (${why})`,
    );
    if (leader !== undefined) this.#changes.emit('leader');
  }
}
