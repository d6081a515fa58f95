/** A Docker network with fixed addresses that overlaps nothing this machine is on. Production has Calico; here a bridge stands in. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import {
  broadcastOf,
  formatAddress,
  formatNetwork,
  type Network,
  overlap,
  parseAddress,
  parseNetwork,
} from '../config/addresses.js';
import { CodedError } from '../errors.js';
import { mustRun, run } from './command.js';
import { instanceLabel, isStale } from './instance.js';
import { reachedHosts } from './reached-hosts.js';

export interface LocalNetwork {
  readonly name: string;
  readonly subnet: string;
  /** One address a node. */
  readonly addresses: readonly string[];
  /** Whether this run made it, and so removes it. */
  readonly made: boolean;
}

export interface EnsureNetworkOptions {
  readonly name: string;
  /** The range to use; otherwise the first free one. */
  readonly subnet?: string | undefined;
  readonly nodes: number;
  /** Whose network it will be. */
  readonly instance: string;
}

/** The ranges for documentation (RFC 5737), which no network of the world's has; then some that are private. */
export const candidateSubnets = [
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '10.213.0.0/24',
  '172.30.213.0/24',
] as const;

/** A network that is in use, and by what: for the message that refuses to overlap it. */
export interface TakenNetwork {
  readonly network: Network;
  readonly by: string;
}

/** The first candidate that overlaps nothing. */
export function chooseSubnet(
  candidates: readonly string[],
  taken: readonly TakenNetwork[],
): string | undefined {
  return candidates.find((candidate) => overlapping(candidate, taken) === undefined);
}

export function overlapping(subnet: string, taken: readonly TakenNetwork[]): TakenNetwork | undefined {
  const network = parseNetwork(subnet);
  return network && taken.find((other) => overlap(network, other.network));
}

/** Addresses from .100 on, or from the third one of a subnet too small for that; none that is taken. */
export function chooseAddresses(subnet: string, nodes: number, taken: ReadonlySet<string>): string[] {
  const network = parseNetwork(subnet);
  if (network === undefined) return [];
  const preferred = network.base + 100;
  const first = preferred + nodes <= broadcastOf(network) ? preferred : network.base + 2;
  const addresses: string[] = [];
  for (let address = first; address < broadcastOf(network) && addresses.length < nodes; address++) {
    if (!taken.has(formatAddress(address))) addresses.push(formatAddress(address));
  }
  return addresses;
}

/** The networks of this machine's interfaces, and those that it has routes to; the default route is none. */
export function hostNetworks(): TakenNetwork[] {
  const taken: TakenNetwork[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address, netmask } of addresses ?? []) {
      if (family !== 'IPv4') continue;
      const mask = parseAddress(netmask);
      const own = parseAddress(address);
      if (mask === undefined || own === undefined) continue;
      taken.push({
        network: { base: (own & mask) >>> 0, prefixLength: bitCount(mask) },
        by: `interface ${name}`,
      });
    }
  }
  return [...taken, ...parseRoutes(readRoutes())];
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch {
    return '';
  }
}

/** Reads /proc/net/route: one route a line, numbers in hexadecimal with the bytes of an address reversed. */
export function parseRoutes(table: string): TakenNetwork[] {
  const reversed = (hex: string) => Number.parseInt(hex.replace(/(..)(..)(..)(..)/, '$4$3$2$1'), 16);
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination, , , , , , mask] = line.trim().split(/\s+/);
      if (name === undefined || destination === undefined || mask === undefined) return [];
      const prefixLength = bitCount(reversed(mask));
      return prefixLength === 0
        ? []
        : [{ network: { base: reversed(destination), prefixLength }, by: `a route over ${name}` }];
    });
}

function bitCount(mask: number): number {
  return mask.toString(2).replaceAll('0', '').length;
}

/** What `docker network inspect` says of one, as far as anybody here asks. */
export interface DockerNetwork {
  readonly Name: string;
  readonly Driver: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly IPAM: {
    readonly Driver: string;
    readonly Config: readonly { readonly Subnet?: string }[] | null;
  };
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Containers: Readonly<
    Record<string, { readonly Name: string; readonly IPv4Address: string }>
  > | null;
}

export async function dockerNetworks(): Promise<DockerNetwork[]> {
  const ids = (await mustRun('DOCKER_FAILED', 'docker', ['network', 'ls', '--quiet']))
    .split(/\s+/)
    .filter(Boolean);
  if (ids.length === 0) return [];
  // A network that goes while we look makes `inspect` fail, yet it lists the others.
  const { stdout } = await run('docker', ['network', 'inspect', ...ids]);
  return JSON.parse(stdout === '' ? '[]' : stdout) as DockerNetwork[];
}

