/**
 * Calico 2.6's resources as `calicoctl` takes and gives them: the pool behind the network, and the profile that says who reaches the
 * nodes. Pure. The network's own profile admits the same network only, so that a scheduler sees the nodes of its own host alone
 * and no browser sees Jupyter (FACTS, Calico 5).
 */
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { ports } from '../../executor-image/contract.js';

const rule = z.looseObject({
  action: z.string().optional(),
  protocol: z.union([z.string(), z.number()]).optional(),
  source: z.looseObject({ nets: z.array(z.string()).optional() }).optional(),
  destination: z.looseObject({ ports: z.array(z.union([z.number(), z.string()])).optional() }).optional(),
});
const resource = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string().optional(), cidr: z.string().optional() }),
  spec: z.looseObject({ ingress: z.array(rule).optional() }).optional(),
});
export type Resource = z.output<typeof resource>;

/** Reads `calicoctl get … -o yaml`: one resource or a list of them. @throws where it is neither */
export function parseResources(text: string): Resource[] {
  const found: unknown = parse(text) ?? [];
  return z.array(resource).parse(Array.isArray(found) ? found : [found]);
}

export const renderResource = (resource: Resource): string => stringify(resource);

/** The ports that hosts and browsers need: the node agent's and Jupyter's. */
const admittedPorts = [ports.nodeAgent, ports.control, ports.notebook];

/** Whether the profile lets these networks in to the nodes' ports. */
export function admits(profile: Resource, networks: readonly string[]): boolean {
  const admitted = new Set<string>();
  for (const { action, protocol, source, destination } of profile.spec?.ingress ?? []) {
    if (action !== 'allow' || (protocol !== undefined && protocol !== 'tcp')) continue;
    const to = destination?.ports?.map(Number);
    if (to !== undefined && !admittedPorts.every((port) => to.includes(port))) continue;
    for (const network of source?.nets ?? []) admitted.add(network);
  }
  return networks.every((network) => admitted.has(network));
}

/**
 * The profile of the network with a rule more, or the one that Calico's plugin would make itself at the first container, with it.
 * What it has already stays: the operator may have put it there.
 */
export function admittingProfile(
  network: string,
  existing: Resource | undefined,
  networks: readonly string[],
): Resource {
  const admitting = {
    action: 'allow',
    protocol: 'tcp',
    source: { nets: [...networks] },
    destination: { ports: [...admittedPorts] },
  };
  const base: Resource = existing ?? {
    apiVersion: 'v1',
    kind: 'profile',
    metadata: { name: network, tags: [network] },
    spec: { ingress: [{ action: 'allow', source: { tag: network } }], egress: [{ action: 'allow' }] },
  };
  return { ...base, spec: { ...base.spec, ingress: [...(base.spec?.ingress ?? []), admitting] } };
}

/** The subnet of a Docker network must be exactly a pool's (FACTS, Calico 4). IPIP only between subnets, where it is needed. */
export function poolOf(subnet: string): Resource {
  return {
    apiVersion: 'v1',
    kind: 'ipPool',
    metadata: { cidr: subnet },
    spec: { ipip: { enabled: true, mode: 'cross-subnet' }, 'nat-outgoing': true },
  };
}
