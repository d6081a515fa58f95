/** Virtual time: what is to happen, in order of time, and of being asked for where the time is the same. */
interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly what: () => void;
}

export class VirtualClock {
  nowMs = 0;
  #order = 0;
  /** A binary heap, the next entry at 0. */
  readonly #heap: Entry[] = [];

  in(delayMs: number, what: () => void): void {
    this.#order += 1;
    this.#push({ atMs: this.nowMs + delayMs, order: this.#order, what });
  }

  /** When the next thing happens; undefined when nothing ever will. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  /** Lets the next thing happen. */
  step(): void {
    const entry = this.#pop();
    if (entry === undefined) return;
    this.nowMs = entry.atMs;
    entry.what();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent] as Entry)) break;
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
