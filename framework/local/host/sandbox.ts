/** The files API of a Mesos agent, by the virtual paths of sandboxes (FACTS, real master 5; captures 32 to 34). */
import { closeSync, openSync, readdirSync, readSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join, sep } from 'node:path';

export interface FilesAnswer {
  readonly status: number;
  readonly body: string;
  readonly json: boolean;
}

/** What one answer may hold: 16 pages. */
const maxReadBytes = 16 * 4096;

const refusal = (status: number, body: string): FilesAnswer => ({ status, body, json: false });

/** @param root the directory that `/frameworks` is in */
export function filesAnswer(root: string, endpoint: string, query: URLSearchParams): FilesAnswer | undefined {
  if (endpoint !== '/files/read' && endpoint !== '/files/browse') return undefined;
  const path = query.get('path');
  if (path === null || path === '') return refusal(400, "Expecting 'path=value' in query.\n");
  const real = resolveWithin(root, path);
  if (real === undefined) return refusal(404, '');
  return endpoint === '/files/browse' ? browse(path, real) : read(real, query);
}

/** The real path, if there is one and it does not lead out of the root (by `..` or by a link). */
function resolveWithin(root: string, path: string): string | undefined {
  try {
    const base = realpathSync(root);
    const real = realpathSync(join(base, path));
    return real === base || real.startsWith(base + sep) ? real : undefined;
  } catch {
    return undefined;
  }
}

function read(real: string, query: URLSearchParams): FilesAnswer {
  const stats = statSync(real);
  if (stats.isDirectory()) return refusal(400, 'Cannot read a directory.\n');
  const offset = integerOf(query.get('offset'), -1);
  if (offset === undefined) return refusal(400, 'Failed to parse offset: Failed to convert to number.\n');
  if (offset < -1) return refusal(400, `Negative offset provided: ${offset}.\n`);
  const length = integerOf(query.get('length'), -1);
  if (length === undefined) return refusal(400, 'Failed to parse length: Failed to convert to number.\n');
  if (length < -1) return refusal(400, `Negative length provided: ${length}.\n`);
  // -1 asks for the size, past the end there is nothing: both give it as the offset.
  if (offset === -1 || offset >= stats.size) return json({ data: '', offset: stats.size });
  const bytes = Buffer.alloc(
    Math.min(length === -1 ? stats.size - offset : length, stats.size - offset, maxReadBytes),
  );
  const file = openSync(real, 'r');
  try {
    const count = readSync(file, bytes, 0, bytes.length, offset);
    return json({ data: bytes.toString('utf8', 0, count), offset });
  } finally {
    closeSync(file);
  }
}

function integerOf(text: string | null, otherwise: number): number | undefined {
  if (text === null || text === '') return otherwise;
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function browse(path: string, real: string): FilesAnswer {
  const virtual = path.replace(/\/+$/, '');
  if (!statSync(real).isDirectory()) return json([entryOf(virtual, statSync(real))]);
  const names = readdirSync(real).sort();
  return json(
    names.flatMap((name) => {
      try {
        return [entryOf(`${virtual}/${name}`, statSync(join(real, name)))];
      } catch {
        return [];
      }
    }),
  );
}

function entryOf(path: string, stats: Stats) {
  return {
    gid: nameOfId(stats.gid),
    mode: modeText(stats),
    mtime: Math.trunc(stats.mtimeMs / 1000),
    nlink: stats.nlink,
    path,
    size: stats.size,
    uid: nameOfId(stats.uid),
  };
}

const nameOfId = (id: number): string => (id === 0 ? 'root' : String(id));

function modeText(stats: Stats): string {
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((stats.mode >> (8 - at)) & 1 ? letter : '-')).join('');
  return (stats.isDirectory() ? 'd' : '-') + bits;
}

const json = (value: unknown): FilesAnswer => ({ status: 200, body: JSON.stringify(value), json: true });
