/** Which offer a node is launched on: hosts with fewest of our tasks first, a host that just failed it last. */
import type { Needs, Offer } from './model.js';

/** What is still free in the offers in hand, one entry a Mesos agent. */
export interface Host extends Needs {
  readonly agentId: string;
  readonly hostname: string;
  readonly offerIds: readonly string[];
}

/** Offers of one Mesos agent go together: an ACCEPT may name several. */
export function hostsOf(offers: readonly Offer[]): Host[] {
  const hosts = new Map<string, Host>();
  for (const offer of offers) {
    const host = hosts.get(offer.agentId);
    hosts.set(offer.agentId, {
      agentId: offer.agentId,
      hostname: offer.hostname,
      offerIds: [...(host?.offerIds ?? []), offer.id],
      cpus: (host?.cpus ?? 0) + offer.cpus,
      memMb: (host?.memMb ?? 0) + offer.memMb,
      diskMb: (host?.diskMb ?? 0) + offer.diskMb,
    });
  }
  return [...hosts.values()];
}

/** What of `needs` the host lacks, in words; undefined when it fits. Mesos counts scalars to three decimals. */
export function lackOf(host: Needs, needs: Needs): string | undefined {
  const lacks = (['cpus', 'memMb', 'diskMb'] as const).filter(
    (kind) => Math.round(host[kind] * 1000) < Math.round(needs[kind] * 1000),
  );
  if (lacks.length === 0) return undefined;
  return lacks.map((kind) => `${kind} ${host[kind]} of ${needs[kind]}`).join(', ');
}

/**
 * The best host for one more task: one that does not have to be avoided, then the one with fewest of our tasks, then the
 * one with most CPUs left; the name decides ties, so that a decision can be repeated.
 */
export function bestHost(
  hosts: readonly Host[],
  needs: Needs,
  tasksOn: (hostname: string) => number,
  avoidAgentId: string | undefined,
): Host | undefined {
  const avoided = (host: Host): number => (host.agentId === avoidAgentId ? 1 : 0);
  return hosts
    .filter((host) => lackOf(host, needs) === undefined)
    .sort(
      (a, b) =>
        avoided(a) - avoided(b) ||
        tasksOn(a.hostname) - tasksOn(b.hostname) ||
        b.cpus - a.cpus ||
        a.hostname.localeCompare(b.hostname),
    )[0];
}

/** The host with one task's needs taken off. */
export function without(host: Host, needs: Needs): Host {
  return {
    ...host,
    cpus: host.cpus - needs.cpus,
    memMb: host.memMb - needs.memMb,
    diskMb: host.diskMb - needs.diskMb,
  };
}
