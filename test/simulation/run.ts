/**
 * `npm run simulate -- --seed S --clusters M --steps N`: many simulated clusters under faults, each from its own seed.
 * SIGINT and SIGTERM end it with what was seen so far.
 */
import { randomInt } from 'node:crypto';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { type Length, live, optionsFor } from './life.js';
import { liveOnThreads, type Tally } from './many.js';
import { shrink, storyOf } from './shrink.js';
import { unexpected, unreached } from './transitions.js';
import type { WorldOptions } from './world.js';

/** With fewer steps than this, some transitions are too rare to be missed. */
const stepsForAllTransitions = 8_000_000;
const progressEveryMs = 60_000;

interface Flags {
  readonly seed: number;
  readonly clusters: number;
  readonly steps: number;
  readonly every?: number | undefined;
  readonly jobs: number;
  readonly minutes: number;
  readonly trace: boolean;
  readonly life?: string | undefined;
}

async function main(): Promise<number> {
  const argv: Flags = yargs(hideBin(process.argv))
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
      every: {
        type: 'number',
        describe: 'mean time between faults, in virtual seconds (default: 5 to 200, by the seed)',
      },
      jobs: { type: 'number', default: 1, describe: 'how many threads live them' },
      minutes: {
        type: 'number',
        default: Number.POSITIVE_INFINITY,
        describe: 'end after so long, with what was seen so far (default: when all are lived)',
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
  return argv.trace
    ? tellOne(optionsFor(argv.seed, everyMs(argv)), { steps: argv.steps })
    : simulateMany(argv);
}

const everyMs = ({ every }: Flags): number | undefined => (every === undefined ? undefined : every * 1000);

/** One life with every message. */
function tellOne(options: WorldOptions, length: Length): number {
  const tell = (line: string): void => say(line);
  const { violation } = live({ ...options, tell, detail: tell }, length);
  if (violation !== undefined) say(`→ ${violation.message}`);
  return violation === undefined ? 0 : 1;
}

async function simulateMany(flags: Flags): Promise<number> {
  const { seed: first, clusters, steps, jobs, minutes } = flags;
  const every = everyMs(flags);
  const started = performance.now();
  const took = ({ clusters, steps, faults }: Tally): string => {
    const seconds = (performance.now() - started) / 1000;
    return `${clusters} clusters from seed ${first}, ${faults} faults, ${steps} steps in ${seconds.toFixed(1)} s: ${Math.round(steps / seconds)} steps a second`;
  };
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const timer = Number.isFinite(minutes) ? setTimeout(end, minutes * 60_000) : undefined;
  let toldMs = started;
  const tally = await liveOnThreads(
    { first, clusters, steps, ...(every !== undefined && { everyMs: every }) },
    jobs,
    stop.signal,
    (soFar) => {
      if (performance.now() - toldMs < progressEveryMs) return;
      toldMs = performance.now();
      process.stderr.write(`${took(soFar)}, so far\n`);
    },
  );
  clearTimeout(timer);
  const { violation, transitions } = tally;
  if (violation !== undefined) {
    const { seed, message } = violation;
    say(`seed ${seed} with --steps ${steps}: ${message}\n`);
    say(storyOf(shrink(optionsFor(seed, every), { steps })));
    return 1;
  }
  for (const [what, count] of [...transitions].sort((a, b) => b[1] - a[1])) {
    say(`${String(count).padStart(12)}  ${what}`);
  }
  say(
    `${took(tally)}, no violation${tally.clusters < clusters ? `; ended before all ${clusters} were lived` : ''}`,
  );
  const strange = unexpected(transitions);
  if (strange.length > 0) say(`transitions that should not be: ${strange.join(', ')}`);
  const missing = tally.steps < stepsForAllTransitions ? [] : unreached(transitions);
  if (missing.length > 0) say(`transitions that were never reached: ${missing.join(', ')}`);
  return strange.length + missing.length === 0 ? 0 : 1;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = await main();
