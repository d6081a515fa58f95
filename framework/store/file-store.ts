/** The store for one machine: a JSON file, replaced whole, with a lock that the kernel lets go of when the process ends. */
import { spawnSync } from 'node:child_process';
import { chown, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterRecord } from '../cluster/model.js';
import { CodedError, messageOf } from '../errors.js';
import { newKeyPem, readKey, type SchedulerKey } from './key-pair.js';
import { holderOfFileLock } from './lock-holder.js';
import {
  answersKeptS,
  type GivenOrder,
  isOrderId,
  type OrderAnswer,
  readAnswer,
  readOrder,
} from './orders.js';
import { readRecord, writeRecord } from './record-format.js';
import type { OrderBook, Store } from './store.js';

/**
 * Opens the store at `path`, making its directory where there is none.
 * @throws CodedError STATE_LOCKED while another process has it, STATE_UNWRITABLE where it cannot be written,
 *   STATE_CORRUPT or STATE_NEWER where it cannot be read
 */
export async function openFileStore(path: string): Promise<Store> {
  const lock = await unwritable(path, async () => {
    await makeDirectory(dirname(path));
    return open(`${path}.lock`, 'a+', 0o600);
  });
  try {
    await takeLock(lock, path);
    const kept = await readKept(path);
    const store = new FileStore(path, lock, kept);
    // Found out now rather than at the first launch; a record that is there is not touched.
    await store.probe();
    return store;
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/** For the operator, beside whoever has the lock: an order is a file of its own, and so is its answer. */
export function openFileOrders(path: string): OrderBook {
  const directory = ordersOf(path);
  return {
    place: path,
    record: () => readKept(path),
    holder: () => holderOfFileLock(`${path}.lock`),
    give: (id, order) =>
      unwritable(path, async () => {
        await makeDirectory(directory);
        await likeItsParent(directory);
        await place(join(directory, id), JSON.stringify(order), likeItsParent);
      }),
    answerTo: async (id) => {
      const text = await readText(join(directory, answerOf(id)));
      return text === undefined ? undefined : readAnswer(text);
    },
    withdraw: (id) =>
      unwritable(path, async () => {
        for (const name of [id, answerOf(id)]) await rm(join(directory, name), { force: true });
      }),
    close: () => {},
  };
}

/** Root gives orders to a scheduler that runs as a user of its own, which has to remove them. */
async function likeItsParent(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dirname(path));
  await chown(path, uid, gid);
}

class FileStore implements Store {
  /** Never fires: the lock goes with the process. */
  readonly lost: AbortSignal = new AbortController().signal;
  readonly #path: string;
  readonly #lock: FileHandle;
  /** Nobody else writes while the lock is held. */
  #kept: ClusterRecord | undefined;

  constructor(path: string, lock: FileHandle, kept: ClusterRecord | undefined) {
    this.#path = path;
    this.#lock = lock;
    this.#kept = kept;
  }

  get place(): string {
    return this.#path;
  }

  load(): Promise<ClusterRecord | undefined> {
    return Promise.resolve(this.#kept);
  }

  /** Written aside, fsynced, renamed over, and the directory fsynced: after a power cut it is the old record or the new. */
  async save(record: ClusterRecord): Promise<void> {
    await this.#replace(this.#path, writeRecord(record));
    this.#kept = record;
  }

  /** In a file of its own beside the record: the record may then be shown to whoever looks into a problem. */
  async keyPair(): Promise<SchedulerKey> {
    const path = `${this.#path}.key`;
    const kept = await readText(path);
    const pem = kept ?? newKeyPem();
    if (kept === undefined) await this.#replace(path, pem);
    return readKey(pem, path);
  }

  async orders(): Promise<readonly GivenOrder[]> {
    const directory = ordersOf(this.#path);
    const names = await readdir(directory).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw new CodedError('STATE_UNWRITABLE', `cannot read ${directory}: ${messageOf(error)}`);
    });
    const given: GivenOrder[] = [];
    for (const name of names.sort()) {
      if (!isOrderId(name)) {
        await removeIfOld(join(directory, name));
        continue;
      }
      const text = await readText(join(directory, name));
      // It may have been withdrawn since.
      if (text !== undefined) given.push(readOrder(name, text));
    }
    return given;
  }

  async answerOrder(id: string, answer: OrderAnswer): Promise<void> {
    const directory = ordersOf(this.#path);
    await unwritable(this.#path, async () => {
      await place(join(directory, answerOf(id)), JSON.stringify(answer));
      await rm(join(directory, id), { force: true });
    });
  }

  async probe(): Promise<void> {
    await unwritable(this.#path, async () => {
      const aside = asideOf(this.#path);
      await writeAside(aside, '');
      await rm(aside);
    });
  }

  async close(): Promise<void> {
    // The lock file stays: were it removed, a third process could lock a new one while a second waits for the old.
    await this.#lock.close().catch(() => {});
  }

  async #replace(path: string, text: string): Promise<void> {
    await unwritable(path, () => place(path, text));
  }
}

const ordersOf = (path: string): string => `${path}.orders`;
const answerOf = (id: string): string => `${id}.answer`;
const asideOf = (path: string): string => `${path}.new`;

/**
 * Whoever reads it finds all of it, or what was there before; also after a power cut.
 * @param prepare done to the file before it is there
 */
async function place(path: string, text: string, prepare?: (aside: string) => Promise<void>): Promise<void> {
  await writeAside(asideOf(path), text);
  await prepare?.(asideOf(path));
  await rename(asideOf(path), path);
  await fsyncDirectory(dirname(path));
}

/** An answer that nobody took, since whoever gave the order has ended. */
async function removeIfOld(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined && Date.now() - stats.mtimeMs > answersKeptS * 1000)
    await rm(path, { force: true });
}

async function writeAside(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Node has no flock(2); util-linux's `flock` takes it on the open file that is handed down, which stays locked as long as
 * this process keeps it open, and no longer, however it ends.
 */
async function takeLock(lock: FileHandle, path: string): Promise<void> {
  const { status, error, stderr } = spawnSync('flock', ['--nonblock', '--conflict-exit-code', '75', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', lock.fd],
    encoding: 'utf8',
  });
  if (status === 0) {
    // Only for the message below: the lock is the kernel's.
    await lock.truncate(0);
    await lock.write(String(process.pid));
    return;
  }
  if (status === 75) {
    const holder = (await readFile(`${path}.lock`, 'utf8')).trim();
    throw new CodedError(
      'STATE_LOCKED',
      `another scheduler (process ${holder}) runs with ${path}: stop it first, or give this one a state file of its own`,
    );
  }
  throw new CodedError('STATE_UNWRITABLE', `cannot lock ${path}: ${error?.message ?? stderr.trim()}`);
}

async function readKept(path: string): Promise<ClusterRecord | undefined> {
  const text = await readText(path);
  return text === undefined ? undefined : readRecord(text, path);
}

/** Undefined where there is no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new CodedError('STATE_UNWRITABLE', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** As `mkdir -p`. Node's own `recursive` never returns below /proc and its like (seen with Node 20.20). */
async function makeDirectory(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await make();
  }
}

async function fsyncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function unwritable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new CodedError(
      'STATE_UNWRITABLE',
      `cannot write ${path}: ${messageOf(error)}. Give a state file in a directory that this user can write to`,
      { cause: error },
    );
  }
}
