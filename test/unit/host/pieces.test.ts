import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  admits,
  admittingProfile,
  parseResources,
  poolOf,
  renderResource,
} from '../../../framework/host/calico.js';
import { parseBricksDown, parsePeers, parseVolume } from '../../../framework/host/gluster.js';
import { readUse } from '../../../framework/host/volume-use.js';
import {
  createNetwork,
  createVolume,
  fstabLine,
  parseFstab,
  trialAddress,
} from '../../../framework/host/wish.js';
import { wish } from './world.js';

describe('what GlusterFS prints', () => {
  test('gives peers by all their names', () => {
    const text =
      'Number of Peers: 2\n\nHostname: host-2\nUuid: 1\nState: Peer in Cluster (Connected)\nOther names:\n10.0.0.2\n\n' +
      'Hostname: 10.0.0.3\nUuid: 2\nState: Peer in Cluster (Disconnected)\n';
    assert.deepEqual(parsePeers(text), [
      { names: ['host-2', '10.0.0.2'], connected: true },
      { names: ['10.0.0.3'], connected: false },
    ]);
    assert.deepEqual(parsePeers('Number of Peers: 0\n'), []);
  });

  test('gives a volume with its bricks and options', () => {
    const text =
      ' \nVolume Name: glustervol\nType: Replicate\nVolume ID: 1\nStatus: Started\nNumber of Bricks: 1 x (2 + 1) = 3\nBricks:\n' +
      'Brick1: 10.0.0.1:/b\nBrick2: 10.0.0.3:/b\nBrick3: 10.0.0.2:/b (arbiter)\nOptions Reconfigured:\nnetwork.ping-timeout: 15\nnfs.disable: on\n';
    const volume = parseVolume(text);
    assert.equal(volume.started, true);
    assert.equal(volume.hasArbiter, true);
    assert.deepEqual(volume.bricks, ['10.0.0.1:/b', '10.0.0.3:/b', '10.0.0.2:/b']);
    assert.equal(volume.options.get('network.ping-timeout'), '15');
  });

  test('gives the bricks that are down', () => {
    const brick = (host: string, online: string) =>
      `Brick                : Brick ${host}:/b\nTCP Port             : 1\nOnline               : ${online}\nPid : 1\n`;
    assert.deepEqual(parseBricksDown(`Status of volume: v\n${brick('h1', 'Y')}---\n${brick('h2', 'N')}`), [
      'h2:/b',
    ]);
  });
});

describe('the use of a mount', () => {
  const use = (status: number, output: string) => readUse({ status, stdout: output, output }, 25);
  const notConnected = "cannot read '/v': Transport endpoint is not connected";

  test('tells a dead mount from one without a quorum, which heals', () => {
    assert.deepEqual(use(10, `stat: ${notConnected}\nOSError: [Errno 107] ${notConnected}`), {
      kind: 'dead',
    });
    assert.deepEqual(use(10, `stat: ${notConnected}\nOSError: [Errno 61] No data available: '/v'`), {
      kind: 'no quorum',
    });
    assert.deepEqual(use(11, `sh: ${notConnected}`), { kind: 'no quorum' });
  });

  test('tells what else can be', () => {
    assert.deepEqual(use(0, 'write-behind\n'), { kind: 'works', writesBehind: true });
    assert.deepEqual(use(0, ''), { kind: 'works', writesBehind: false });
    assert.deepEqual(use(137, ''), { kind: 'hangs', seconds: 25 });
    assert.deepEqual(use(11, 'sh: cannot create x: Read-only file system'), { kind: 'read-only' });
    assert.deepEqual(use(11, 'sh: No space left on device'), {
      kind: 'fails',
      words: 'sh: No space left on device',
    });
  });
});

