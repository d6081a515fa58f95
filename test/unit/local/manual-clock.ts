/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from '../../../framework/local/master/clock.js';

export class ManualClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #sequence = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const id = this.#sequence;
    this.#sequence += 1;
    this.#timers.set(id, { at: this.#now + ms, run });
    return { cancel: () => this.#timers.delete(id) };
  }

  /** Runs what falls due, in its order, also what that brings about. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers]
        .filter(([, timer]) => timer.at <= end)
        .sort(([idA, a], [idB, b]) => a.at - b.at || idA - idB);
      if (next === undefined) break;
      const [id, timer] = next;
      this.#timers.delete(id);
      this.#now = timer.at;
      timer.run();
    }
    this.#now = end;
  }
}
