/** The store in an etcd outside the managed cluster: for schedulers on several machines, of which one at a time works. */
import type { Etcd3, IKeyValue } from 'etcd3';
import type { ClusterRecord } from '../cluster/model.js';
import type { CodedError } from '../errors.js';
import type { Logger } from '../log.js';
import { answered, connectEtcd, type EtcdAccess } from './etcd-client.js';
import { EtcdLock } from './etcd-lock.js';
import { newKeyPem, readKey, type SchedulerKey } from './key-pair.js';
import { readRecord, writeRecord } from './record-format.js';
import type { Store } from './store.js';

export interface EtcdStoreOptions extends EtcdAccess {
  /** What all keys begin with, without a slash at its end. */
  readonly prefix: string;
  readonly logger: Logger;
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
  const place = `etcd://${options.endpoints.join(',')}${options.prefix}`;
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
