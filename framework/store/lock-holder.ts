/** Who works with a state file, as it looks from beside it. */
import { readFile, stat } from 'node:fs/promises';

/**
 * The kernel's list of locks tells without taking one, which would turn a scheduler away that starts just then. Inode numbers
 * alone are compared: what the list calls the device is not what `stat` says of an overlay.
 */
export async function holderOfFileLock(lockFile: string): Promise<string | undefined> {
  const stats = await stat(lockFile).catch(() => undefined);
  if (stats === undefined) return undefined;
  const locks = await readFile('/proc/locks', 'utf8').catch(() => '');
  const isHeld = locks.split('\n').some((line) => /\bFLOCK\b/.test(line) && line.includes(`:${stats.ino} `));
  if (!isHeld) return undefined;
  const pid = (await readFile(lockFile, 'utf8').catch(() => '')).trim();
  return `process ${pid === '' ? 'unknown' : pid}`;
}
