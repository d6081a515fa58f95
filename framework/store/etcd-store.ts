/** The store in an etcd outside the managed cluster: for schedulers on several machines, of which one at a time works. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Etcd3, IKeyValue } from 'etcd3';
import type { ClusterRecord } from '../cluster/model.js';
import type { CodedError } from '../errors.js';
import type { Logger } from '../log.js';
import { answered, connectEtcd, type EtcdAccess } from './etcd-client.js';
import { EtcdLock } from './etcd-lock.js';
import { newKeyPem, readKey, type SchedulerKey } from './key-pair.js';
import { answersKeptS, type GivenOrder, type OrderAnswer, readAnswer, readOrder } from './orders.js';
import { readRecord, writeRecord } from './record-format.js';
import type { OrderBook, Store, StoreView } from './store.js';

/** An etcd, and which of its keys. */
export interface EtcdPlace extends EtcdAccess {
  /** What all keys begin with, without a slash at its end. */
  readonly prefix: string;
}

export interface EtcdStoreOptions extends EtcdPlace {
  readonly logger: Logger;
  /** The host to name to those that stand by for us. Default: this machine's name. */
  readonly host?: string | undefined;
  /** Called again and again while another scheduler has the lock, with who that is. */
  readonly onStandingBy?: (holder: string) => void;
  /** Ends the standing by for the lock. */
  readonly signal?: AbortSignal;
  /** How long to stand by while another scheduler has the store. Default: for ever. In milliseconds. */
  readonly standByMs?: number;
  /** How long after its holder died the store is free; etcd allows no less than 2. Default 15, in seconds. */
  readonly lockTtlS?: number;
  /** How long etcd may take to answer for the first time. Default 15 000, in milliseconds. */
  readonly answerWithinMs?: number;
}

export const lockTtlDefaultS = 15;

/**
 * Opens the store: resolves when its lock is ours.
 * @throws CodedError STORE_UNREACHABLE or STORE_REFUSED where etcd cannot be used, STATE_LOCKED while another scheduler has it for
 *   longer than `standByMs`, STATE_CORRUPT or STATE_NEWER for a record that cannot be read, which is left as it is
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const place = nameOf(options);
  const client = connectEtcd(options);
  let lock: EtcdLock | undefined;
  try {
    lock = await EtcdLock.take({
      client,
      key: `${options.prefix}/lock`,
      place,
      logger: options.logger,
      ttlS: options.lockTtlS ?? lockTtlDefaultS,
      standByMs: options.standByMs ?? Number.POSITIVE_INFINITY,
      answerWithinMs: options.answerWithinMs ?? 15_000,
      self: `${options.host ?? hostname()}, process ${process.pid}`,
      onStandingBy: options.onStandingBy ?? (() => {}),
      signal: options.signal ?? new AbortController().signal,
    });
    const store = new EtcdStore(client, lock, place, options.prefix);
    // Found out now: a record that cannot be read is no reason to register another framework.
    await store.load();
    return store;
  } catch (error) {
    await lock?.release();
    client.close();
    throw error;
  }
}

const nameOf = ({ endpoints, prefix }: EtcdPlace): string => `etcd://${endpoints.join(',')}${prefix}`;

/** How long the key lasts that shows whether the store can be written, where its deletion fails. */
const probeTtlS = 10;

/**
 * Looks at the store from beside it, and writes a key of no meaning to see whether that can be done.
 * @throws CodedError STORE_UNREACHABLE, STORE_REFUSED, STATE_CORRUPT or STATE_NEWER
 */
export async function inspectEtcdStore(place: EtcdPlace): Promise<StoreView> {
  const name = nameOf(place);
  const client = connectEtcd(place);
  const key = (last: string) => Buffer.from(`${place.prefix}/${last}`);
  try {
    const { responses } = await answered(name, () =>
      client.kv.txn({
        success: ['record', 'lock'].map((last) => ({ request_range: { key: key(last) } })),
      }),
    );
    const [record, holder] = responses.map((each) => each.response_range.kvs[0]?.value.toString('utf8'));
    const { ID: lease } = await answered(name, () => client.leaseClient.leaseGrant({ TTL: probeTtlS }));
    try {
      await answered(name, () =>
        client.kv.put({ key: key(`probe-${randomUUID()}`), value: Buffer.alloc(0), lease }),
      );
    } finally {
      await client.leaseClient.leaseRevoke({ ID: lease }).catch(() => {});
    }
    return {
      place: name,
      record: record === undefined ? undefined : readRecord(record, `${name}/record`),
      holder,
    };
  } finally {
    client.close();
  }
}

