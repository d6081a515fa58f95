/** `npm run soak -- [--minutes M] [--seed S] [--verbose]`: the soak for as long as wanted; status 1 when anything is not as it must be. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createLogger } from '../../framework/log.js';
import { runSoak } from './soak.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? randomInt(2 ** 31));
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error('usage: npm run soak -- [--minutes MINUTES] [--seed INTEGER] [--verbose]');
  process.exit(2);
}
console.log(`seed ${seed}, ${minutes} min; again with: npm run soak -- --minutes ${minutes} --seed ${seed}`);
const started = performance.now();
const at = (): string => `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`;
try {
  const { failures, faults, connections, launched, doubles, frameworkIds } = await runSoak({
    seed,
    harmlessS: minutes * 30,
    harmfulS: minutes * 30,
    log: (line) => {
      console.log(`${at()}  ${line}`);
    },
    ...(values.verbose && { logger: createLogger('debug') }),
  });
  console.log(`\n${at()}`);
  for (const [name, times] of faults) console.log(`${String(times).padStart(5)} × ${name}`);
  console.log(
    `${connections} connections, ${launched} containers launched, ${doubles} times two of a node at once, framework ${frameworkIds.join(', ')}`,
  );
  for (const failure of failures) console.log(`FAIL  ${failure}`);
  process.exit(failures.length === 0 ? 0 : 1);
} catch (error) {
  console.log(`${at()}  FAIL  ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
