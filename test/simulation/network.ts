/** Which hosts' packets reach each other. A pair may be cut by several faults at once. */
export class Network {
  /** How many faults cut each pair, by the lower index and the higher. */
  readonly #cuts = new Map<string, number>();

  /** @param onChange told whenever a pair is cut or mended */
  constructor(readonly onChange: () => void) {}

  areLinked(a: number, b: number): boolean {
    return a === b || this.#cuts.size === 0 || !this.#cuts.has(pair(a, b));
  }

  cut(a: number, b: number): void {
    if (a === b) return;
    this.#cuts.set(pair(a, b), (this.#cuts.get(pair(a, b)) ?? 0) + 1);
    this.onChange();
  }

  mend(a: number, b: number): void {
    if (a === b) return;
    const left = (this.#cuts.get(pair(a, b)) ?? 0) - 1;
    if (left > 0) this.#cuts.set(pair(a, b), left);
    else this.#cuts.delete(pair(a, b));
    this.onChange();
  }
}

const pair = (a: number, b: number): string => (a < b ? `${a}-${b}` : `${b}-${a}`);
