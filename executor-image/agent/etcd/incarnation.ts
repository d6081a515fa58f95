/**
 * Which incarnations of a node set out to join, kept in etcd itself: a member has no name until it has started, so the list
 * of members alone would not keep a task that came back from the dead from removing the newer one's.
 */
import type { Etcd3 } from 'etcd3';
import { keys } from '../directory.js';

/** The newest incarnation of `node` that ever set out to join; 0 while there was none. */
export async function newestIncarnation(client: Etcd3, node: number): Promise<number> {
  return (await client.get(keys.incarnation(node)).number()) ?? 0;
}

/**
 * Says that an incarnation sets out to join.
 * @throws when a newer one has, or when another says so in the same moment
 */
export async function claimIncarnation(client: Etcd3, node: number, incarnation: number): Promise<void> {
  const key = keys.incarnation(node);
  const [known] = (await client.get(key).exec()).kvs;
  const newest = Number(known?.value ?? 0);
  if (newest === incarnation) return;
  if (newest > incarnation) throw new Error(`incarnation ${newest} of this node has set out to join`);
  const { succeeded } = await client
    .if(key, 'Mod', '==', known?.mod_revision ?? 0)
    .then(client.put(key).value(incarnation))
    .commit();
  if (!succeeded) throw new Error('another incarnation of this node sets out to join');
}
