/**
 * Looks at the shared volume: whether it is there, and whether this generation is still the last. Jupyter runs only while the
 * last look is young. Who cannot see the volume cannot write to it either, nor see that another generation was founded.
 */
import { Alarm, bootClockMs } from './clock.js';
import { messageOf, NodeEnd } from './errors.js';
import { sightOf } from './generation.js';
import type { Log } from './log.js';
import { Looker } from './looker.js';
import { freshUntilMs, handsOverFromMs } from './sight.js';

/** A look takes a ms, and the first one the start of a process. */
const hangsAfterMs = 2000;

export class Looks {
  /** Called after each look that saw this generation's file. */
  onLook: () => void = () => {};

  readonly #looker = new Looker();
  readonly #limitMs: number;
  #lastStartedAtMs: number | undefined;
  #firstSeenAtMs: number | undefined;
  #trouble: string | undefined;
  #lookingSinceMs: number | undefined;
  #isDead = false;

  constructor(
    readonly generation: number,
    limitS: number,
    readonly log: Log,
  ) {
    this.#limitMs = limitS * 1000;
  }

  /** Age of the last look that counts. */
  get ageMs(): number | undefined {
    return this.#lastStartedAtMs === undefined ? undefined : bootClockMs() - this.#lastStartedAtMs;
  }

  /** Until when, on the boot clock, the last look lets Jupyter run. */
  get freshUntilMs(): number {
    return freshUntilMs(this.#lastStartedAtMs, this.#limitMs);
  }

  get fresh(): boolean {
    return bootClockMs() < this.freshUntilMs;
  }

  get isTooOldToHold(): boolean {
    return bootClockMs() >= handsOverFromMs(this.#lastStartedAtMs, this.#limitMs);
  }

  /** Whether a look goes on that should have been over long ago, or the last one came to nothing. */
  get hangs(): boolean {
    const sinceMs = this.#lookingSinceMs;
    return this.#trouble !== undefined || (sinceMs !== undefined && bootClockMs() - sinceMs >= hangsAfterMs);
  }

  /** For how long this generation's file is known to have been there. */
  get seenForMs(): number | undefined {
    return this.#firstSeenAtMs === undefined ? undefined : bootClockMs() - this.#firstSeenAtMs;
  }

  /** What the last look that failed came upon, if the volume has not been seen since. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** What the last look said, where it found the mount dead. */
  get deadMount(): string | undefined {
    return this.#isDead ? (this.#trouble ?? 'the mount is dead') : undefined;
  }

  /** @throws NodeEnd `generationPast` when another generation was founded after this one. */
  async run(signal: AbortSignal): Promise<void> {
    const everyMs = Math.min(3000, this.#limitMs / 10);
    const pause = new Alarm();
    try {
      while (!signal.aborted) {
        await this.#look();
        await pause.wait(everyMs, signal);
      }
    } finally {
      this.#looker.stop();
    }
  }

  async #look(): Promise<void> {
    const startedAtMs = bootClockMs();
    this.#lookingSinceMs = startedAtMs;
    try {
      // One that hangs is given up while there is time for others: it may be stuck where they are not.
      const { names, writesBehind, isDead, error } = await this.#looker.look(this.#limitMs / 3);
      this.#isDead = isDead;
      if (isDead) throw new Error("the mount is dead: the host's process that served it has ended");
      if (error !== undefined) throw new Error(error);
      const sight = sightOf(names, this.generation);
      if (sight.kind === 'past') {
        throw new NodeEnd(
          'generationPast',
          `generation ${sight.higher} was founded: this task is of generation ${this.generation}, which is past`,
        );
      }
      if (sight.kind === 'nothing') throw new Error(sight.why);
      // Seen, yet of no use to a holder: what it writes could land after its end.
      if (writesBehind) {
        throw new Error(
          "GlusterFS' write-behind is on: turn it off with gluster volume set VOLUME performance.write-behind off",
        );
      }
      if (this.#trouble !== undefined) this.log.info('the shared volume is seen again');
      this.#trouble = undefined;
      this.#lastStartedAtMs = startedAtMs;
      this.#firstSeenAtMs ??= bootClockMs();
    } catch (error) {
      if (error instanceof NodeEnd) throw error;
      const trouble = messageOf(error);
      if (trouble !== this.#trouble) this.log.warn(`no sight of the shared volume: ${trouble}`);
      this.#trouble = trouble;
      return;
    } finally {
      this.#lookingSinceMs = undefined;
    }
    this.onLook();
  }
}
