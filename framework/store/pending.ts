/** What the store was asked for and has not answered yet: a store that hangs is told from one that fails by this alone. */
import type { Store } from './store.js';

export class PendingOperations {
  /** In order of their beginning. */
  readonly #pending = new Set<{ readonly what: string; readonly sinceMs: number }>();

  /** Runs `work`, which counts as pending until it settles. */
  async during<T>(what: string, work: () => Promise<T>): Promise<T> {
    const operation = { what, sinceMs: performance.now() };
    this.#pending.add(operation);
    try {
      return await work();
    } finally {
      this.#pending.delete(operation);
    }
  }

  /** The one that has been pending for longest. */
  oldest(): { readonly what: string; readonly forMs: number } | undefined {
    for (const { what, sinceMs } of this.#pending) return { what, forMs: performance.now() - sinceMs };
    return undefined;
  }
}

/** The same store, its operations counted. */
export function watched(store: Store, pending: PendingOperations): Store {
  return {
    place: store.place,
    lost: store.lost,
    load: () => pending.during(`reading ${store.place}`, () => store.load()),
    save: (record) => pending.during(`writing ${store.place}`, () => store.save(record)),
    keyPair: () => pending.during(`reading ${store.place}`, () => store.keyPair()),
    orders: () => pending.during(`reading ${store.place}`, () => store.orders()),
    answerOrder: (id, answer) =>
      pending.during(`writing ${store.place}`, () => store.answerOrder(id, answer)),
    close: () => store.close(),
  };
}
