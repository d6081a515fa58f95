/** Many lives, each from its own seed, on several threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { live, optionsFor } from './life.js';

/** A range of seeds to live, and how. */
export interface Lives {
  readonly first: number;
  readonly clusters: number;
  /** Events and faults of each, before it must be well again. */
  readonly steps: number;
  /** Mean time between faults, in milliseconds, in place of the one that the seed chooses. */
  readonly everyMs?: number;
}

export interface Tally {
  readonly clusters: number;
  readonly steps: number;
  readonly faults: number;
  readonly transitions: ReadonlyMap<string, number>;
  /** Where a rule was broken: the lives end there. */
  readonly violation?: { readonly seed: number; readonly message: string };
}

export const nothing: Tally = { clusters: 0, steps: 0, faults: 0, transitions: new Map() };

/** What a thread lives at a time: about a second's worth. */
const portion = 200;

/** Lives them one after another, up to the first violation. */
export function liveAll({ first, clusters, steps, everyMs }: Lives): Tally {
  let tally = nothing;
  const transitions = new Map<string, number>();
  for (let seed = first; seed < first + clusters; seed++) {
    const { world, violation } = live(optionsFor(seed, everyMs), { steps });
    for (const [what, count] of world.transitions)
      transitions.set(what, (transitions.get(what) ?? 0) + count);
    tally = {
      clusters: tally.clusters + 1,
      steps: tally.steps + world.steps,
      faults: tally.faults + world.faultCount,
      transitions,
    };
    if (violation !== undefined) return { ...tally, violation: { seed, message: violation.message } };
  }
  return tally;
}

function sum(a: Tally, b: Tally): Tally {
  const transitions = new Map(a.transitions);
  for (const [what, count] of b.transitions) transitions.set(what, (transitions.get(what) ?? 0) + count);
  const violation = a.violation ?? b.violation;
  return {
    clusters: a.clusters + b.clusters,
    steps: a.steps + b.steps,
    faults: a.faults + b.faults,
    transitions,
    ...(violation !== undefined && { violation }),
  };
}

/**
 * Lives them on `jobs` threads, until all are lived, `stop` is aborted, or a rule is broken.
 * @param onProgress told what has been lived so far
 */
export async function liveOnThreads(
  lives: Lives,
  jobs: number,
  stop: AbortSignal,
  onProgress: (tally: Tally) => void,
): Promise<Tally> {
  let tally = nothing;
  let next = lives.first;
  const end = lives.first + lives.clusters;

  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      // Nearly all that is made is garbage soon: a large nursery is seldom collected, and then is nearly empty.
      resourceLimits: { maxYoungGenerationSizeMb: 128 },
    });
    try {
      while (next < end && !stop.aborted && tally.violation === undefined) {
        const first = next;
        next = Math.min(end, first + portion);
        const lived = await ask(worker, { ...lives, first, clusters: next - first });
        // Only now: other threads have added theirs meanwhile.
        tally = sum(tally, lived);
        onProgress(tally);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return tally;
}

/** @throws what the thread fails with */
async function ask(worker: Worker, lives: Lives): Promise<Tally> {
  worker.postMessage(lives);
  const [tally] = (await once(worker, 'message')) as [Tally];
  return tally;
}
