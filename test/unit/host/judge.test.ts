import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cureOf, describeStep, type Subject } from '../../../framework/host/facts.js';
import { judge } from '../../../framework/host/judge.js';
import type { Observation } from '../../../framework/host/observation.js';
import { openFacts } from '../../../framework/host/prepare.js';
import type { HostWish } from '../../../framework/host/wish.js';
import { bare, docker, factOf, gluster, well, wish } from './world.js';

test('a host on which all is well has good facts only, and no step', () => {
  const facts = judge(wish, well);
  assert.deepEqual(
    facts.filter(({ verdict }) => verdict !== 'good'),
    [],
  );
});

test('the plan of a bare first host is the whole way, and stops at hosts that do not answer', () => {
  const plan = openFacts(judge(wish, bare)).map(({ subject, remedy }) =>
    remedy.kind === 'steps' ? remedy.steps.map(describeStep) : `${subject}: ${remedy.kind}`,
  );
  assert.deepEqual(plan, [
    ['apt-get install glusterfs-server glusterfs-client curl'],
    ['install Docker (apt-get install docker.io) where it is not there, and start it'],
    ['docker network create --driver bridge --subnet 192.0.2.0/24 calico'],
    ['systemctl enable --now glusterd'],
    ['mkdir -p /data/glusterfs'],
    'peers: others',
    [
      'gluster --mode=script volume create glustervol replica 3 transport tcp 10.0.0.1:/data/glusterfs/brick 10.0.0.2:/data/glusterfs/brick 10.0.0.3:/data/glusterfs/brick',
      'gluster --mode=script volume start glustervol',
    ],
    [
      'gluster --mode=script volume set glustervol network.ping-timeout 15 performance.write-behind off performance.quick-read off performance.stat-prefetch off cluster.quorum-type auto',
    ],
    ['mkdir -p /home/pkusei/gfsmount'],
    [
      'append to /etc/fstab: 10.0.0.1:/glustervol /home/pkusei/gfsmount glusterfs defaults,_netdev,backup-volfile-servers=10.0.0.2:10.0.0.3 0 0',
    ],
    ['mount /home/pkusei/gfsmount'],
  ]);
});

test('another host than the first leaves pool and volume to it', () => {
  const open = openFacts(judge(wish, { ...bare, self: 2 }));
  const others = open.filter(({ remedy }) => remedy.kind === 'others');
  assert.deepEqual(
    others.map(({ subject }) => subject),
    ['peers', 'volume'],
  );
  for (const fact of others) assert.match(cureOf(fact) ?? '', /^on 10\.0\.0\.1, once GlusterFS runs here/);
});

interface Case {
  readonly what: string;
  readonly subject: Subject;
  readonly seen: Partial<Observation>;
  readonly wanted?: Partial<HostWish>;
  readonly verdict: 'good' | 'warning' | 'missing';
  readonly says: RegExp;
  readonly cure?: RegExp;
}

const { volume } = gluster;
if (volume === undefined) throw new Error('the world has no volume');
const withVolume = (changes: Partial<typeof volume>): Partial<Observation> => ({
  gluster: { ...gluster, volume: { ...volume, ...changes } },
});

