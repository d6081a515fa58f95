/**
 * Waits until the master at MESOS_MASTER leads and has MESOS_TARGET_AGENTS (default 1) Mesos agents or more, for MESOS_TARGET_WAIT_S
 * seconds (default 180): a container with systemd, ZooKeeper and Docker inside takes its time. Ends with 1 and what is missing.
 */
import { messageOf } from '../../framework/errors.js';
import { waitFor } from '../support/wait.js';

interface Slaves {
  readonly slaves: readonly { readonly hostname: string; readonly active: boolean }[];
}

const master = (process.env['MESOS_MASTER'] ?? '').replace(/\/+$/, '');
const wanted = Number(process.env['MESOS_TARGET_AGENTS'] || 1);
const limitS = Number(process.env['MESOS_TARGET_WAIT_S'] || 180);

async function ask<T>(path: string): Promise<T> {
  // One that does not lead answers 307 to the leader, or 503 while nobody leads.
  const response = await fetch(`${master}${path}`, { signal: AbortSignal.timeout(5000) }).catch((error) => {
    throw new Error(`${master}: ${messageOf(error instanceof Error && error.cause ? error.cause : error)}`);
  });
  if (!response.ok) throw new Error(`${master}${path} answers ${response.status}`);
  return (await response.json()) as T;
}

try {
  const agents = await waitFor(`${wanted} Mesos agents`, limitS * 1000, async () => {
    const { slaves } = await ask<Slaves>('/master/slaves');
    const active = slaves.filter((slave) => slave.active).map(({ hostname }) => hostname);
    if (active.length < wanted) throw new Error(`${active.length} registered`);
    return { active };
  });
  const { version } = await ask<{ version: string }>('/version');
  process.stdout.write(`Mesos ${version} at ${master}, agents: ${agents.active.join(', ')}\n`);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
