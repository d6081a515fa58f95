import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { docker } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

/** The aim is 2 s on hosts of their own; here all run on one machine, which does other work, too. */
const limitMs = 5000;

const paths = {
  host: '/etc/ssh/ssh_host_ed25519_key',
  user: '/root/.ssh/id_ed25519',
  authorized: '/root/.ssh/authorized_keys',
  known: '/etc/ssh/ssh_known_hosts',
};

describe('ssh between nodes', () => {
  let cluster: TestCluster;
  let leader: number;

  before(async () => {
    cluster = await TestCluster.create();
    await cluster.startAll();
    leader = await cluster.settled(40_000);
  });
  after(() => cluster?.remove());

  const ssh = (from: number, name: string): Promise<string> =>
    cluster.exec(from, 'ssh', '-o', 'BatchMode=yes', name, 'hostname');
  const publicKey = async (node: number, path: string): Promise<string> =>
    (await cluster.exec(node, 'cat', `${path}.pub`)).split(' ')[1] ?? '';

  test('works within moments of a relaunched node’s joining, with new keys, by every name, in both directions', async (t) => {
    const [node = 0, other = 0] = cluster.nodes.filter((each) => each !== leader);
    const former = [await publicKey(node, paths.host), await publicKey(node, paths.user)];
    await docker('kill', '--signal', 'KILL', cluster.container(node));
    await waitFor('hosts that close up', 15_000, async () => (await cluster.hosts(other)).length === 2);
    await cluster.start(node);
    await waitFor('the node among the living', 30_000, async () =>
      (await cluster.status(other)).live.includes(cluster.address(node)),
    );
    const joined = performance.now();
    const hostname = await cluster.exec(node, 'hostname');
    for (const from of [other, leader]) {
      for (const name of [`node${node}`, `jupyter-${node}`, cluster.address(node)]) {
        assert.equal(
          await waitFor(`ssh ${name} from node ${from}`, limitMs, () => ssh(from, name)),
          hostname,
        );
      }
      await waitFor(`ssh from the new task to node ${from}`, limitMs, () => ssh(node, `node${from}`));
    }
    const tookMs = performance.now() - joined;
    t.diagnostic(
      `a relaunched node is among the living → ssh, 8 ways, one after another: ${Math.round(tookMs)} ms`,
    );
    assert.ok(tookMs < limitMs, `${tookMs}`);

    const now = [await publicKey(node, paths.host), await publicKey(node, paths.user)];
    for (const each of cluster.nodes) {
      const all = await cluster.exec(each, 'cat', paths.authorized, paths.known);
      for (const key of now) assert.ok(all.includes(key), `a new key is not known to node ${each}`);
      for (const key of former) assert.ok(!all.includes(key), `a former key is still known to node ${each}`);
    }
    assert.deepEqual(
      readdirSync(join(cluster.trusted, 'ssh')).sort(),
      cluster.nodes.map((each) => `node-${each}.1.${each === node ? 2 : 1}`),
    );
  });

  test('lets in by key alone, whatever is tried, and its files are root’s alone', async () => {
    const effective = (
      await cluster.exec(leader, '/usr/sbin/sshd', '-T', '-f', '/opt/mesos-jupyter/sshd_config')
    ).split('\n');
    for (const line of [
      'authenticationmethods publickey',
      'passwordauthentication no',
      'kbdinteractiveauthentication no',
      'permitrootlogin without-password',
      'permitemptypasswords no',
      'hostbasedauthentication no',
      'strictmodes yes',
      'persourcepenalties no',
    ]) {
      assert.ok(effective.includes(line), line);
    }
    const modes = await cluster.exec(
      leader,
      ...['stat', '-c', '%a %U %n', '/root/.ssh', paths.user, paths.authorized, paths.host, paths.known],
    );
    assert.deepEqual(modes.split('\n'), [
      '700 root /root/.ssh',
      `600 root ${paths.user}`,
      `600 root ${paths.authorized}`,
      `600 root ${paths.host}`,
      `644 root ${paths.known}`,
    ]);
    const keys = await Promise.all(
      cluster.nodes.flatMap((node) => [publicKey(node, paths.host), publicKey(node, paths.user)]),
    );
    assert.equal(new Set(keys).size, 2 * cluster.nodes.length, 'each node has keys of its own');
  });

  test('does not wait for a quorum: keys that come later are found without one', async () => {
    for (const node of cluster.nodes)
      if (node !== leader) await docker('kill', '--signal', 'KILL', cluster.container(node));
    const [node = 0] = cluster.nodes.filter((each) => each !== leader);
    await cluster.start(node);
    const hostname = await cluster.exec(leader, 'hostname');
    const there = await waitFor('ssh to the one that lives', 30_000, () =>
      ssh(node, cluster.address(leader)),
    );
    assert.equal(there, hostname);
    await waitFor('ssh to the new one', 30_000, () => ssh(leader, cluster.address(node)));
  });
});
