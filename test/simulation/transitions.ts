/**
 * Every way that a node goes from one phase to another in one decision (which may take it through others on the way). The
 * simulation must go each of them, and no other.
 */
import type { Phase } from '../../framework/cluster/model.js';

type Kind = Phase['kind'];

export const transitions: Readonly<Record<Kind, readonly Kind[]>> = {
  waiting: ['launching', 'starting', 'running', 'killing'],
  backingOff: ['waiting', 'launching', 'starting', 'running'],
  unconfirmed: ['waiting', 'backingOff', 'starting', 'running', 'killing', 'unreachable'],
  launching: ['waiting', 'backingOff', 'starting', 'running', 'killing', 'unreachable'],
  starting: ['waiting', 'backingOff', 'running', 'killing', 'unreachable'],
  running: ['waiting', 'backingOff', 'killing', 'unreachable'],
  killing: ['waiting', 'unreachable'],
  unreachable: ['waiting', 'backingOff', 'starting', 'running', 'killing'],
};

const names = new Set(
  Object.entries(transitions).flatMap(([from, kinds]) => kinds.map((to) => `${from} → ${to}`)),
);

/** Met less than once in ten thousand steps: a short simulation may miss them. */
export const rare: readonly string[] = [
  'backingOff → launching',
  'launching → running',
  'launching → waiting',
  'unconfirmed → killing',
  'unreachable → killing',
  'unreachable → starting',
  'waiting → killing',
];

/** Of those that were counted, the ones that are not in the table. A node that comes to wait may be launched at once. */
export function unexpected(counted: ReadonlyMap<string, number>): string[] {
  return [...counted.keys()].filter((name) => {
    const [from = '', to] = name.split(' → ');
    return to !== undefined && !names.has(name) && !(to === 'launching' && names.has(`${from} → waiting`));
  });
}

/** Those of the table that were not counted. */
export function unreached(counted: ReadonlyMap<string, number>): string[] {
  return [...names].filter((name) => !counted.has(name));
}
