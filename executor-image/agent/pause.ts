/**
 * A pause: the operator has frozen automation, and the scheduler has one node write so to etcd, for all of them. Jupyter stays with its
 * holder, or comes back to it alone; nobody leaves. What keeps Jupyter single is not touched: deadlines, looks, the key on its lease.
 */
import { keys } from './directory.js';
import type { ClientSource } from './etcd/client.js';

/** What the key says, for whoever reads it with etcdctl. */
export interface PauseRecord {
  /** ISO 8601. */
  readonly since: string;
  readonly reason?: string;
}

/** @returns what was done */
export async function beginPause(etcd: ClientSource, pause: PauseRecord): Promise<string> {
  await etcd.client.kv.put({ key: Buffer.from(keys.paused), value: Buffer.from(JSON.stringify(pause)) });
  return 'paused';
}

/** @returns what was done */
export async function endPause(etcd: ClientSource): Promise<string> {
  await etcd.client.kv.deleteRange({ key: Buffer.from(keys.paused) });
  return 'not paused';
}
