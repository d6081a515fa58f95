/** Runs batches of a fuzz target in a thread of its own, so that a hang or a flood of memory ends only that thread. */
import { parentPort } from 'node:worker_threads';
import fc from 'fast-check';
import { targets } from './targets.js';

export interface Batch {
  readonly target: number;
  readonly seed: number;
  readonly runs: number;
}

export interface BatchResult {
  readonly runs: number;
  /** fast-check's report, with the smallest failing input. */
  readonly failure: string | undefined;
}

parentPort?.on('message', ({ target, seed, runs }: Batch) => {
  const property = targets[target]?.property;
  if (property === undefined) throw new RangeError(`no target ${target}`);
  const result = fc.check(property, { seed, numRuns: runs });
  parentPort?.postMessage({
    runs: result.numRuns,
    failure: result.failed ? (fc.defaultReportMessage(result) ?? 'failed') : undefined,
  } satisfies BatchResult);
});
