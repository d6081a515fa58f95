/** What a host is to be, compiled once from the settings; what of it follows from the rest. Pure. */
import { broadcastOf, formatAddress, parseAddress, parseNetwork } from '../config/addresses.js';
import type { NetworkDriver } from '../config/settings.js';
import { unescapeField } from '../local/mounts.js';

export type Part = 'network' | 'volume';

export interface HostWish {
  /** What is looked at and brought about; all of it unless the operator said otherwise. */
  readonly parts: readonly Part[];
  /** All hosts, under which they reach one another. The first makes the volume. */
  readonly hosts: readonly string[];
  readonly arbiter?: string | undefined;
  readonly volume: string;
  /** The brick's directory, on every host that has one. */
  readonly brick: string;
  /** Whether a brick may lie on the root file system. */
  readonly brickOnRoot: boolean;
  /** Where the volume is mounted, on every host. */
  readonly shared: string;
  readonly network: string;
  readonly subnet: string;
  readonly driver: NetworkDriver;
  readonly parent?: string | undefined;
  readonly gateway?: string | undefined;
  /** Networks that Calico lets in, beside the hosts. */
  readonly admit: readonly string[];
  /** The nodes' addresses, which no trial may take. */
  readonly ips: readonly string[];
  /** The nodes' image, with which a trial container is made. */
  readonly image?: string | undefined;
}

/** More copies than three are no safer against what loses a quorum, and each write waits for all of them. */
const mostBricks = 3;

/** The hosts with bricks, in the order of the bricks: GlusterFS takes the last of a set for its arbiter. */
export function brickHosts({ hosts, arbiter }: Pick<HostWish, 'hosts' | 'arbiter'>): string[] {
  const chosen = hosts.slice(0, mostBricks);
  return arbiter === undefined ? chosen : [...chosen.filter((host) => host !== arbiter), arbiter];
}

/** `gluster volume create …`, with what makes it safe or as safe as so many hosts can. */
export function createVolume(wish: HostWish): string[] {
  const bricks = brickHosts(wish);
  const copies =
    wish.arbiter !== undefined
      ? ['replica', '2', 'arbiter', '1']
      : bricks.length === 1
        ? []
        : ['replica', String(bricks.length)];
  const where = bricks.map((host) => `${host}:${wish.brick}`);
  return [
    ...['volume', 'create', wish.volume, ...copies, 'transport', 'tcp', ...where],
    ...(wish.brickOnRoot ? ['force'] : []),
  ];
}

export interface VolumeOption {
  readonly name: string;
  /** What `prepare` sets. */
  readonly value: string;
  /** What is as good. */
  readonly accepts: (value: string) => boolean;
  readonly why: string;
}

/** The words that GlusterFS takes for it. */
export const isOff = (value: string): boolean => /^(off|disable|no|false|0)$/i.test(value);

const off = (name: string, why: string): VolumeOption => ({
  name,
  value: 'off',
  accepts: isOff,
  why,
});

/** FACTS, GlusterFS 1: each is there for what was measured without it. */
const options: readonly VolumeOption[] = [
  {
    name: 'network.ping-timeout',
    value: '15',
    accepts: (value) => Number(value) >= 10 && Number(value) <= 20,
    why: 'a lost host makes every call hang for so many seconds (42 by default); under 10, load drops locks',
  },
  off('performance.write-behind', 'lines of a frozen or killed writer would land later'),
  off('performance.quick-read', 'the content of small files would be seen a second late'),
  off('performance.stat-prefetch', "files' times and sizes would be seen a second late"),
];

const quorum: VolumeOption = {
  name: 'cluster.quorum-type',
  value: 'auto',
  accepts: (value) => value === 'auto',
  why: 'without it both sides of a partition write, and the files split',
};

/** The options that the volume is to have; a quorum is asked of copies only. */
export function volumeOptions(wish: Pick<HostWish, 'hosts'>): readonly VolumeOption[] {
  return wish.hosts.length > 1 ? [...options, quorum] : options;
}

/** The line of /etc/fstab: this host's own daemon tells of the volume, and the others do while that is down. */
export function fstabLine(wish: HostWish, self: string): string {
  const others = wish.hosts.filter((host) => host !== self);
  const backup = others.length === 0 ? '' : `,backup-volfile-servers=${others.join(':')}`;
  return `${self}:/${wish.volume} ${escapeFstab(wish.shared)} glusterfs defaults,_netdev${backup} 0 0`;
}

export interface FstabEntry {
  readonly source: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** The entries of /etc/fstab, without comments. */
export function parseFstab(text: string): FstabEntry[] {
  return text.split('\n').flatMap((line) => {
    const [source, point, type, mountOptions] = line.trim().split(/\s+/);
    if (source === undefined || source.startsWith('#') || point === undefined || type === undefined) {
      return [];
    }
    return [{ source, point: unescapeField(point), type, options: (mountOptions ?? '').split(',') }];
  });
}

const escapeFstab = (path: string) => path.replaceAll(' ', '\\040').replaceAll('\t', '\\011');

/** `docker network create …` */
export function createNetwork(wish: HostWish): string[] {
  const head = ['network', 'create', '--driver', wish.driver];
  const tail = ['--subnet', wish.subnet, wish.network];
  switch (wish.driver) {
    case 'calico':
      return [...head, '--ipam-driver', 'calico-ipam', ...tail];
    case 'bridge':
      return [...head, ...tail];
    case 'macvlan':
    case 'ipvlan': {
      const gateway = wish.gateway === undefined ? [] : ['--gateway', wish.gateway];
      return [...head, ...gateway, '-o', `parent=${wish.parent}`, ...tail];
    }
    default:
      return wish.driver satisfies never;
  }
}

/**
 * An address for a trial container: from the end of the subnet, another one on each host so that two hosts may be checked at
 * once, and none of a node's.
 */
export function trialAddress(
  wish: Pick<HostWish, 'subnet' | 'ips' | 'gateway'>,
  host: number,
): string | undefined {
  const network = parseNetwork(wish.subnet);
  if (network === undefined) return undefined;
  const kept = new Set([...wish.ips, wish.gateway].map((ip) => parseAddress(ip ?? '')));
  let skip = host;
  for (let address = broadcastOf(network) - 1; address > network.base + 1; address--) {
    if (kept.has(address)) continue;
    if (skip === 0) return formatAddress(address);
    skip -= 1;
  }
  return undefined;
}