export function subnetsOf(network: DockerNetwork): string[] {
  return (network.IPAM.Config ?? []).flatMap(({ Subnet }) =>
    Subnet !== undefined && parseNetwork(Subnet) !== undefined ? [Subnet] : [],
  );
}

/**
 * Makes the network, or uses one of that name that somebody else made, where its addresses are free.
 * @throws CodedError NETWORK_OVERLAP, NETWORK_UNUSABLE
 */
export async function ensureNetwork(options: EnsureNetworkOptions): Promise<LocalNetwork> {
  const { name, nodes, instance } = options;
  const existing = await dockerNetworks();
  const same = existing.find((network) => network.Name === name);
  if (same !== undefined) {
    const owner = same.Labels?.[instanceLabel];
    if (owner === undefined) return useForeign(same, options);
    if (!isStale(owner)) {
      throw new CodedError(
        'NETWORK_UNUSABLE',
        `the Docker network ${name} belongs to another mesos-jupyter that is running (${owner}): stop that one, or give another name with --network`,
      );
    }
    await removeNetwork(name);
  }
  const others: TakenNetwork[] = existing
    .filter((network) => network.Name !== name)
    .flatMap((network) =>
      subnetsOf(network).flatMap((subnet) => {
        const parsed = parseNetwork(subnet);
        return parsed === undefined ? [] : [{ network: parsed, by: `the Docker network ${network.Name}` }];
      }),
    );
  const taken = [...others, ...hostNetworks(), ...(await reachedHosts())];
  const subnet = options.subnet ?? chooseSubnet(candidateSubnets, taken);
  if (subnet === undefined) {
    throw new CodedError(
      'NETWORK_OVERLAP',
      `this machine is on all of ${candidateSubnets.join(', ')}: give a free range with --subnet`,
    );
  }
  const conflict = overlapping(subnet, taken);
  if (conflict !== undefined) {
    const where = `${formatNetwork(conflict.network)} (${conflict.by})`;
    throw new CodedError(
      'NETWORK_OVERLAP',
      `the subnet ${subnet} overlaps ${where}: give another range with --subnet`,
    );
  }
  const addresses = chooseAddresses(subnet, nodes, new Set());
  if (addresses.length < nodes) throw tooSmall(subnet, nodes);
  await createNetwork(name, subnet, instance);
  return { name, subnet, addresses, made: true };
}

async function createNetwork(name: string, subnet: string, instance: string): Promise<void> {
  const args = [
    'network',
    'create',
    '--driver',
    'bridge',
    '--subnet',
    subnet,
    '--label',
    `${instanceLabel}=${instance}`,
    name,
  ];
  const { status, output } = await run('docker', args);
  if (status === 0) return;
  const code = /overlap/i.test(output) ? 'NETWORK_OVERLAP' : 'DOCKER_FAILED';
  throw new CodedError(code, `the Docker network ${name} on ${subnet} could not be made: ${output.trim()}`);
}

function useForeign(network: DockerNetwork, { subnet: wanted, nodes }: EnsureNetworkOptions): LocalNetwork {
  const name = network.Name;
  const cannot = (why: string) =>
    new CodedError(
      'NETWORK_UNUSABLE',
      `there is a Docker network ${name} that mesos-jupyter did not make, and ${why}: give another name with --network, or remove it with "docker network rm ${name}"`,
    );
  const subnet = subnetsOf(network)[0];
  if (subnet === undefined) throw cannot('it has no IPv4 subnet of its own, so no fixed addresses');
  if (wanted !== undefined && wanted !== subnet) throw cannot(`its subnet is ${subnet}, not ${wanted}`);
  const used = Object.values(network.Containers ?? {}).map(
    ({ IPv4Address }) => IPv4Address.split('/')[0] ?? '',
  );
  const addresses = chooseAddresses(subnet, nodes, new Set(used));
  if (addresses.length < nodes) throw cannot(`its subnet ${subnet} has not ${nodes} free addresses`);
  return { name, subnet, addresses, made: false };
}

function tooSmall(subnet: string, nodes: number): CodedError {
  return new CodedError(
    'CONFIG_INVALID',
    `the subnet ${subnet} is too small for ${nodes} nodes: give a larger range with --subnet`,
  );
}

/** Removes a network of ours; it must have no containers any more. */
export async function removeNetwork(name: string): Promise<void> {
  const { status, output } = await run('docker', ['network', 'rm', name]);
  if (status !== 0 && !/not found|no such network/i.test(output)) {
    throw new CodedError(
      'CLEANUP_FAILED',
      `the Docker network ${name} could not be removed: ${output.trim()}`,
    );
  }
}
