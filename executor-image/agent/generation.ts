/** The generation's file on the shared volume: made by its founders before etcd starts, the fence between foundings. */
import {
  containerPaths,
  generationFileName,
  generationOfFileName,
  type TaskEnvironment,
} from '../contract.js';
import { NodeEnd } from './errors.js';
import { linkOnce, onVolume } from './volume.js';

const claimTimeoutMs = 20_000;
/** An error half-way through does not pass for a shorter list: ls says so by its exit status. */
const listScript = 'exec ls -1U "$1"';

/** What a look at the trusted directory shows. */
export type Sight =
  | { readonly kind: 'present' }
  /** Another founding came after this generation. */
  | { readonly kind: 'past'; readonly higher: number }
  | { readonly kind: 'nothing'; readonly why: string };

/** What the names in the trusted directory mean to a node of `generation`. */
export function sightOf(names: readonly string[], generation: number): Sight {
  const numbers = names.map(generationOfFileName).filter((number) => number !== undefined);
  const higher = Math.max(0, ...numbers);
  if (higher > generation) return { kind: 'past', higher };
  if (numbers.includes(generation)) return { kind: 'present' };
  return { kind: 'nothing', why: `${generationFileName(generation)} is not in the trusted directory` };
}

/** A generation's file as its founders write it, all of them alike. */
export function renderFounders(founders: readonly string[]): string {
  return `${founders.join('\n')}\n`;
}

/**
 * Makes the generation's file, as every founder does before it starts etcd; one that names the same founders is as good.
 * @throws NodeEnd `numberTaken` when the number is another founding's, or a higher one is there.
 */
export async function claimGeneration(task: TaskEnvironment): Promise<void> {
  const { generation, founders } = task;
  const mine = renderFounders(founders);
  const { found, names } = await claim(generationFileName(generation), mine).catch((error: Error) => {
    throw new NodeEnd(
      'volumeUnusable',
      `the file of generation ${generation} cannot be made: ${error.message}`,
    );
  });
  if (found !== mine) {
    throw new NodeEnd(
      'numberTaken',
      `generation ${generation} was founded by other tasks (${found.trim().replaceAll('\n', ', ')}): the scheduler goes on to another number`,
    );
  }
  const sight = sightOf(names, generation);
  if (sight.kind === 'past') {
    throw new NodeEnd(
      'numberTaken',
      `generation ${sight.higher} is there already, after ${generation}: the scheduler goes on to another number`,
    );
  }
}

async function claim(name: string, text: string): Promise<{ found: string; names: string[] }> {
  const found = await linkOnce(name, text);
  // After the link: of two foundings at once, at least one sees the other.
  return {
    found,
    names: (await onVolume(listScript, [containerPaths.trusted], '', claimTimeoutMs)).split('\n'),
  };
}
