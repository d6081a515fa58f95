/** Looks at a host. It changes nothing but for what it uses: a file on the volume, a container; and nothing that it does can hang. */
import { lookup } from 'node:dns/promises';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname } from 'node:path';
import { messageOf } from '../errors.js';
import { isRoot } from '../local/as-root.js';
import { lastLines, run } from '../local/command.js';
import { findProgram, isDebianLike, probeEngine } from '../local/docker.js';
import { mountAt, readMounts } from '../local/mounts.js';
import { dockerNetworks, hostNetworks, overlapping, subnetsOf } from '../local/network.js';
import { reachedHosts } from '../local/reached-hosts.js';
import { parseResources } from './calico.js';
import { parseBricksDown, parsePeers, parseVolume } from './gluster.js';
import type {
  BrickSeen,
  CalicoSeen,
  DockerSeen,
  GlusterSeen,
  NetworkSeen,
  Observation,
} from './observation.js';
import { tryAddress } from './trial.js';
import { lookAtDirectory, useVolume } from './volume-use.js';
import { type HostWish, trialAddress } from './wish.js';

/** GlusterFS' own calls wait for two minutes for a lock; one that answers at all answers in a second. */
const commandLimitMs = 30_000;
const glusterPort = 24_007;
const connectLimitMs = 3_000;

const unasked: DockerSeen = { kind: 'silent', why: 'it was not asked' };

export interface ObserveOptions {
  /** Whether a container is started at a fixed address. */
  readonly tries: boolean;
}

export async function observe(wish: HostWish, { tries }: ObserveOptions): Promise<Observation> {
  const ownAddresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address),
  );
  const ofVolume = wish.parts.includes('volume');
  const hosts = await Promise.all(
    wish.hosts.map(async (host) => ({
      host,
      addresses: await addressesOf(host),
      answers: ofVolume && (await takesConnections(host)),
    })),
  );
  const place = hosts.findIndex(({ addresses }) =>
    addresses.some((address) => ownAddresses.includes(address)),
  );
  const self = place < 0 ? undefined : place;
  const mount = mountAt(readMounts(), wish.shared);
  const [docker, gluster, use, directory] = await Promise.all([
    wish.parts.includes('network') ? seeDocker(wish, self ?? 0, tries) : unasked,
    ofVolume ? seeGluster(wish.volume) : ({ kind: 'absent' } as const),
    ofVolume && mount !== undefined
      ? useVolume(wish.shared, `.mesos-jupyter-check-${self ?? 'x'}`)
      : undefined,
    mount === undefined ? lookAtDirectory(wish.shared) : ({ kind: 'empty' } as const),
  ]);
  const programs = ['gluster', 'glusterd', 'mount.glusterfs'];
  return {
    isRoot,
    isDebianLike: isDebianLike(),
    hasSystemd: existsSync('/run/systemd/system'),
    missingPrograms: [...(ofVolume ? programs : []), 'curl'].filter(
      (name) => findProgram(name) === undefined,
    ),
    self,
    ownAddresses,
    hosts,
    docker,
    gluster,
    brick: seeBrick(wish.brick),
    directory,
    mount,
    use,
    fstab: readOrNothing('/etc/fstab'),
  };
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host, { all: true, family: 4 }).catch(() => []);
  return found.map(({ address }) => address);
}

function takesConnections(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: glusterPort, timeout: connectLimitMs });
    const end = (answers: boolean) => {
      socket.destroy();
      resolve(answers);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
  });
}

function seeBrick(brick: string): BrickSeen {
  const parent = dirname(brick);
  let nearest = parent;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  return { parentIsThere: nearest === parent, isOnRoot: statSync(nearest).dev === statSync('/').dev };
}

async function seeGluster(volume: string): Promise<GlusterSeen> {
  if (findProgram('gluster') === undefined) return { kind: 'absent' };
  const gluster = (...args: string[]) =>
    run('gluster', ['--mode=script', ...args], { timeoutMs: commandLimitMs, env: { LC_ALL: 'C' } });
  const peers = await gluster('peer', 'status');
  if (peers.status !== 0) return { kind: 'silent', why: lastLines(peers.output, 1).trim() };
  const info = await gluster('volume', 'info', volume);
  if (info.status !== 0) {
    return { kind: 'answers', peers: parsePeers(peers.stdout), volume: undefined, bricksDown: [] };
  }
  const seen = parseVolume(info.stdout);
  const status = seen.started ? (await gluster('volume', 'status', volume, 'detail')).stdout : '';
  return {
    kind: 'answers',
    peers: parsePeers(peers.stdout),
    volume: seen,
    bricksDown: parseBricksDown(status),
  };
}