/** For the operator, beside whoever has the lock: an order is a key of its own, and so is its answer. */
export function openEtcdOrders(options: EtcdPlace): OrderBook {
  const place = nameOf(options);
  const client = connectEtcd(options);
  const at = (name: string) => `${options.prefix}/${name}`;
  const read = (name: string) => answered(place, () => client.get(at(name)).string());
  return {
    place,
    record: async () => {
      const text = await read('record');
      return text === null ? undefined : readRecord(text, `${place}/record`);
    },
    holder: async () => (await read('lock')) ?? undefined,
    give: async (id, order) => {
      await answered(place, () =>
        client
          .put(at(orders + id))
          .value(JSON.stringify(order))
          .exec(),
      );
    },
    answerTo: async (id) => {
      const text = await read(answers + id);
      return text === null ? undefined : readAnswer(text);
    },
    withdraw: async (id) => {
      for (const name of [orders, answers]) {
        await answered(place, () =>
          client
            .delete()
            .key(at(name + id))
            .exec(),
        );
      }
    },
    close: () => client.close(),
  };
}

/** What the keys of orders and of their answers begin with, after the prefix. */
const orders = 'orders/';
const answers = 'answers/';

class EtcdStore implements Store {
  readonly place: string;
  readonly #client: Etcd3;
  readonly #lock: EtcdLock;
  readonly #prefix: string;

  constructor(client: Etcd3, lock: EtcdLock, place: string, prefix: string) {
    this.#client = client;
    this.#lock = lock;
    this.place = place;
    this.#prefix = prefix;
  }

  get lost(): AbortSignal {
    return this.#lock.lost;
  }

  async load(): Promise<ClusterRecord | undefined> {
    const text = await this.#read('record');
    return text === undefined ? undefined : readRecord(text, `${this.place}/record`);
  }

  async save(record: ClusterRecord): Promise<void> {
    await this.#write('record', writeRecord(record));
  }

  async keyPair(): Promise<SchedulerKey> {
    const kept = await this.#read('key');
    const pem = kept ?? newKeyPem();
    if (kept === undefined) await this.#write('key', pem);
    return readKey(pem, `${this.place}/key`);
  }

  /** etcd lists keys in order, and so the orders by their ids. */
  async orders(): Promise<readonly GivenOrder[]> {
    const from = `${this.#prefix}/${orders}`;
    const found = await answered(this.place, () => this.#client.getAll().prefix(from).strings());
    return Object.entries(found).map(([key, text]) => readOrder(key.slice(from.length), text));
  }

  async answerOrder(id: string, answer: OrderAnswer): Promise<void> {
    this.#refuseLost();
    const { ID: lease } = await answered(this.place, () =>
      this.#client.leaseClient.leaseGrant({ TTL: answersKeptS }),
    );
    const value = Buffer.from(JSON.stringify(answer));
    const { succeeded } = await answered(this.place, () =>
      this.#client.kv.txn({
        compare: [this.#lock.isHeld],
        success: [
          { request_put: { key: this.#key(answers + id), value, lease } },
          { request_delete_range: { key: this.#key(orders + id) } },
        ],
      }),
    );
    if (!succeeded) throw this.#lock.lose();
  }

  async close(): Promise<void> {
    await this.#lock.release();
    this.#client.close();
  }

  async #read(name: string): Promise<string | undefined> {
    this.#refuseLost();
    const { succeeded, responses } = await answered(this.place, () =>
      this.#client.kv.txn({
        compare: [this.#lock.isHeld],
        success: [{ request_range: { key: this.#key(name) } }],
      }),
    );
    if (!succeeded) throw this.#lock.lose();
    const found: IKeyValue | undefined = responses[0]?.response_range.kvs[0];
    return found?.value.toString('utf8');
  }

  /** etcd answers once a majority of its members has it on disk. Repeating it does no harm. */
  async #write(name: string, text: string): Promise<void> {
    this.#refuseLost();
    const { succeeded } = await answered(this.place, () =>
      this.#client.kv.txn({
        compare: [this.#lock.isHeld],
        success: [{ request_put: { key: this.#key(name), value: Buffer.from(text) } }],
      }),
    );
    if (!succeeded) throw this.#lock.lose();
  }

  #refuseLost(): void {
    if (this.lost.aborted) throw this.lost.reason as CodedError;
  }

  #key(name: string): Buffer {
    return Buffer.from(`${this.#prefix}/${name}`);
  }
}
