/** One cluster's life from a seed: faults for a while, then none until all is well. */
import { SeededRandom } from '../support/random.js';
import { Violation, World, type WorldOptions } from './world.js';

/** After the last fault, all must be well within this virtual time: the longest waits are Mesos' 75 s, the grace, and backoff. */
export const convergenceMs = 20 * 60_000;

/** When faults end: after a number of events and faults, or at a virtual time. */
export interface Length {
  readonly steps?: number;
  readonly ms?: number;
}

export interface Life {
  readonly world: World;
  /** When faults ended, or the violation came. */
  readonly faultsUntilMs: number;
  readonly violation?: Violation;
}

/**
 * The shape of the cluster that a seed makes, and which faults it meets how often.
 * @param everyMs mean time between faults, in place of the one that the seed chooses
 */
export function optionsFor(seed: number, everyMs?: number): WorldOptions {
  const random = new SeededRandom(seed ^ 0x5eed);
  const [nodes = 3, hosts = 2] = random.pickIfAny([
    [1, 2],
    [3, 2],
    [3, 3],
    [3, 4],
    [5, 3],
    [5, 5],
  ]) ?? [3, 2];
  const isAddressTakenEverywhere = random.chance(0.5);
  return {
    seed,
    nodes,
    hosts,
    isAddressTakenEverywhere,
    faults: {
      lostUpdate: random.pickIfAny([0, 0.1, 0.3]) ?? 0,
      repeatedUpdate: random.pickIfAny([0, 0.2]) ?? 0,
      crashBetweenActions: random.pickIfAny([0, 0.002, 0.02]) ?? 0,
      everyMs: everyMs ?? random.pick([5_000, 20_000, 60_000, 200_000]),
    },
    canReleaseAddress: isAddressTakenEverywhere && random.chance(0.5),
    tearsDown: random.chance(0.05),
    pauses: random.chance(0.2),
  };
}

/** Lives it to its end, or to the first rule that is broken. */
export function live(options: WorldOptions, { steps, ms }: Length): Life {
  const world = new World(options);
  try {
    world.runFor(ms ?? Number.POSITIVE_INFINITY, steps);
  } catch (error) {
    return { world, faultsUntilMs: world.clock.nowMs, violation: asViolation(error) };
  }
  const faultsUntilMs = world.clock.nowMs;
  try {
    world.converge(convergenceMs);
  } catch (error) {
    return { world, faultsUntilMs, violation: asViolation(error) };
  }
  return { world, faultsUntilMs };
}

/** As `live`. @throws Violation */
export function simulate(options: WorldOptions, steps: number): World {
  const { world, violation } = live(options, { steps });
  if (violation !== undefined) throw violation;
  return world;
}

function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  throw error;
}
