/** Who lives and who holds the notebook, as etcd has it; kept up to date by a watch. */
import type { Watcher } from 'etcd3';
import { Alarm } from './clock.js';
import { messageOf } from './errors.js';
import type { EtcdMember } from './etcd/member.js';
import { type Intents, noIntents, withIntent } from './intents.js';
import type { Log } from './log.js';

/** What a node says of itself in its heartbeat, and the holder in the notebook key. */
export interface NodeRecord {
  readonly node: number;
  readonly address: string;
  readonly taskId: string;
  readonly incarnation: number;
}

export interface ClusterView {
  /** Nodes with a live heartbeat, in order of address. */
  readonly live: readonly NodeRecord[];
  readonly holder?: NodeRecord;
  /** The node that has the lock to leave. */
  readonly leaver?: NodeRecord;
  /** Whether earlier generations are fenced off: nobody may take the notebook before. */
  readonly fenced: boolean;
  /** What is to become of the notebook. */
  readonly intents: Intents;
  /** Whether the operator has the cluster paused. */
  readonly isPaused: boolean;
  /** The task that took the notebook last, whether it has it or not. */
  readonly lastHolderTaskId?: string;
}

export const keys = {
  /** Padded, so that `etcdctl get --prefix /nodes/` lists the living in order. */
  heartbeat: (node: number) => `/nodes/${String(node).padStart(2, '0')}`,
  heartbeats: '/nodes/',
  notebook: '/notebook',
  fenced: '/fenced',
  leaver: '/leaver',
  paused: '/paused',
  /** Who took the notebook last; written with the notebook key, and on no lease. */
  lastHolder: '/last-holder',
  /** The newest incarnation of a node that has set out to join: older ones that come back find it, and end. */
  incarnation: (node: number) => `/incarnations/${String(node).padStart(2, '0')}`,
} as const;

/** Also without any event: somebody else may have written /etc/hosts, as Docker does when a network is connected. */
const readEveryMs = 30_000;
/** After a reading that failed, for want of a leader most likely, and before the first. */
const tryEveryMs = 500;

export function parseRecord(text: string): NodeRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { node, address, taskId, incarnation } = value as Record<string, unknown>;
    return typeof node === 'number' &&
      typeof incarnation === 'number' &&
      typeof taskId === 'string' &&
      typeof address === 'string' &&
      /^\d+(\.\d+){3}$/.test(address)
      ? { node, address, taskId, incarnation }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Orders IPv4 addresses by number, not by letter. */
export function compareAddresses(a: string, b: string): number {
  const number = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return number(a) - number(b);
}

interface Watch {
  readonly watcher: Watcher;
  readonly close: () => void;
}

export class Directory {
  /** What was last read; undefined until the first time. */
  view: ClusterView | undefined;
  /** Called after each reading, with whether `view` is another. */
  onRead: (view: ClusterView, changed: boolean) => void = () => {};

  readonly #changed = new Alarm();
  /** etcd's revision at the last reading. */
  #revision = '';

  constructor(
    readonly etcd: EtcdMember,
    readonly log: Log,
  ) {}

  /** Reads again, now. */
  nudge(): void {
    this.#changed.ring();
  }

  /** The revision that the own member has; another than at the last reading means that the watch has missed something. */
  heard(revision: string): void {
    if (this.#revision !== '' && revision !== this.#revision) this.nudge();
  }

  async run(signal: AbortSignal): Promise<void> {
    let watch: Watch | undefined;
    while (!signal.aborted) {
      let waitMs = readEveryMs;
      try {
        if (!this.etcd.serves) throw new Error('there is no leader');
        watch ??= await this.#watch(() => {
          watch?.close();
          watch = undefined;
        });
        await this.#read();
      } catch (error) {
        this.log.debug(`the cluster's keys cannot be read now: ${messageOf(error)}`);
        waitMs = tryEveryMs;
      }
      await this.#changed.wait(waitMs, signal);
    }
    await watch?.watcher.cancel().catch(() => undefined);
    watch?.close();
  }

  /** By a client of its own: etcd3 ends all streams of a client when one of its calls fails. */
  async #watch(onDeath: () => void): Promise<Watch> {
    const client = this.etcd.connect();
    const close = () => client.close();
    try {
      const watcher = await client.watch().inRange({ start: '/', end: '0' }).create();
      watcher.on('data', () => this.#changed.ring());
      watcher.on('error', (error) => {
        this.log.debug(`the watch has ended: ${error.message}`);
        onDeath();
      });
      return { watcher, close };
    } catch (error) {
      close();
      throw error;
    }
  }

  async #read(): Promise<void> {
    const answer = await this.etcd.client.kv.range({ key: Buffer.from('/'), range_end: Buffer.from('0') });
    this.#revision = answer.header.revision;
    const live: NodeRecord[] = [];
    let holder: NodeRecord | undefined;
    let leaver: NodeRecord | undefined;
    let lastHolder: NodeRecord | undefined;
    let fenced = false;
    let isPaused = false;
    let intents = noIntents;
    for (const { key, value } of answer.kvs) {
      intents = withIntent(intents, key.toString(), value.toString());
      if (key.toString() === keys.fenced) fenced = true;
      if (key.toString() === keys.paused) isPaused = true;
      const record = parseRecord(value.toString());
      if (record === undefined) continue;
      if (key.toString() === keys.notebook) holder = record;
      else if (key.toString() === keys.leaver) leaver = record;
      else if (key.toString() === keys.lastHolder) lastHolder = record;
      else if (key.toString().startsWith(keys.heartbeats)) live.push(record);
    }
    live.sort((a, b) => compareAddresses(a.address, b.address));
    const view: ClusterView = {
      live,
      ...(holder === undefined ? {} : { holder }),
      ...(leaver === undefined ? {} : { leaver }),
      fenced,
      intents,
      isPaused,
      ...(lastHolder === undefined ? {} : { lastHolderTaskId: lastHolder.taskId }),
    };
    const changed = JSON.stringify(view) !== JSON.stringify(this.view);
    this.view = view;
    this.onRead(view, changed);
  }
}
