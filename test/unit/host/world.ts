/** A host on which all is well, and what tests change of it. */
import type { Fact, Subject } from '../../../framework/host/facts.js';
import { judge } from '../../../framework/host/judge.js';
import type { DockerSeen, GlusterSeen, Observation } from '../../../framework/host/observation.js';
import { fstabLine, type HostWish } from '../../../framework/host/wish.js';

export const wish: HostWish = {
  parts: ['network', 'volume'],
  hosts: ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  volume: 'glustervol',
  brick: '/data/glusterfs/brick',
  brickOnRoot: false,
  shared: '/home/pkusei/gfsmount',
  network: 'calico',
  subnet: '192.0.2.0/24',
  driver: 'bridge',
  admit: [],
  ips: ['192.0.2.100', '192.0.2.101', '192.0.2.102'],
  image: 'node:1',
};

export const docker: Extract<DockerSeen, { kind: 'answers' }> = {
  kind: 'answers',
  version: '20.10.24',
  drivers: ['bridge', 'host', 'macvlan', 'null', 'overlay'],
  network: { driver: 'bridge', ipamDriver: 'default', subnets: ['192.0.2.0/24'], parent: undefined },
  overlap: undefined,
  parentIsThere: true,
  calico: { kind: 'unasked' },
  imageIsThere: true,
  trial: { kind: 'ran', address: '192.0.2.254', got: '192.0.2.254', reached: true },
};

export const gluster: Extract<GlusterSeen, { kind: 'answers' }> = {
  kind: 'answers',
  peers: [
    { names: ['10.0.0.2'], connected: true },
    { names: ['host-3', '10.0.0.3'], connected: true },
  ],
  volume: {
    started: true,
    type: 'Replicate',
    bricks: [1, 2, 3].map((number) => `10.0.0.${number}:/data/glusterfs/brick`),
    hasArbiter: false,
    options: new Map([
      ['network.ping-timeout', '15'],
      ['performance.write-behind', 'off'],
      ['performance.quick-read', 'off'],
      ['performance.stat-prefetch', 'off'],
      ['cluster.quorum-type', 'auto'],
    ]),
  },
  bricksDown: [],
};

export const well: Observation = {
  isRoot: true,
  isDebianLike: true,
  hasSystemd: true,
  missingPrograms: [],
  self: 0,
  ownAddresses: ['127.0.0.1', '10.0.0.1'],
  hosts: wish.hosts.map((host) => ({ host, addresses: [host], answers: true })),
  docker,
  gluster,
  brick: { parentIsThere: true, isOnRoot: false },
  directory: { kind: 'empty' },
  mount: { type: 'fuse.glusterfs', source: '10.0.0.1:/glustervol' },
  use: { kind: 'works', writesBehind: false },
  fstab: `${fstabLine(wish, '10.0.0.1')}\n`,
};

/** Nothing is installed yet. */
export const bare: Observation = {
  ...well,
  missingPrograms: ['gluster', 'glusterd', 'mount.glusterfs', 'curl'],
  hosts: well.hosts.map((host) => ({ ...host, answers: false })),
  docker: { kind: 'silent', why: 'there is no docker command' },
  gluster: { kind: 'absent' },
  brick: { parentIsThere: false, isOnRoot: false },
  directory: { kind: 'absent' },
  mount: undefined,
  use: undefined,
  fstab: '# /etc/fstab\n',
};

export function factOf(subject: Subject, seen: Partial<Observation>, wanted: Partial<HostWish> = {}): Fact {
  const fact = judge({ ...wish, ...wanted }, { ...well, ...seen }).find((one) => one.subject === subject);
  if (fact === undefined) throw new Error(`no fact is called ${subject}`);
  return fact;
}
