/** `npm run simulate -- --seed S --clusters M --steps N`: many simulated clusters under faults, each from its own seed. */
import { randomInt } from 'node:crypto';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { SeededRandom } from '../support/random.js';
import { Violation, World, type WorldOptions } from './world.js';

/** After the last fault, all must be well within this virtual time: the longest waits are Mesos' 75 s, the grace, and backoff. */
export const convergenceMs = 20 * 60_000;

/** The shape of the cluster that a seed makes. */
export function optionsFor(seed: number): WorldOptions {
  const random = new SeededRandom(seed ^ 0x5eed);
  const [nodes = 3, hosts = 2] = random.pickIfAny([
    [1, 2],
    [3, 2],
    [3, 3],
    [3, 4],
    [5, 3],
    [5, 5],
  ]) ?? [3, 2];
  return {
    seed,
    nodes,
    hosts,
    isAddressTakenEverywhere: random.chance(0.5),
    faults: {
      lostUpdate: random.pickIfAny([0, 0.1, 0.3]) ?? 0,
      repeatedUpdate: random.pickIfAny([0, 0.2]) ?? 0,
      crashBetweenActions: random.pickIfAny([0, 0.002, 0.02]) ?? 0,
      everyMs: random.pickIfAny([5_000, 20_000, 60_000, 200_000]) ?? 20_000,
    },
  };
}

/** One cluster's life: faults for a number of steps, then none until all is well. */
export function simulate(options: WorldOptions, steps: number): World {
  const world = new World(options);
  world.runFor(Number.POSITIVE_INFINITY, steps);
  world.converge(convergenceMs);
  return world;
}

function main(): void {
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
        describe: 'tell everything that happens in the first cluster',
      },
    })
    .strict()
    .parseSync();
  const started = performance.now();
  const total = new Map<string, number>();
  let steps = 0;
  for (let index = 0; index < argv.clusters; index++) {
    const seed = argv.seed + index;
    const tell =
      argv.trace && index === 0 ? { tell: (line: string) => void process.stdout.write(`${line}\n`) } : {};
    try {
      const world = simulate({ ...optionsFor(seed), ...tell }, argv.steps);
      steps += world.steps;
      for (const [what, count] of world.transitions) total.set(what, (total.get(what) ?? 0) + count);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      const lines: string[] = [];
      try {
        simulate({ ...optionsFor(seed), tell: (line) => lines.push(line) }, argv.steps);
      } catch {}
      process.stdout.write(`${lines.slice(-80).join('\n')}\n`);
      process.stdout.write(`seed ${seed} with --steps ${argv.steps}: ${error.message}\n`);
      process.exit(1);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  for (const [what, count] of [...total].sort((a, b) => b[1] - a[1])) {
    process.stdout.write(`${String(count).padStart(12)}  ${what}\n`);
  }
  process.stdout.write(
    `${argv.clusters} clusters from seed ${argv.seed}, ${steps} steps in ${seconds.toFixed(1)} s: ${Math.round(steps / seconds)} steps a second, no violation\n`,
  );
}

if (process.argv[1]?.endsWith('simulation/run.js')) main();
