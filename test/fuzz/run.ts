/** `npm run fuzz -- [--seconds S] [--seed N]`: feeds the wire's readers with random and damaged input for a bounded time. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { nestedInputs, targets } from './targets.js';
import type { Batch, BatchResult } from './worker.js';

const runsPerBatch = 200;
/** A batch takes a second or so: one that takes this long hangs. */
const batchLimitMs = 60_000;
const heapLimitMb = 512;
const processLimitMb = 1024;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seconds = Number(values.seconds);
const firstSeed = Number(values.seed ?? randomInt(2 ** 31));
if (!(seconds > 0) || !Number.isInteger(firstSeed)) {
  console.error('usage: npm run fuzz -- [--seconds SECONDS] [--seed INTEGER]');
  process.exit(2);
}
process.exit(await main());

async function main(): Promise<number> {
  console.log(
    `seed ${firstSeed}, ${seconds} s; again with: npm run fuzz -- --seconds ${seconds} --seed ${firstSeed}`,
  );
  for (const { name, read } of nestedInputs) {
    read();
    console.log(`ok    deep nesting: ${name}`);
  }
  const inputs = targets.map(() => 0);
  const end = performance.now() + seconds * 1000;
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: heapLimitMb },
  });
  try {
    for (let round = 0; performance.now() < end; round += 1) {
      const batch = { target: round % targets.length, seed: (firstSeed + round) | 0, runs: runsPerBatch };
      const result = await runBatch(worker, batch);
      inputs[batch.target] = (inputs[batch.target] ?? 0) + result.runs;
      if (result.failure !== undefined) {
        console.log(`FAIL  ${targets[batch.target]?.name}\n${result.failure}`);
        return 1;
      }
      const rssMb = process.memoryUsage().rss / 2 ** 20;
      if (rssMb > processLimitMb) {
        console.log(`FAIL  ${targets[batch.target]?.name}: the process has grown to ${Math.round(rssMb)} MB`);
        return 1;
      }
    }
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await worker.terminate();
  }
  targets.forEach(
    ({ name }, index) => void console.log(`ok    ${String(inputs[index]).padStart(9)} inputs  ${name}`),
  );
  console.log(`process: ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB`);
  return 0;
}

/** @throws Error that names the batch, when it hangs or runs out of memory */
async function runBatch(worker: Worker, batch: Batch): Promise<BatchResult> {
  const where = `${targets[batch.target]?.name}, among the ${batch.runs} inputs of seed ${batch.seed}`;
  const patience = AbortSignal.timeout(batchLimitMs);
  worker.postMessage(batch);
  try {
    const [result] = (await once(worker, 'message', { signal: patience })) as [BatchResult];
    return result;
  } catch (error) {
    if (patience.aborted) throw new Error(`FAIL  ${where}: no end within ${batchLimitMs / 1000} s`);
    throw new Error(`FAIL  ${where}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
