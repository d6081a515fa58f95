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
 * By `readdir`: a `stat` of a name may fail for long while bricks are away, when a `readdir` shows it (GlusterFS). An error
 * half-way through must not pass for a shorter list, which ls sees to by its exit status.
 */
export async function listTrusted(timeoutMs: number): Promise<string[]> {
  return linesOf(await onVolume('exec ls -1U "$1"', [containerPaths.trusted], '', timeoutMs));
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/**
 * GlusterFS shows its translators below a mount; other file systems have no such directory, and a pattern that fits nothing.
 * Where the list fails the look fails, but for a dead mount, which it tells.
 */
const lookScript = `
trusted=$1 shared=$2 write_behind=$3 dead=$4
if ! ls -1U "$trusted"; then
  /usr/bin/python3 -SE /opt/mesos-jupyter/mount_is_dead.py "$shared" && echo "$dead"
  exit
fi
for translator in "$shared"/.meta/graphs/active/*-write-behind; do
  if [ -e "$translator" ]; then echo "$write_behind"; fi
done
`;
/** No names of files that a directory lists. */
const marks = { writeBehind: './write-behind', dead: './dead' } as const;

/** What a look finds. */
export interface Findings {
  /** Names in the trusted directory. */
  readonly names: string[];
  /**
   * Whether the mount holds writes back: with GlusterFS' write-behind on, lines of a frozen or killed writer land after another
   * has taken over (FACTS, GlusterFS 1).
   */
  readonly writesBehind: boolean;
  /** Whether the mount's process is gone, so that nothing heals it in this container. */
  readonly isDead: boolean;
}

export async function look(timeoutMs: number): Promise<Findings> {
  const { trusted, shared } = containerPaths;
  const args = [trusted, shared, marks.writeBehind, marks.dead];
  const lines = linesOf(await onVolume(lookScript, args, '', timeoutMs));
  return {
    names: lines.filter((line) => line !== marks.writeBehind && line !== marks.dead),
    writesBehind: lines.includes(marks.writeBehind),
    isDead: lines.includes(marks.dead),
  };
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
  return { found, names: await listTrusted(claimTimeoutMs) };
}
