/** The store's lock in etcd: a key on a lease that is renewed by calls of our own, and by whose creation writes are judged. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Etcd3, ICompare, IKeyValue } from 'etcd3';
import { CodedError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { answered, callDeadlineMs } from './etcd-client.js';

export interface LockOptions {
  readonly client: Etcd3;
  readonly key: string;
  /** Of the store, for messages. */
  readonly place: string;
  readonly logger: Logger;
  /** How long after its holder's last renewal the lock is free. */
  readonly ttlS: number;
  /** How long to stand by while another has it. */
  readonly standByMs: number;
  /** How long etcd may take to answer for the first time. */
  readonly answerWithinMs: number;
  /** Who takes it, in words for others. */
  readonly self: string;
  /** Called at each look that finds another holder. */
  readonly onStandingBy: (holder: string) => void;
  /** Ends the standing by. */
  readonly signal: AbortSignal;
}

const lookEveryMs = 500;
const sayAgainMs = 10 * 60_000;

export class EtcdLock {
  readonly #options: LockOptions;
  readonly #leaseId: string;
  /** Of no other lock before or after: what tells ours from a successor's. */
  readonly #createRevision: string;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();

  /**
   * Takes the lock, standing by while another has it.
   * @throws CodedError STORE_UNREACHABLE or STORE_REFUSED where etcd is not to be had at the start, STATE_LOCKED after `standByMs`,
   *   INTERRUPTED by the signal
   */
  static async take(options: LockOptions): Promise<EtcdLock> {
    const { place, logger, standByMs, answerWithinMs, signal } = options;
    const started = performance.now();
    const saidMs = new Map<string, number>();
    const say = (level: 'info' | 'warn', message: string): void => {
      if (performance.now() - (saidMs.get(message) ?? Number.NEGATIVE_INFINITY) < sayAgainMs) return;
      saidMs.set(message, performance.now());
      logger[level](message);
    };
    let hasAnswered = false;
    while (!signal.aborted) {
      try {
        const holder = await readHolder(options);
        hasAnswered = true;
        if (holder === undefined) {
          const lock = await EtcdLock.#tryToTake(options);
          if (lock !== undefined) return lock;
          continue;
        }
        if (performance.now() - started >= standByMs) {
          throw new CodedError('STATE_LOCKED', `another scheduler (${holder}) has ${place}: stop it first`);
        }
        options.onStandingBy(holder);
        say('info', `standing by: another scheduler (${holder}) has ${place}; taking over when it ends`);
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'STORE_UNREACHABLE') throw error;
        if (!hasAnswered && performance.now() - started >= answerWithinMs) throw error;
        say('warn', `${error.message}; trying again`);
      }
      await delay(lookEveryMs, undefined, { signal }).catch(() => {});
    }
    throw new CodedError('INTERRUPTED', `stopped while standing by for ${place}`);
  }

  static async #tryToTake(options: LockOptions): Promise<EtcdLock | undefined> {
    const { client, place, ttlS } = options;
    const key = Buffer.from(options.key);
    const { ID: lease } = await answered(place, () => client.leaseClient.leaseGrant({ TTL: ttlS }));
    try {
      const { succeeded, header, responses } = await answered(place, () =>
        client.kv.txn({
          compare: [{ result: 'Equal', target: 'Create', key, create_revision: 0 }],
          success: [{ request_put: { key, value: Buffer.from(options.self), lease } }],
          failure: [{ request_range: { key } }],
        }),
      );
      // The call is sent to another member when the first one's answer is lost: it may find what it did itself.
      const found = succeeded ? undefined : responses[0]?.response_range.kvs[0];
      if (succeeded || found?.lease === lease) {
        return new EtcdLock(options, lease, found?.create_revision ?? header.revision);
      }
    } catch (error) {
      await revoke(client, lease);
      throw error;
    }
    await revoke(client, lease);
    return undefined;
  }

  private constructor(options: LockOptions, leaseId: string, createRevision: string) {
    this.#options = options;
    this.#leaseId = leaseId;
    this.#createRevision = createRevision;
    void this.#keep();
  }

  /** For a transaction: true for as long as the lock was never another's nor nobody's since we took it. */
  get isHeld(): ICompare {
    return {
      result: 'Equal',
      target: 'Create',
      key: Buffer.from(this.#options.key),
      create_revision: this.#createRevision,
    };
  }

  /** Fires when the lock is found to be lost, with the reason. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Marks it as lost, once and for all; returns the error to throw. */
  lose(): CodedError {
    if (!this.#lost.signal.aborted) {
      const { place, ttlS } = this.#options;
      this.#lost.abort(
        new CodedError(
          'STORE_LOST',
          `the lock of ${place} is no longer this scheduler's, which did not renew it for ${ttlS} s: another may have taken over. Standing down; nothing was written`,
        ),
      );
    }
    return this.#lost.signal.reason as CodedError;
  }

  async release(): Promise<void> {
    this.#released.abort();
    if (!this.#lost.signal.aborted) await revoke(this.#options.client, this.#leaseId);
  }

  /**
   * Renews it until it is released or lost. Not by etcd3's own lease, which tells of a loss only after up to twice the TTL. While
   * etcd is away nothing is given up: what counts is what etcd says at the next write.
   */
  async #keep(): Promise<void> {
    const { place, ttlS, logger } = this.#options;
    const signal = AbortSignal.any([this.#released.signal, this.#lost.signal]);
    const everyMs = (ttlS * 1000) / 3;
    let isFailing = false;
    while (!signal.aborted) {
      await delay(isFailing ? Math.min(everyMs, 1_000) : everyMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        const isAlive = await answered(place, () => this.#renew(Math.min(everyMs, callDeadlineMs)));
        if (signal.aborted) return;
        if (!isAlive) return void this.lose();
        if (isFailing) logger.info(`the lock of ${place} is renewed again`);
        isFailing = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!isFailing) logger.warn(`the lock of ${place} cannot be renewed: ${messageOf(error)}`);
        isFailing = true;
        // A plain call makes etcd3 ask for a new token where the old one is no longer taken; a stream does not.
        await readHolder(this.#options).catch(() => {});
      }
    }
  }

  /** False when the lease is no more. */
  async #renew(withinMs: number): Promise<boolean> {
    const stream = await this.#options.client.leaseClient.leaseKeepAlive({ deadline: Date.now() + withinMs });
    try {
      return await new Promise<boolean>((resolve, reject) => {
        stream.on('data', (response) => resolve(response.TTL !== '0'));
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the keep-alive ended without an answer')));
        stream.write({ ID: this.#leaseId });
      });
    } finally {
      stream.end();
    }
  }
}

/** Who has the lock, in words; undefined when nobody has. */
async function readHolder({ client, key, place }: LockOptions): Promise<string | undefined> {
  const { kvs } = await answered(place, () => client.kv.range({ key: Buffer.from(key) }));
  const found: IKeyValue | undefined = kvs[0];
  return found?.value.toString('utf8');
}

/** Best effort: a lease that stays runs out. */
async function revoke(client: Etcd3, lease: string): Promise<void> {
  await client.leaseClient.leaseRevoke({ ID: lease }).catch(() => {});
}
