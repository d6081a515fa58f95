/** Keeps one subscription to the leading master, for as long as it is told to; events come out, calls go in. */
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { MesosCalls } from './calls.js';
import type { MasterDetector } from './detector.js';
import { redirectedTo } from './operator-client.js';
import type { Event, FrameworkInfo } from './schema/codec.js';
import { SubscriptionRefused, subscribe } from './subscription.js';
import { type Transport, tlsAdvice } from './transport.js';

/** Where the driver is; every change is logged with its reason. */
export type Connection =
  | { readonly state: 'disconnected' }
  | { readonly state: 'detecting' }
  | { readonly state: 'connecting'; readonly master: string }
  | { readonly state: 'subscribed'; readonly master: string; readonly calls: MesosCalls }
  | { readonly state: 'backingOff'; readonly forMs: number; readonly reason: string };

/** One sentence, for people. */
export function describeConnection(connection: Connection): string {
  switch (connection.state) {
    case 'disconnected':
      return 'not connected to a master';
    case 'detecting':
      return 'looking for the leading master';
    case 'connecting':
      return `subscribing at ${connection.master}`;
    case 'subscribed':
      return `subscribed at ${connection.master}`;
    case 'backingOff':
      return `${connection.reason}; trying again`;
  }
}

export interface DriverOptions {
  readonly detector: MasterDetector;
  readonly transport: Transport;
  /** Without the id, which is passed to `run`. */
  readonly frameworkInfo: Omit<FrameworkInfo, 'id'>;
  /** How long the first subscription may take; after it, the driver tries for ever. In milliseconds. */
  readonly firstTimeoutMs: number;
  readonly logger: Logger;
  readonly onEvent: (event: Event) => void;
  readonly onDisconnected: () => void;
  /** A call may not have reached the master. */
  readonly onCallFailed: () => void;
  /** Between 0 and 1. */
  readonly random: () => number;
  /**
   * Awaited before every SUBSCRIBE, which cuts off whoever else is subscribed with the framework id. What it throws ends the
   * driver if it is a CodedError, and this attempt otherwise.
   */
  readonly beforeSubscribe?: () => Promise<void>;
}

/** Between attempts: doubled from the first to the longest, each cut by up to half at random. */
const backoffFirstMs = 500;
const backoffLongestMs = 15_000;
/** Redirections followed in a row: two masters that name each other must not make a loop. */
const mostRedirections = 3;

export class MesosDriver {
  readonly #options: DriverOptions;
  readonly #stopped = new AbortController();
  #connection: Connection = { state: 'disconnected' };
  /** Ends the present stream, so that the next is opened. */
  #stream = new AbortController();
  #everSubscribed = false;
  #subscribedInThisAttempt = false;
  #frameworkId: string | undefined;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** The present subscription's calls; undefined while there is none. */
  get calls(): MesosCalls | undefined {
    return this.#connection.state === 'subscribed' ? this.#connection.calls : undefined;
  }

