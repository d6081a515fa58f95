/** Which offer a node is launched on: hosts with fewest of our tasks first, a host that just failed it last. */
import { allows, type Constraint, describe, type Place } from './constraints.js';
import type { Misfit, Needs, Offer } from './model.js';

/** What is still free in the offers in hand, one entry a Mesos agent. */
export interface Host extends Needs, Place {
  readonly agentId: string;
  readonly offerIds: readonly string[];
  /** Maintenance is announced for it. */
  readonly unavailable: boolean;
}

/** Offers of one Mesos agent go together: an ACCEPT may name several. */
export function hostsOf(offers: readonly Offer[]): Host[] {
  const hosts = new Map<string, Host>();
  for (const offer of offers) {
    const host = hosts.get(offer.agentId);
    hosts.set(offer.agentId, {
      agentId: offer.agentId,
      hostname: offer.hostname,
      attributes: offer.attributes,
      unavailable: offer.unavailable,
      offerIds: [...(host?.offerIds ?? []), offer.id],
      cpus: (host?.cpus ?? 0) + offer.cpus,
      memMb: (host?.memMb ?? 0) + offer.memMb,
      diskMb: (host?.diskMb ?? 0) + offer.diskMb,
    });
  }
  return [...hosts.values()];
}

/** What one more task asks of a host. */
export interface Demand {
  readonly needs: Needs;
  readonly constraints: readonly Constraint[];
  /** Hosts of the tasks that live. */
  readonly others: readonly Place[];
}

const kinds = ['cpus', 'memMb', 'diskMb'] as const;

/** Mesos counts scalars to three decimals. */
const isEnough = (has: number, needs: number): boolean => Math.round(has * 1000) >= Math.round(needs * 1000);

/** What the host does not meet, each in a few words that are the same for every host; empty when it fits. */
function unmet(host: Host, { needs, constraints, others }: Demand, hosts: readonly Host[]): string[] {
  return [
    ...kinds
      .filter((kind) => !isEnough(host[kind], needs[kind]))
      .map((kind) => `${kind} (${needs[kind]} needed)`),
    ...constraints
      .filter((constraint) => !allows(constraint, host, others, hosts))
      .map((constraint) => `the constraint ${describe(constraint)}`),
  ];
}

/** Why none of the hosts fits: each need that was not met, and by how many of them. The first thing that an operator asks. */
export function whyNone(hosts: readonly Host[], demand: Demand): string {
  const counts = new Map<string, number>();
  for (const host of hosts) {
    for (const need of unmet(host, demand, hosts)) counts.set(need, (counts.get(need) ?? 0) + 1);
  }
  return [...counts].map(([need, count]) => `${count} of ${hosts.length} do not meet ${need}`).join(', ');
}

/** The same, host by host. */
export function misfitsOf(hosts: readonly Host[], demand: Demand, nowMs: number): Misfit[] {
  return hosts.map((host) => ({
    agentId: host.agentId,
    hostname: host.hostname,
    unmet: unmet(host, demand, hosts),
    atMs: nowMs,
  }));
}

/** A Mesos agent whose host failed the node, and how often in a row. */
export interface Avoidance {
  readonly agentId: string;
  readonly failures: number;
}

/**
 * The best host for one more task: one without announced maintenance, then the one with fewest of our tasks, then the one with
 * most CPUs left; the name decides ties, so that a decision can be repeated. A host that just failed the node counts as if it
 * had one more task for each failure in a row but the first: one failure is not worth two nodes on one host, a crash loop is.
 */
export function bestHost(
  hosts: readonly Host[],
  demand: Demand,
  avoidance: Avoidance | undefined,
): Host | undefined {
  const load = (host: Host): number => {
    const tasks = demand.others.filter(({ hostname }) => hostname === host.hostname).length;
    // Half a task, so that of two hosts with equally many the other one is taken.
    return avoidance?.agentId === host.agentId ? tasks + avoidance.failures - 0.5 : tasks;
  };
  return hosts
    .filter((host) => unmet(host, demand, hosts).length === 0)
    .sort(
      (a, b) =>
        Number(a.unavailable) - Number(b.unavailable) ||
        load(a) - load(b) ||
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
