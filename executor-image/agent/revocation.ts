/** Mesos' word that a task is dead: its leases end now, rather than by time. */
import type { IRangeResponse } from 'etcd3';
import { bootClockMs, sleep } from './clock.js';
import { keys, parseRecord } from './directory.js';
import { messageOf } from './errors.js';
import type { ClientSource } from './etcd/client.js';

type KeyValues = IRangeResponse['kvs'];

/** An election has to be over first, when the task's member was the leader. */
const tryForMs = 4000;
const tryEveryMs = 50;

/**
 * The leases of a task's heartbeat and notebook key. Only of keys that name this very task: word of an old one never
 * touches a newer.
 */
export function leasesOf(kvs: KeyValues, taskId: string): string[] {
  return kvs
    .filter(({ key, lease }) => {
      const name = key.toString();
      return lease !== '0' && (name === keys.notebook || name.startsWith(keys.heartbeats));
    })
    .filter(({ value }) => parseRecord(value.toString())?.taskId === taskId)
    .map(({ lease }) => lease);
}

/**
 * Ends the leases of a task that is proven dead; resolves with their number.
 * @throws when there is no leader for too long
 */
export async function revokeLeasesOf(taskId: string, etcd: ClientSource): Promise<number> {
  const until = bootClockMs() + tryForMs;
  for (;;) {
    try {
      const { kvs } = await etcd.client.kv.range({ key: Buffer.from('/'), range_end: Buffer.from('0') });
      const leases = leasesOf(kvs, taskId);
      await Promise.all(leases.map((ID) => etcd.client.leaseClient.leaseRevoke({ ID }).catch(unlessGone)));
      return leases.length;
    } catch (error) {
      if (bootClockMs() >= until) throw error;
      await sleep(tryEveryMs);
    }
  }
}

/** All survivors are told, and one of them is first. */
function unlessGone(error: unknown): void {
  if (!/lease not found/i.test(messageOf(error))) throw error;
}