  /**
   * Runs until `stop`.
   * @param frameworkId of an earlier subscription
   * @throws CodedError when going on makes no sense: refused, taken over, never reached
   */
  async run(frameworkId: string | undefined): Promise<void> {
    const { detector, logger, firstTimeoutMs, random } = this.#options;
    const started = performance.now();
    const untilFirst = (): number => Math.max(0, started + firstTimeoutMs - performance.now());
    this.#frameworkId = frameworkId;
    let removedOnce = false;
    let attempt = 0;
    detector.onLeaderChange(() => this.#stream.abort(new Error('another master leads now')));
    while (!this.#stopped.signal.aborted) {
      this.#connection = { state: 'detecting' };
      const master = await this.#detect(this.#everSubscribed ? undefined : untilFirst());
      if (this.#stopped.signal.aborted) return;
      const end: StreamEnd =
        master === undefined
          ? { reason: `${detector.description} names no leading master`, removed: false }
          : await this.#subscribeOnce(master);
      if (this.#stopped.signal.aborted) return;
      if (this.#subscribedInThisAttempt) attempt = 0;
      if (end.removed) {
        if (removedOnce) {
          throw new CodedError('FRAMEWORK_REMOVED', `the master removed the framework twice: ${end.reason}`);
        }
        removedOnce = true;
        logger.warn(
          `Mesos has removed framework ${this.#frameworkId}: its failover timeout passed, or it was torn down. Registering as a new one`,
        );
        this.#frameworkId = undefined;
        continue;
      }
      if (!this.#everSubscribed && untilFirst() === 0) {
        throw new CodedError(
          'MASTER_UNREACHABLE',
          `no leading Mesos master was found at ${detector.description} within ${firstTimeoutMs / 1000} s; last: ${end.reason}. Check the address, and that the master runs`,
        );
      }
      const most = Math.min(backoffLongestMs, backoffFirstMs * 2 ** Math.min(attempt, 10));
      attempt += 1;
      const forMs = Math.round(most * (1 - random() / 2));
      this.#enter(
        { state: 'backingOff', forMs, reason: end.reason },
        `${end.reason}; trying again in ${forMs} ms`,
      );
      await delay(forMs, undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }

  /** Leaves the master without a word: tasks run on. */
  stop(): void {
    this.#stopped.abort();
    this.#stream.abort();
    this.#options.detector.close();
  }

  /** The master to try; undefined when none was found within `timeoutMs`, or when stopped. */
  async #detect(timeoutMs: number | undefined): Promise<URL | undefined> {
    const signals = [this.#stopped.signal];
    if (timeoutMs !== undefined) signals.push(AbortSignal.timeout(Math.ceil(timeoutMs)));
    const signal = AbortSignal.any(signals);
    try {
      return await this.#options.detector.next(signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  /** One stream from its beginning to its end, redirections included. */
  async #subscribeOnce(first: URL): Promise<StreamEnd> {
    this.#subscribedInThisAttempt = false;
    let master = first;
    for (let hop = 0; ; hop++) {
      try {
        return await this.#follow(master);
      } catch (error) {
        const leader = leaderOf(error, master);
        if (leader === undefined || hop >= mostRedirections) return this.#failure(error, master);
        this.#options.logger.info(`${master.host} says that ${leader.host} leads`);
        master = leader;
      } finally {
        this.#leave();
      }
    }
  }

  async #follow(master: URL): Promise<StreamEnd> {
    const { frameworkInfo, transport, onEvent } = this.#options;
    this.#stream = new AbortController();
    await this.#options.beforeSubscribe?.();
    this.#enter({ state: 'connecting', master: master.host }, `subscribing at ${master.host}`);
    const { streamId, events } = await subscribe({
      master,
      transport,
      frameworkInfo: {
        ...frameworkInfo,
        ...(this.#frameworkId !== undefined && { id: { value: this.#frameworkId } }),
      },
      signal: AbortSignal.any([this.#stopped.signal, this.#stream.signal]),
    });
    for await (const event of events) {
      if (event.type === 'SUBSCRIBED') {
        this.#subscribed(master, event.subscribed.framework_id.value, streamId);
      }
      if (event.type === 'ERROR') return errorEnd(event.error.message, this.#frameworkId);
      onEvent(event);
    }
    return { reason: `the master at ${master.host} ended the stream`, removed: false };
  }

  #subscribed(master: URL, frameworkId: string, streamId: string): void {
    const { frameworkInfo, transport, logger, onCallFailed } = this.#options;
    const calls = new MesosCalls({
      master,
      transport,
      frameworkName: frameworkInfo.name,
      frameworkId,
      streamId,
      logger,
      onFailure: ({ status, message }) => {
        if (isStale(status, message))
          this.#stream.abort(new Error(`this subscription is stale (${message})`));
        else onCallFailed();
      },
    });
    // Kept from the moment on: a stream that breaks must not make us another framework.
    this.#frameworkId = frameworkId;
    this.#everSubscribed = true;
    this.#subscribedInThisAttempt = true;
    this.#enter(
      { state: 'subscribed', master: master.host, calls },
      `subscribed at ${master.host} as framework ${frameworkId}`,
    );
  }

  #leave(): void {
    if (this.#connection.state === 'subscribed') {
      this.#connection.calls.close();
      this.#options.onDisconnected();
    }
    this.#connection = { state: 'disconnected' };
  }

  #enter(connection: Connection, reason: string): void {
    this.#connection = connection;
    this.#options.logger.info(reason);
  }

  /** A break is a reason to try again; a refusal is not. */
  #failure(error: unknown, master: URL): StreamEnd {
    if (error instanceof CodedError) throw error;
    if (error instanceof SubscriptionRefused && isRefusal(error.status)) {
      throw new CodedError(
        'MASTER_REFUSED',
        `the master at ${master.host} refused the subscription: ${error.message}`,
      );
    }
    // What ended the stream on our side says more than how the connection broke.
    const cause: unknown = this.#stream.signal.aborted ? this.#stream.signal.reason : error;
    const advice = this.#subscribedInThisAttempt ? undefined : tlsAdvice(cause, master);
    return {
      reason: `${master.host}: ${messageOf(cause)}${advice === undefined ? '' : `: ${advice}`}`,
      removed: false,
    };
  }
}

interface StreamEnd {
  readonly reason: string;
  /** The master knows the id no more. */
  readonly removed: boolean;
}

/** What the master's ERROR means (FACTS, real master 9 and 16). It has no code: its words decide. */
function errorEnd(message: string, frameworkId: string | undefined): StreamEnd {
  if (/has been removed/i.test(message)) return { reason: message, removed: true };
  if (/failed over/i.test(message)) {
    throw new CodedError(
      'TAKEN_OVER',
      `another scheduler subscribed as framework ${frameworkId ?? ''}: standing down ("${message}")`,
    );
  }
  throw new CodedError('MASTER_REFUSED', `the master ended the subscription: ${message}`);
}

/** Answers that would be the same the next time; a conflict, or too many requests, pass. */
const isRefusal = (status: number): boolean =>
  status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429;

/** A call's answer that says that this stream is no longer the framework's, or this master no longer the leader. */
const isStale = (status: number | undefined, message: string): boolean =>
  status === 307 ||
  status === 403 ||
  status === 503 ||
  (status === 400 && /stream ID|Framework cannot be found/i.test(message));

/** Where a 307 points to; its path is not the one to use. */
const leaderOf = (error: unknown, asked: URL): URL | undefined =>
  error instanceof SubscriptionRefused && error.status === 307
    ? redirectedTo(error.location, asked)
    : undefined;
