/** Tells node agents what the core wants them told: beside everything else, tried for a short while, and never waited for. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlCall } from '../../executor-image/contract.js';
import type { Pause, Recipient } from '../cluster/model.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Answer, ControlClient } from './client.js';

/** After these times a call that did not arrive is sent again. By the last, leases have run out by themselves. */
const againAfterMs = [200, 500, 1000, 2000];
/** Nodes that have not heard of a pause, or of its end, are told again by the core, when they say so. */
const pauseAgainAfterMs = [500, 1000];
/** A node agent that starts listens within seconds; one that is never reached is not asked for ever. */
const greetAgainAfterMs = [500, 1000, 2000, 5000, 10_000, 20_000];

export interface MessengerOptions {
  readonly client: Pick<ControlClient, 'call'>;
  readonly logger: Logger;
  /** The cluster's CA, as the record has it now. */
  readonly ca: () => string | undefined;
  readonly onCaShown: (ca: string) => void;
  /** The pause that there is now. */
  readonly pause: () => Pause | undefined;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

export class Messenger {
  readonly #options: MessengerOptions;
  /** Addresses that are being greeted. */
  readonly #greeting = new Set<string>();
  /** Addresses that are being told of a pause, or of its end. */
  readonly #telling = new Set<string>();

  constructor(options: MessengerOptions) {
    this.#options = options;
  }

  /** Rule 11. The survivors are told at once, each for itself: whichever hears of it first ends the leases. */
  async tellDeath(deadTaskId: string, survivors: readonly Recipient[]): Promise<void> {
    await Promise.all(
      survivors.map(({ taskId, address }) =>
        this.#send(address, { call: 'revokeLeases', taskId, deadTaskId }, againAfterMs),
      ),
    );
  }

  async greet({ taskId, address }: Recipient): Promise<void> {
    if (this.#greeting.has(address)) return;
    this.#greeting.add(address);
    const isMoot = (): boolean => this.#options.ca() !== undefined;
    await this.#send(address, { call: 'hello', taskId }, greetAgainAfterMs, isMoot);
    this.#greeting.delete(address);
  }

  /** Each for itself: one that is heard writes it down for all. What was overtaken by the next order is told no more. */
  async tellPause(paused: Pause | undefined, nodes: readonly Recipient[]): Promise<void> {
    const isMoot = (): boolean => this.#options.pause()?.since !== paused?.since;
    await Promise.all(
      nodes.map(async ({ taskId, address }) => {
        const what = `${address} ${paused?.since}`;
        if (this.#telling.has(what)) return;
        this.#telling.add(what);
        const call: ControlCall =
          paused === undefined ? { call: 'resume', taskId } : { call: 'pause', taskId, ...paused };
        await this.#send(address, call, pauseAgainAfterMs, isMoot);
        this.#telling.delete(what);
      }),
    );
  }

  /**
   * An operator's order, told once.
   * @throws when no answer comes
   */
  async handOver({ taskId, address }: Recipient, to: number | undefined): Promise<Answer> {
    const { client, onCaShown } = this.#options;
    const call: ControlCall = { call: 'handOver', taskId, ...(to === undefined ? {} : { to }) };
    const answer = await client.call(address, call, this.#options.ca());
    if (answer.ca !== undefined) onCaShown(answer.ca);
    return answer;
  }

  /** Never rejects. */
  async #send(
    address: string,
    call: ControlCall,
    waitsMs: readonly number[],
    isMoot = (): boolean => false,
  ): Promise<void> {
    const { client, logger, signal } = this.#options;
    for (const waitMs of [...waitsMs, undefined]) {
      if (signal.aborted || isMoot()) return;
      try {
        const answer = await client.call(address, call, this.#options.ca());
        if (answer.status === 200) {
          if (answer.ca !== undefined) this.#options.onCaShown(answer.ca);
          logger.debug(`${address}: ${call.call}: ${answer.text}`);
          return;
        }
        // With 409 the task is one that has just been followed by another: nothing is wrong.
        const level = answer.status === 409 || mayPass(answer) ? 'debug' : 'warn';
        logger[level](`the node agent at ${address} refuses ${call.call} (${answer.status}): ${answer.text}`);
        if (!mayPass(answer)) return;
      } catch (error) {
        logger.debug(`${address}: ${call.call}: ${messageOf(error)}`);
        if (isDistrusted(error)) {
          logger.warn(
            `the node agent at ${address} shows a certificate of another CA than the one that this cluster began with (${messageOf(error)}): it is told nothing. See docs/security.md for how a CA is changed`,
          );
          return;
        }
      }
      if (waitMs !== undefined) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** etcd has no leader yet. */
const mayPass = ({ status }: Answer): boolean => status === 503;

function isDistrusted(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_)/.test(code);
}