async function seeDocker(wish: HostWish, self: number, tries: boolean): Promise<DockerSeen> {
  const probe = await probeEngine();
  if (probe.kind !== 'answers') return { kind: 'silent', why: probe.reason };
  const docker = (...args: string[]) => run('docker', args, { timeoutMs: commandLimitMs });
  const version = (await docker('version', '--format', '{{.Server.Version}}')).stdout.trim();
  const named = (await docker('info', '--format', '{{range .Plugins.Network}}{{.}} {{end}}')).stdout;
  const network = await seeNetwork(wish.network);
  const image = wish.image;
  const imageIsThere =
    image !== undefined && (await docker('image', 'inspect', '--format', '{{.Id}}', image)).status === 0;
  const address = trialAddress(wish, self);
  const trial =
    tries && imageIsThere && network?.driver === wish.driver && address !== undefined
      ? await tryAddress(wish.network, address, image)
      : undefined;
  return {
    kind: 'answers',
    version,
    drivers: [...named.trim().split(/\s+/), ...pluginFiles()],
    network,
    overlap: network === undefined ? await overlapOf(wish) : undefined,
    // Also one without an address, which Node.js does not list.
    parentIsThere: wish.parent === undefined || existsSync(`/sys/class/net/${wish.parent}`),
    calico: wish.driver === 'calico' ? await seeCalico(wish.network) : { kind: 'unasked' },
    imageIsThere,
    trial,
  };
}

async function seeNetwork(name: string): Promise<NetworkSeen | undefined> {
  const found = (await dockerNetworks()).find((network) => network.Name === name);
  if (found === undefined) return undefined;
  return {
    driver: found.Driver,
    ipamDriver: found.IPAM.Driver,
    subnets: subnetsOf(found),
    parent: found.Options?.['parent'],
  };
}

/** Where Docker looks for plugins that are no images of its own: a socket, or a file that says where one is. */
function pluginFiles(): string[] {
  return ['/run/docker/plugins', '/etc/docker/plugins', '/usr/lib/docker/plugins'].flatMap((directory) =>
    existsSync(directory)
      ? readdirSync(directory)
          .filter((name) => /\.(sock|spec|json)$/.test(name))
          .map((name) => name.replace(/\.\w+$/, ''))
      : [],
  );
}

/** A bridge over a network that this host is on would cut it off; macvlan and ipvlan are meant to be on it. */
async function overlapOf({ driver, subnet }: HostWish): Promise<string | undefined> {
  if (driver === 'macvlan' || driver === 'ipvlan') return undefined;
  // Calico routes parts of its pool to other hosts, which is no overlap.
  const taken =
    driver === 'calico'
      ? hostNetworks().filter(({ by }) => /^interface (?!tunl|cali)/.test(by))
      : [...hostNetworks(), ...(await reachedHosts())];
  return overlapping(subnet, taken)?.by;
}

async function seeCalico(network: string): Promise<CalicoSeen> {
  if (findProgram('calicoctl') === undefined)
    return { kind: 'trouble', why: 'there is no calicoctl command' };
  const get = (...what: string[]) =>
    run('calicoctl', ['get', ...what, '-o', 'yaml'], { timeoutMs: commandLimitMs });
  const pools = await get('ipPool');
  const profile = await get('profile', network);
  const isAbsent = profile.status !== 0 && /not exist|not found/i.test(profile.output);
  for (const { status, output } of isAbsent ? [pools] : [pools, profile]) {
    if (status !== 0) return { kind: 'trouble', why: `calicoctl: ${lastLines(output, 1).trim()}` };
  }
  try {
    return {
      kind: 'answers',
      pools: parseResources(pools.stdout).flatMap(({ metadata }) => metadata.cidr ?? []),
      profile: isAbsent ? undefined : parseResources(profile.stdout)[0],
    };
  } catch (error) {
    return { kind: 'trouble', why: `calicoctl printed what is no list of resources: ${messageOf(error)}` };
  }
}

function readOrNothing(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
