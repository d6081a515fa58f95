import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Alarm, bootClockMs, sleep } from '../../../executor-image/agent/clock.js';
import { parseRecord } from '../../../executor-image/agent/directory.js';
import { etcdArguments } from '../../../executor-image/agent/etcd/arguments.js';
import { ownAddress } from '../../../executor-image/agent/identity.js';
import { withoutTokens } from '../../../executor-image/agent/log.js';
import { descendantsOf, parseStat } from '../../../executor-image/agent/processes.js';
import { acceptedType, mountType } from '../../../executor-image/agent/volume.js';

describe('a node’s own address', () => {
  const addresses = ['192.0.2.100', '192.0.2.101'];
  const eth0 = (address: string) => ({
    eth0: [{ address, family: 'IPv4' as const, internal: false, netmask: '', mac: '', cidr: null }],
  });

  test('is the one of its number, when an interface has it', () => {
    assert.equal(ownAddress(1, addresses, eth0('192.0.2.101')), '192.0.2.101');
  });

  test('is refused when another node’s is there', () => {
    assert.throws(() => ownAddress(1, addresses, eth0('192.0.2.100')), {
      code: 'addressNotMine',
      message: /should have the address 192\.0\.2\.101, but this container has 192\.0\.2\.100/,
    });
    assert.throws(() => ownAddress(0, addresses, {}), /this container has none/);
  });
});

describe('the mount at a path', () => {
  const mountinfo = [
    '22 1 0:5 / / rw,relatime - overlay overlay rw',
    '30 22 0:50 / /root/sharedfiles rw,relatime shared:1 master:2 - ext4 /dev/vda rw',
    '31 22 0:51 / /root/sharedfiles rw,relatime - fuse.glusterfs s1:/vol rw',
    '32 22 0:52 / /mnt/with\\040space rw - tmpfs tmpfs rw',
  ].join('\n');

  test('is the last one there', () => {
    assert.equal(mountType(mountinfo, '/root/sharedfiles'), 'fuse.glusterfs');
    assert.equal(mountType(mountinfo, '/mnt/with space'), 'tmpfs');
  });

  test('is none where a directory is only part of another mount', () => {
    assert.equal(mountType(mountinfo, '/root'), undefined);
    assert.equal(mountType(mountinfo, '/root/sharedfiles/notebooks'), undefined);
  });
});

describe('the type of the shared volume', () => {
  test('is taken as it is where none is asked for', () => {
    assert.equal(acceptedType('ext4', ''), 'ext4');
    assert.equal(acceptedType('fuse.glusterfs', 'fuse.glusterfs'), 'fuse.glusterfs');
  });

  test('is refused where it is another than was asked for, or there is none', () => {
    assert.throws(() => acceptedType('ext4', 'fuse.glusterfs'), {
      code: 'volumeUnusable',
      message:
        /is ext4, not fuse\.glusterfs: on this host the volume is not mounted.*mesos-jupyter host check/,
    });
    assert.throws(() => acceptedType(undefined, ''), {
      code: 'volumeUnusable',
      message: /nothing is mounted/,
    });
  });
});

describe('processes', () => {
  test('are read whatever their command is called', () => {
    assert.deepEqual(parseStat('42 (a) Z 1 (b) S 7 42 42 0'), {
      pid: 42,
      parent: 7,
      dead: false,
      stuck: false,
    });
    assert.deepEqual(parseStat('43 (sh) Z 7 42 42 0'), {
      pid: 43,
      parent: 7,
      dead: true,
      stuck: false,
    });
    assert.equal(parseStat('44 (cat) D 7 42 42 0').stuck, true);
  });

  test('are found down to the last descendant, in whatever order they are listed', () => {
    const process = (pid: number, parent: number) => ({ pid, parent, dead: false, stuck: false });
    const all = [process(5, 4), process(4, 3), process(3, 2), process(2, 1), process(9, 1), process(1, 0)];
    assert.deepEqual(
      descendantsOf(2, all)
        .map(({ pid }) => pid)
        .sort(),
      [3, 4, 5],
    );
  });
});

test('a token in another program’s output does not get into the log', () => {
  assert.equal(
    withoutTokens('GET /lab?token=abc123&x=1 (referer /tree?token=def)'),
    'GET /lab?token=…&x=1 (referer /tree?token=…)',
  );
  assert.equal(withoutTokens('Authorization: token abc123'), 'Authorization: token …');
});

test('a record in etcd that is not one is left out', () => {
  const record = { node: 1, address: '192.0.2.101', taskId: 't', incarnation: 2 };
  assert.deepEqual(parseRecord(JSON.stringify(record)), record);
  for (const text of ['', 'null', '{}', '[1]', JSON.stringify({ ...record, address: 'x y\n' })]) {
    assert.equal(parseRecord(text), undefined, text);
  }
});

test('etcd is told its peers, and the generation as the cluster’s token', () => {
  const flags = etcdArguments({
    name: 'node-0-founder',
    address: '192.0.2.100',
    generation: 3,
    dataDirectory: '/data',
    state: 'new',
    members: [
      { name: 'node-0-founder', address: '192.0.2.100' },
      { name: 'node-1-founder', address: '192.0.2.101' },
    ],
  });
  assert.ok(
    flags.includes(
      '--initial-cluster=node-0-founder=https://192.0.2.100:2380,node-1-founder=https://192.0.2.101:2380',
    ),
  );
  assert.ok(flags.includes('--initial-cluster-token=mesos-jupyter-3'));
  assert.ok(flags.includes('--listen-client-urls=https://192.0.2.100:2379,https://127.0.0.1:2379'));
});

describe('waiting', () => {
  const never = 2 ** 31 - 1;

  test('ends at a ring, also at one that came before', async () => {
    const alarm = new Alarm();
    const waiting = alarm.wait(never);
    alarm.ring();
    await waiting;
    alarm.ring();
    await alarm.wait(never);
  });

  test('ends at an abort, also at one that came before', async () => {
    const stop = new AbortController();
    const waiting = sleep(never, stop.signal);
    stop.abort();
    await waiting;
    await sleep(never, stop.signal);
  });

  test('is reckoned on a clock that goes forward', () => {
    const earlier = bootClockMs();
    assert.ok(earlier > 0);
    assert.ok(bootClockMs() >= earlier);
  });
});
