/** /etc/hosts: the live nodes as node0… in order of address, names that never shift, and `notebook`. */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { stableName } from '../contract.js';
import type { ClusterView } from './directory.js';

const begin = '# The nodes that are alive, by mesos-jupyter:';
const end = '# End of the nodes.';

/** The name in the shifting series node0, node1, … */
export function shiftingName(position: number): string {
  return `node${position}`;
}

export const holderName = 'notebook';

/** The file's new content: everything that is not ours as it was, then our block. */
export function renderHosts(present: string, view: ClusterView): string {
  const lines = present.replace(/\n+$/, '').split('\n');
  const from = lines.indexOf(begin);
  const to = lines.indexOf(end, from);
  const others = from === -1 || to === -1 ? lines : [...lines.slice(0, from), ...lines.slice(to + 1)];
  const ours = view.live.map(({ address, node }, position) => {
    const names = [shiftingName(position), stableName(node)];
    if (view.holder?.address === address) names.push(holderName);
    return `${address}\t${names.join(' ')}`;
  });
  return `${[...others, begin, ...ours, end].join('\n')}\n`;
}

/**
 * Brings the file up to date, in place: it is a bind mount in a container, which refuses `rename`. One write that is never
 * shorter than the old content, then a truncation: no reader finds the file empty, nor its first lines (localhost) gone.
 * @returns whether it had to be changed.
 */
export function writeHosts(view: ClusterView, path = '/etc/hosts'): boolean {
  const present = readFileSync(path, 'utf8');
  const wanted = renderHosts(present, view);
  if (wanted === present) return false;
  const bytes = Buffer.from(wanted);
  const padded = Buffer.concat([
    bytes,
    Buffer.alloc(Math.max(0, Buffer.byteLength(present) - bytes.length), '\n'),
  ]);
  const file = openSync(path, 'r+');
  try {
    writeSync(file, padded, 0, padded.length, 0);
    ftruncateSync(file, bytes.length);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return true;
}