const cases: readonly Case[] = [
  {
    what: 'a host that is none of the hosts',
    subject: 'hosts',
    seen: { self: undefined },
    verdict: 'missing',
    says: /of which none is among the hosts/,
  },
  {
    what: 'a name that means another machine everywhere',
    subject: 'hosts',
    seen: { hosts: [{ host: 'h1', addresses: ['127.0.1.1'], answers: true }] },
    verdict: 'missing',
    says: /h1 is 127\.0\.1\.1 here/,
    cure: /\/etc\/hosts/,
  },
  {
    what: 'a brick on the root file system',
    subject: 'brick',
    seen: { brick: { parentIsThere: true, isOnRoot: true } },
    verdict: 'missing',
    says: /root file system/,
    cure: /--brick-on-root/,
  },
  {
    what: 'a brick on the root file system that the operator wants',
    subject: 'brick',
    seen: { brick: { parentIsThere: true, isOnRoot: true } },
    wanted: { brickOnRoot: true },
    verdict: 'warning',
    says: /root file system/,
  },
  {
    what: 'two copies',
    subject: 'volume',
    seen: withVolume({ bricks: volume.bricks.slice(0, 2) }),
    verdict: 'warning',
    says: /cannot be both safe and available/,
    cure: /add-brick glustervol replica 3 arbiter 1/,
  },
  {
    what: 'one copy',
    subject: 'volume',
    seen: withVolume({ type: 'Distribute', bricks: volume.bricks.slice(0, 1) }),
    verdict: 'warning',
    says: /one copy only/,
  },
  {
    what: 'a volume that somebody stopped',
    subject: 'volume',
    seen: withVolume({ started: false }),
    verdict: 'missing',
    says: /is stopped/,
    cure: /volume start glustervol/,
  },
  {
    what: 'options that somebody changed',
    subject: 'options',
    seen: withVolume({ options: new Map([...volume.options, ['network.ping-timeout', '42']]) }),
    verdict: 'missing',
    says: /network\.ping-timeout is 42, not 15/,
    cure: /volume set glustervol network\.ping-timeout 15$/,
  },
  {
    what: 'a ping timeout that is as good',
    subject: 'options',
    seen: withVolume({ options: new Map([...volume.options, ['network.ping-timeout', '20']]) }),
    verdict: 'good',
    says: /network\.ping-timeout 20/,
  },
  {
    what: 'a daemon that does not answer',
    subject: 'peers',
    seen: { self: 1, gluster: { kind: 'silent', why: 'Connection failed' } },
    verdict: 'missing',
    says: /not in one pool/,
    cure: /mend "glusterd" first/,
  },
  {
    what: 'files of the disk where the volume should be',
    subject: 'directory',
    seen: { mount: undefined, use: undefined, directory: { kind: 'filled' } },
    verdict: 'missing',
    says: /which a mount would hide/,
    cure: /move them away/,
  },
  {
    what: 'another volume in the place of ours',
    subject: 'mount',
    seen: { mount: { type: 'fuse.glusterfs', source: '10.0.0.1:/other' } },
    verdict: 'missing',
    says: /another volume/,
    cure: /^unmount it/,
  },
  {
    what: 'a file system that is no GlusterFS',
    subject: 'mount',
    seen: { mount: { type: 'ext4', source: '/dev/sdb1' } },
    verdict: 'missing',
    says: /\/dev\/sdb1 \(ext4\) is mounted/,
  },
  {
    what: 'another line of /etc/fstab for the same place',
    subject: 'fstab',
    seen: { fstab: '/dev/sdb1 /home/pkusei/gfsmount ext4 defaults 0 2\n' },
    verdict: 'missing',
    says: /\/dev\/sdb1 \(ext4\)/,
    cure: /^put in its place: 10\.0\.0\.1:/,
  },
  {
    what: 'a line of /etc/fstab that would stop the boot',
    subject: 'fstab',
    seen: { fstab: '10.0.0.1:glustervol /home/pkusei/gfsmount glusterfs defaults 0 0\n' },
    verdict: 'warning',
    says: /no _netdev and no backup-volfile-servers/,
  },
  {
    what: 'a network of another driver',
    subject: 'network',
    seen: {},
    wanted: { driver: 'macvlan', parent: 'eth0' },
    verdict: 'missing',
    says: /its driver is bridge, not macvlan/,
    cure: /docker network rm calico/,
  },
  {
    what: 'a subnet that would cut the host off',
    subject: 'network',
    seen: { docker: { ...docker, network: undefined, overlap: 'interface eth0' } },
    verdict: 'missing',
    says: /would overlap interface eth0/,
    cure: /cut off/,
  },
  {
    what: 'an interface that is not there',
    subject: 'network',
    seen: { docker: { ...docker, network: undefined, parentIsThere: false } },
    wanted: { driver: 'ipvlan', parent: 'eth9' },
    verdict: 'missing',
    says: /no interface eth9/,
  },
  {
    what: 'a container that its host does not reach, on macvlan',
    subject: 'address',
    seen: {
      docker: {
        ...docker,
        network: { driver: 'macvlan', ipamDriver: 'default', subnets: ['192.0.2.0/24'], parent: 'eth0' },
        trial: { kind: 'ran', address: '192.0.2.254', got: '192.0.2.254', reached: false },
      },
    },
    wanted: { driver: 'macvlan', parent: 'eth0' },
    verdict: 'warning',
    says: /did not reach it/,
    cure: /as it is with macvlan/,
  },
  {
    what: 'an address that is taken',
    subject: 'address',
    seen: {
      docker: {
        ...docker,
        trial: { kind: 'failed', address: '192.0.2.254', words: 'Address already in use' },
      },
    },
    verdict: 'missing',
    says: /192\.0\.2\.254: Address already in use/,
  },
  {
    what: 'an engine too new for Calico’s plugin',
    subject: 'docker',
    seen: { docker: { ...docker, version: '28.2.2' } },
    wanted: { driver: 'calico' },
    verdict: 'warning',
    says: /up to 20\.10/,
  },
];

describe('a fact', () => {
  for (const { what, subject, seen, wanted, verdict, says, cure } of cases) {
    test(`of ${what}`, () => {
      const fact = factOf(subject, seen, wanted);
      assert.equal(fact.verdict, verdict, fact.says);
      assert.match(fact.says, says);
      if (cure !== undefined) assert.match(cureOf(fact) ?? '', cure);
    });
  }

  test('of a dead mount takes it off and mounts it anew', () => {
    const fact = factOf('mount', { use: { kind: 'dead' } });
    assert.match(
      cureOf(fact) ?? '',
      /umount --lazy \/home\/pkusei\/gfsmount; mount \/home\/pkusei\/gfsmount$/,
    );
  });
});

test('a brick of this host that is down is started before the mount is asked for a write, another’s is asked for last', () => {
  const order = (down: string) =>
    openFacts(
      judge(wish, { ...well, use: { kind: 'no quorum' }, gluster: { ...gluster, bricksDown: [down] } }),
    ).map(({ subject }) => subject);
  assert.deepEqual(order('10.0.0.1:/data/glusterfs/brick'), ['bricks', 'use']);
  assert.deepEqual(order('10.0.0.2:/data/glusterfs/brick'), ['use', 'bricks']);
});
