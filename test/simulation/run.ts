/** `npm run simulate -- --seed S --clusters M --steps N`: many simulated clusters under faults, each from its own seed. */
import { randomInt } from 'node:crypto';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { type Length, live, optionsFor } from './life.js';
import { shrink, storyOf } from './shrink.js';
import { unexpected, unreached } from './transitions.js';
import type { WorldOptions } from './world.js';

/** With fewer steps than this, some transitions are too rare to be missed. */
const stepsForAllTransitions = 8_000_000;

interface Flags {
  readonly seed: number;
  readonly clusters: number;
  readonly steps: number;
  readonly trace: boolean;
  readonly life?: string | undefined;
}

function main(): number {
  const argv = yargs(hideBin(process.argv))
    .options({
      seed: {
        type: 'number',
        default: randomInt(2 ** 31),
        describe: 'of the first cluster; the others follow',
      },
      clusters: { type: 'number', default: 1_000, describe: 'how many' },
      steps: {
        type: 'number',
        default: 1_000,
        describe: 'events and faults of each, before it must be well again',
      },
      trace: {
        type: 'boolean',
        default: false,
        describe: 'tell everything that happens in the first cluster, or in --life',
      },
      life: { type: 'string', describe: 'one life, as a violation prints it' },
    })
    .strict()
    .parseSync();
  if (argv.life !== undefined) {
    const { options, length } = JSON.parse(argv.life) as { options: WorldOptions; length: Length };
    return tellOne(options, length);
  }
  return argv.trace ? tellOne(optionsFor(argv.seed), { steps: argv.steps }) : simulateMany(argv);
}

/** One life with every message. */
function tellOne(options: WorldOptions, length: Length): number {
  const tell = (line: string): void => say(line);
  const { violation } = live({ ...options, tell, detail: tell }, length);
  if (violation !== undefined) say(`→ ${violation.message}`);
  return violation === undefined ? 0 : 1;
}

function simulateMany({ seed: first, clusters, steps: most }: Flags): number {
  const started = performance.now();
  const total = new Map<string, number>();
  let steps = 0;
  for (let index = 0; index < clusters; index++) {
    const seed = first + index;
    const { world, violation } = live(optionsFor(seed), { steps: most });
    if (violation !== undefined) {
      say(`seed ${seed} with --steps ${most}: ${violation.message}\n`);
      say(storyOf(shrink(optionsFor(seed), { steps: most })));
      return 1;
    }
    steps += world.steps;
    for (const [what, count] of world.transitions) total.set(what, (total.get(what) ?? 0) + count);
  }
  const seconds = (performance.now() - started) / 1000;
  for (const [what, count] of [...total].sort((a, b) => b[1] - a[1])) {
    say(`${String(count).padStart(12)}  ${what}`);
  }
  say(
    `${clusters} clusters from seed ${first}, ${steps} steps in ${seconds.toFixed(1)} s: ${Math.round(steps / seconds)} steps a second, no violation`,
  );
  const strange = unexpected(total);
  if (strange.length > 0) say(`transitions that should not be: ${strange.join(', ')}`);
  const missing = steps < stepsForAllTransitions ? [] : unreached(total);
  if (missing.length > 0) say(`transitions that were never reached: ${missing.join(', ')}`);
  return strange.length + missing.length === 0 ? 0 : 1;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = main();