describe('the commands that make things', () => {
  test('put the arbiter last, where GlusterFS takes it from', () => {
    assert.deepEqual(createVolume({ ...wish, arbiter: '10.0.0.1', brickOnRoot: true }), [
      ...['volume', 'create', 'glustervol', 'replica', '2', 'arbiter', '1', 'transport', 'tcp'],
      ...[
        '10.0.0.2:/data/glusterfs/brick',
        '10.0.0.3:/data/glusterfs/brick',
        '10.0.0.1:/data/glusterfs/brick',
      ],
      'force',
    ]);
  });

  test('use three hosts of more, and no replica of one', () => {
    assert.equal(
      createVolume({ ...wish, hosts: [...wish.hosts, '10.0.0.4'] }).filter((word) => word.includes(':/'))
        .length,
      3,
    );
    assert.deepEqual(createVolume({ ...wish, hosts: ['h'] }), [
      'volume',
      'create',
      'glustervol',
      'transport',
      'tcp',
      'h:/data/glusterfs/brick',
    ]);
  });

  test('make the network as the report does, or on an interface', () => {
    assert.equal(
      createNetwork({ ...wish, driver: 'calico' }).join(' '),
      'network create --driver calico --ipam-driver calico-ipam --subnet 192.0.2.0/24 calico',
    );
    assert.equal(
      createNetwork({ ...wish, driver: 'ipvlan', parent: 'eth0', gateway: '192.0.2.1' }).join(' '),
      'network create --driver ipvlan --gateway 192.0.2.1 -o parent=eth0 --subnet 192.0.2.0/24 calico',
    );
  });

  test('try an address that is no node’s, another one on each host', () => {
    assert.equal(trialAddress(wish, 0), '192.0.2.254');
    assert.equal(trialAddress({ ...wish, ips: ['192.0.2.254'] }, 1), '192.0.2.252');
    assert.equal(trialAddress({ ...wish, subnet: '192.0.2.0/30', ips: ['192.0.2.2'] }, 0), undefined);
  });
});

test('a line of /etc/fstab is read as it is written, spaces included', () => {
  const spaced = { ...wish, shared: '/srv/shared files' };
  const [entry] = parseFstab(`# comment\n\n${fstabLine(spaced, '10.0.0.2')}\n`);
  assert.deepEqual(entry, {
    source: '10.0.0.2:/glustervol',
    point: '/srv/shared files',
    type: 'glusterfs',
    options: ['defaults', '_netdev', 'backup-volfile-servers=10.0.0.1:10.0.0.3'],
  });
});

describe('Calico’s profile', () => {
  const networks = ['10.0.0.1/32', '192.0.2.0/24'];

  test('admits what a rule for the ports lists, and nothing by another rule', () => {
    assert.equal(admits(admittingProfile('calico', undefined, networks), networks), true);
    const profile = admittingProfile('calico', undefined, ['10.0.0.1/32']);
    assert.equal(admits(profile, networks), false);
    const [only] = parseResources(
      '- apiVersion: v1\n  kind: profile\n  metadata: {name: calico}\n  spec:\n    ingress:\n    - {action: allow, protocol: tcp, source: {nets: [10.0.0.1/32]}, destination: {ports: [22]}}\n',
    );
    assert.ok(only !== undefined && !admits(only, ['10.0.0.1/32']));
  });

  test('keeps what the operator put there', () => {
    const [existing] = parseResources(
      'apiVersion: v1\nkind: profile\nmetadata:\n  name: calico\n  labels: {a: b}\nspec:\n  ingress:\n  - {action: deny, source: {nets: [10.9.0.0/16]}}\n  egress:\n  - action: allow\n',
    );
    const next = admittingProfile('calico', existing, networks);
    assert.deepEqual(next.metadata, { name: 'calico', labels: { a: 'b' } });
    assert.deepEqual(next.spec?.ingress?.[0], { action: 'deny', source: { nets: ['10.9.0.0/16'] } });
    assert.equal(next.spec?.ingress?.length, 2);
  });

  test('and the pool survive being written and read', () => {
    assert.equal(parseResources(renderResource(poolOf('192.0.2.0/24')))[0]?.metadata.cidr, '192.0.2.0/24');
  });
});
