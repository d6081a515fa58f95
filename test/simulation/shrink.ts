/** Makes the story of a violation short: leaves out whatever it happens without. */
import { type Length, type Life, live } from './life.js';
import { noFaults, type WorldOptions } from './world.js';

export interface Shrunk {
  readonly options: WorldOptions;
  readonly length: Length;
  readonly life: Life;
  /** How many faults there were before. */
  readonly faultsBefore: number;
}

/** With the faults fewer, all else happens at other moments: a few of those are tried before a fault is thought needed. */
const salts = 3;

/**
 * Faults, kinds of lost and repeated messages, and time are left out as long as a violation of the same rule remains.
 * @param tries how many lives it may take
 */
export function shrink(options: WorldOptions, length: Length, tries = 600): Shrunk {
  const first = live(options, length);
  if (first.violation === undefined) throw new Error('nothing is violated');
  const rule = ruleOf(first.violation);
  let left = tries;
  let best: Shrunk = {
    options: { ...options, keep: Array.from({ length: first.world.faultCount }, (_, index) => index) },
    length: { ms: first.faultsUntilMs },
    life: first,
    faultsBefore: first.world.faultCount,
  };

  /** Takes the life where it breaks the same rule. */
  const attempt = (change: Partial<WorldOptions>): boolean => {
    const salt = best.options.salt ?? 0;
    for (let more = 0; more < salts && left > 0; more++) {
      left -= 1;
      const candidate = { ...best.options, ...change, salt: salt + more };
      const life = live(candidate, best.length);
      if (life.violation === undefined || ruleOf(life.violation) !== rule) continue;
      const ms = Math.min(best.length.ms ?? Number.POSITIVE_INFINITY, life.faultsUntilMs);
      best = { ...best, options: candidate, life, length: { ms } };
      return true;
    }
    return false;
  };

  for (const kind of ['lostUpdate', 'repeatedUpdate', 'crashBetweenActions'] as const) {
    if (best.options.faults[kind] > 0)
      attempt({ faults: { ...best.options.faults, [kind]: noFaults[kind] } });
  }
  if (best.options.pauses) attempt({ pauses: false });
  // As in delta debugging: large parts first, then smaller ones, down to single faults.
  for (
    let size = Math.ceil(keptOf(best).length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < keptOf(best).length && left > 0; ) {
      const kept = keptOf(best);
      if (!attempt({ keep: [...kept.slice(0, at), ...kept.slice(at + size)] })) at += size;
    }
  }
  return best;
}

const keptOf = ({ options }: Shrunk): readonly number[] => options.keep ?? [];

/** A violation's kind: its words without the names and numbers, and without the state of things that may follow them. */
function ruleOf(violation: Error): string {
  return (violation.message.split(':')[0] ?? '').replaceAll(/\S*\d\S*/g, '#');
}

/** The shrunk life, told line by line, with what is needed to see it again. */
export function storyOf({ options, length, faultsBefore }: Shrunk): string {
  const lines: string[] = [];
  const { violation } = live({ ...options, tell: (line) => lines.push(line) }, length);
  const { nodes, hosts, faults, isAddressTakenEverywhere } = options;
  const chances = Object.entries(faults)
    .filter(([name, chance]) => name !== 'everyMs' && chance > 0)
    .map(([name, chance]) => `${name} ${chance}`);
  return [
    `${nodes} nodes on ${hosts} hosts, an address is taken ${isAddressTakenEverywhere ? 'on all hosts (Calico)' : 'on its host only'}${chances.length > 0 ? `; of each message: ${chances.join(', ')}` : ''}`,
    `${options.keep?.length ?? faultsBefore} of its ${faultsBefore} faults are enough:`,
    '',
    ...lines,
    `→ ${violation?.message ?? 'no violation'}`,
    '',
    `npm run simulate -- --life '${JSON.stringify({ options, length })}'`,
  ].join('\n');
}
