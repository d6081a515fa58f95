/**
 * Status updates on their way to the framework: of one task one at a time, sent again after 10 s, doubling to 10 min, until it
 * is acknowledged; then the next (FACTS, scheduler API 6 and real master 4).
 */
import type { Clock, Timer } from '../master/clock.js';
import type { HostUpdate } from '../master/link.js';

const firstRetryMs = 10_000;
const longestRetryMs = 600_000;

interface Stream {
  readonly pending: HostUpdate[];
  retry: Timer;
}

const noTimer: Timer = { cancel: () => {} };

export class UpdateQueue {
  readonly #streams = new Map<string, Stream>();
  readonly #clock: Clock;
  readonly #send: (update: HostUpdate) => void;

  constructor(clock: Clock, send: (update: HostUpdate) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(update: HostUpdate): void {
    const key = keyOf(update.frameworkId, update.status.task_id.value);
    const stream = this.#streams.get(key) ?? { pending: [], retry: noTimer };
    this.#streams.set(key, stream);
    stream.pending.push(update);
    if (stream.pending.length === 1) this.#sendFirst(stream, firstRetryMs);
  }

  /** The update that this acknowledges; undefined where it is not the one that waits. */
  acknowledge(frameworkId: string, taskId: string, uuid: string): HostUpdate | undefined {
    const key = keyOf(frameworkId, taskId);
    const stream = this.#streams.get(key);
    const first = stream?.pending[0];
    if (stream === undefined || first?.status.uuid !== uuid) return undefined;
    stream.pending.shift();
    stream.retry.cancel();
    if (stream.pending.length > 0) this.#sendFirst(stream, firstRetryMs);
    else this.#streams.delete(key);
    return first;
  }

  /** Sends again what waits, at once: the framework, or the master, is back (10, 13). */
  resume(frameworkId?: string): void {
    for (const stream of this.#streams.values()) {
      if (frameworkId === undefined || stream.pending[0]?.frameworkId === frameworkId)
        this.#sendFirst(stream, firstRetryMs);
    }
  }

  /** The framework is removed: nobody will acknowledge any more. */
  forget(frameworkId: string): void {
    for (const [key, stream] of this.#streams) {
      if (stream.pending[0]?.frameworkId !== frameworkId) continue;
      stream.retry.cancel();
      this.#streams.delete(key);
    }
  }

  stop(): void {
    for (const stream of this.#streams.values()) stream.retry.cancel();
    this.#streams.clear();
  }

  #sendFirst(stream: Stream, retryMs: number): void {
    const first = stream.pending[0];
    if (first === undefined) return;
    stream.retry.cancel();
    stream.retry = this.#clock.after(retryMs, () =>
      this.#sendFirst(stream, Math.min(retryMs * 2, longestRetryMs)),
    );
    // The state by now: what waits behind may be the end already.
    this.#send({ ...first, latestState: stream.pending.at(-1)?.status.state ?? first.status.state });
  }
}

const keyOf = (frameworkId: string, taskId: string): string => JSON.stringify([frameworkId, taskId]);
