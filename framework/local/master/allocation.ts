/** Who is offered what: a pure step from the records to the offers to make. */
import { isFor } from '../../mesos/resources.js';
import type { Resource } from '../../mesos/schema/codec.js';
import { type Framework, type MasterHost, type MasterOffer, rolesOf, streamOf, usedOn } from './records.js';
import { add, allocatedTo, amountOf, contains, subtract, withoutAllocation } from './resources.js';

/** Smaller scraps are not offered (src/master/constants.hpp of Mesos: 0.01 CPU, 32 MB). */
const leastCpus = 0.01;
const leastMemMb = 32;

export interface Allocation {
  readonly frameworkId: string;
  readonly agentId: string;
  readonly role: string;
  readonly resources: Resource[];
}

export interface AllocationInput {
  readonly frameworks: readonly Framework[];
  readonly hosts: readonly MasterHost[];
  readonly offers: Iterable<MasterOffer>;
}

/** What is free of a host: of what it has, nothing that a task holds or that someone is offered. */
export function freeOn(host: MasterHost, input: AllocationInput): Resource[] {
  let taken = usedOn(host.id, input.frameworks);
  for (const offer of input.offers) if (offer.agentId === host.id) taken = add(taken, offer.resources);
  return subtract(host.registration.resources, taken);
}

/** All that is free goes out, a host's to the framework with the smallest share first, unless a filter or a SUPPRESS stands in the way. */
export function allocate(input: AllocationInput): Allocation[] {
  const offers = [...input.offers];
  const total = input.hosts.reduce<Resource[]>((sum, host) => add(sum, host.registration.resources), []);
  const shares = new Map(input.frameworks.map((f) => [f.id, shareOf(f, offers, total)]));
  const candidates = input.frameworks.filter((framework) => streamOf(framework) !== undefined);
  const result: Allocation[] = [];
  for (const host of input.hosts) {
    if (!host.connected || host.draining !== 'no') continue;
    let free = freeOn(host, { ...input, offers });
    const byShare = [...candidates].sort((a, b) => (shares.get(a.id) ?? 0) - (shares.get(b.id) ?? 0));
    for (const framework of byShare) {
      for (const role of rolesOf(framework.info)) {
        const wanted = free.filter((resource) => isFor(role, resource));
        if (amountOf(wanted, 'cpus') < leastCpus && amountOf(wanted, 'mem') < leastMemMb) continue;
        if (framework.suppressed.has(role) || isRefused(framework, role, host.id, wanted)) continue;
        const resources = allocatedTo(role, wanted);
        result.push({ frameworkId: framework.id, agentId: host.id, role, resources });
        free = subtract(free, wanted);
        shares.set(framework.id, (shares.get(framework.id) ?? 0) + dominantShare(wanted, total));
      }
    }
  }
  return result;
}

/** A filter holds back only offers of no more than what was refused (RefusedOfferFilter in Mesos' allocator). */
function isRefused(
  framework: Framework,
  role: string,
  agentId: string,
  resources: readonly Resource[],
): boolean {
  for (const filter of framework.filters) {
    if (filter.role === role && filter.agentId === agentId && contains(filter.resources, resources))
      return true;
  }
  return false;
}

function shareOf(framework: Framework, offers: readonly MasterOffer[], total: readonly Resource[]): number {
  let held: Resource[] = [];
  for (const task of framework.tasks.values()) held = add(held, withoutAllocation(task.info.resources ?? []));
  for (const offer of offers) if (offer.frameworkId === framework.id) held = add(held, offer.resources);
  return dominantShare(held, total);
}

function dominantShare(held: readonly Resource[], total: readonly Resource[]): number {
  return Math.max(
    ...['cpus', 'mem', 'disk'].map(
      (name) => amountOf(held, name) / (amountOf(total, name) || Number.POSITIVE_INFINITY),
    ),
  );
}
