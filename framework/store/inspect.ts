/** Looks at a store from beside it: whether it could be used, what it holds, and who works with it. Takes no lock. */
import { randomUUID } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CodedError, messageOf } from '../errors.js';
import { holderOfFileLock } from './lock-holder.js';
import { etcdPlaceOf, type StoreSettings } from './open-store.js';
import { readRecord } from './record-format.js';
import type { StoreView } from './store.js';

/** @throws CodedError as the opening of the store would, but for the lock */
export async function inspectStore(settings: StoreSettings): Promise<StoreView> {
  if (settings.store === undefined) return inspectFile(settings.stateFile);
  const place = etcdPlaceOf(settings, settings.store);
  const { inspectEtcdStore } = await import('./etcd-store.js');
  return inspectEtcdStore(place);
}

async function inspectFile(path: string): Promise<StoreView> {
  await refuseUnwritable(path);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new CodedError('STATE_UNWRITABLE', `cannot read ${path}: ${messageOf(error)}`);
  });
  return {
    place: path,
    record: text === undefined ? undefined : readRecord(text, path),
    holder: await holderOfFileLock(`${path}.lock`),
  };
}

/** The store replaces its file by another: what must be writable is the directory, or the nearest one that is there. */
async function refuseUnwritable(path: string): Promise<void> {
  let directory = dirname(path);
  for (;;) {
    try {
      // Tried rather than asked: /proc, for one, tells root that it may.
      const probe = join(directory, `.mesos-jupyter-${randomUUID()}`);
      await (await open(probe, 'wx', 0o600)).close();
      return await rm(probe);
    } catch (error) {
      const isMissing = !(await stat(directory).catch(() => undefined));
      if (isMissing && directory !== dirname(directory)) {
        directory = dirname(directory);
        continue;
      }
      throw new CodedError('STATE_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`);
    }
  }
}
