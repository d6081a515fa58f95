/**
 * Members that are lost, cut off, wiped or come back, with nobody at the keyboard and no packet from outside to any node: this
 * machine's own are dropped. Two clusters at once, since one of them mostly waits.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exitCodes, type NodeStatus } from '../../executor-image/contract.js';
import { docker, exitStatusOf, logsOf } from '../support/docker.js';
import { forgetNeighbours, putBeside } from '../support/packets.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

const directory = '/var/lib/mesos-jupyter';

/** The exit status of a container, when it has ended; `meanwhile` is done again and again. */
async function endOf(
  container: string,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
): Promise<number> {
  const { code } = await waitFor('its end', 60_000, async () => {
    await meanwhile();
    const status = await exitStatusOf(container);
    return status === undefined ? undefined : { code: status };
  });
  return code;
}

describe('membership', { concurrency: true }, () => {
  describe('of three nodes', { concurrency: 1 }, () => {
    let cluster: TestCluster;
    let leader: number;
    /** An older task that lives on, out of reach. */
    let zombie: { node: number; container: string };

    before(async () => {
      cluster = await TestCluster.create(3, { dropsPackets: true });
      await cluster.startAll();
      leader = await cluster.settled(60_000);
    });
    after(async () => {
      if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
      await cluster?.remove();
    });

    const others = (node: number): number[] => cluster.nodes.filter((other) => other !== node);
    const follower = (): number => others(leader)[0] ?? 0;

    /** Waits until the node's etcd is another member than `former` was, and all is well. */
    async function joinedAnew(node: number, former: NodeStatus): Promise<void> {
      await waitFor('another member', 60_000, async () => {
        const { etcd } = await cluster.status(node);
        return etcd.role === 'follower' && etcd.memberId !== former.etcd.memberId;
      });
      leader = await cluster.settled(60_000);
      const members = await cluster.exec(leader, 'etcdctl', 'member', 'list');
      assert.equal(
        members.split('\n').filter((line) => /, started, .*, false$/.test(line)).length,
        3,
        members,
      );
    }

    test('two nodes die and are relaunched one after another', async () => {
      for (const node of [0, 1]) {
        await docker('kill', '--signal', 'KILL', cluster.container(node));
        await cluster.start(node);
        leader = await cluster.settled(40_000);
      }
      assert.equal((await cluster.exec(leader, 'etcdctl', 'member', 'list')).split('\n').length, 3);
    });

    test('a task that died between the removal of the old member and its own addition is no hindrance to the next', async () => {
      const [node = 0, other = 0] = others(leader);
      const { memberId = '' } = (await cluster.status(node)).etcd;
      await docker('kill', '--signal', 'KILL', cluster.container(node));
      await waitFor('the removal', 20_000, () =>
        cluster.exec(other, 'etcdctl', 'member', 'remove', memberId),
      );
      await cluster.start(node);
      leader = await cluster.settled(40_000);
    });

    test('a task that died between its addition and its start is no hindrance to the next', async () => {
      const [node = 0, other = 0] = others(leader);
      const { memberId = '' } = (await cluster.status(node)).etcd;
      await docker('kill', '--signal', 'KILL', cluster.container(node));
      await waitFor('the removal', 20_000, () =>
        cluster.exec(other, 'etcdctl', 'member', 'remove', memberId),
      );
      const url = `--peer-urls=https://${cluster.address(node)}:2380`;
      await waitFor('the addition', 20_000, () =>
        cluster.exec(other, 'etcdctl', 'member', 'add', 'x', '--learner', url),
      );
      await cluster.start(node);
      leader = await cluster.settled(40_000);
    });

    test('a member that is removed while it runs joins anew', async () => {
      const [node = 0] = others(leader);
      const { memberId = '' } = (await cluster.status(node)).etcd;
      await waitFor('the removal', 20_000, () =>
        cluster.exec(leader, 'etcdctl', 'member', 'remove', memberId),
      );
      await waitFor('another member', 30_000, async () => {
        const now = (await cluster.status(node)).etcd;
        return now.role === 'follower' && now.memberId !== memberId;
      });
      leader = await cluster.settled(30_000);
    });

    test('an etcd that is killed goes on with its log', async () => {
      const [node = 0] = others(leader);
      const { memberId } = (await cluster.status(node)).etcd;
      const former = await cluster.exec(node, 'pgrep', '-x', 'etcd');
      await cluster.exec(node, 'pkill', '-KILL', '-x', 'etcd');
      await waitFor(
        'another process',
        10_000,
        async () => (await cluster.exec(node, 'pgrep', '-x', 'etcd')) !== former,
      );
      await waitFor('the same member again', 20_000, async () => {
        const now = await cluster.status(node);
        return now.ready && now.etcd.memberId === memberId && now.reason === 'etcd is a follower';
      });
      leader = await cluster.settled(30_000);
    });

    test('a data directory that is wiped in a living container, marker and all: its node joins anew', async () => {
      const node = follower();
      const former = await cluster.status(node);
      await cluster.shell(node, `rm -rf ${directory}; pkill -KILL -x etcd`);
      await joinedAnew(node, former);
      assert.equal((await cluster.status(node)).etcd.start, 'join');
    });

    test('a log that is corrupted: etcd ends at once three times, then its node joins anew without it', async () => {
      const node = follower();
      // The sixth end of an etcd that never lived for a minute ends its node, and the tests before this one have ended some.
      await cluster.start(node);
      leader = await cluster.settled(60_000);
      const former = await cluster.status(node);
      const corrupt = 'dd if=/dev/urandom of="$log" bs=4k count=4 conv=notrunc';
      await cluster.shell(
        node,
        `for log in ${directory}/etcd/member/wal/*.wal; do ${corrupt}; done; pkill -KILL -x etcd`,
      );
      await joinedAnew(node, former);
      assert.match(await logsOf(cluster.container(node)), /etcd ended at once 3 times: it joins anew/);
    });

    test('a member that was removed while its container stood still comes back with its old log, and joins anew', async () => {
      const node = follower();
      const former = await cluster.status(node);
      await docker('pause', cluster.container(node));
      await waitFor('the removal', 20_000, () =>
        cluster.exec(leader, 'etcdctl', 'member', 'remove', former.etcd.memberId ?? ''),
      );
      await docker('unpause', cluster.container(node));
      await joinedAnew(node, former);
      assert.match(await logsOf(cluster.container(node)), /its member was removed/);
    });

    test('a disk that is full: etcd does not run, with another log neither, so the node ends; its next task joins', async () => {
      const node = follower();
      await cluster.start(node, '--tmpfs', `${directory}:size=200m`);
      leader = await cluster.settled(60_000);
      const full = cluster.container(node);
      await cluster.shell(node, `dd if=/dev/zero of=${directory}/filler bs=64k || true`);
      const value = 'x'.repeat(100_000);
      const status = await endOf(full, () => cluster.exec(leader, 'etcdctl', 'put', '/filler', value));
      assert.equal(status, exitCodes.dutyFailed);
      assert.match(await logsOf(full), /etcd ended at once 3 times.*no space left on device/s);
      await cluster.start(node);
      leader = await cluster.settled(60_000);
    });

    test('a node that is relaunched elsewhere while its last task lives on, cut off, joins in its place', async () => {
      const node = leader;
      const former = await cluster.status(node);
      zombie = { node, container: cluster.container(node) };
      await cluster.startElsewhere(node);
      await joinedAnew(node, former);
    });

    test('the older task that then comes back to life at its address, beside the newer, ends', async () => {
      assert.equal(await exitStatusOf(zombie.container), undefined);
      await putBeside(zombie.container, cluster.network.name, cluster.address(zombie.node));
      assert.equal(await endOf(zombie.container), exitCodes.superseded);
      assert.match(await logsOf(zombie.container), /came back from the dead/);
      for (const node of cluster.nodes) await forgetNeighbours(cluster.container(node));
      leader = await cluster.settled(60_000);
    });

    test('no node agent came upon a defect of its own', async () => {
      for (const name of cluster.all) assert.doesNotMatch(await logsOf(name), /a defect of the node agent/);
    });
  });

  describe('of five nodes', { concurrency: 1 }, () => {
    let cluster: TestCluster;
    let leader: number;

    before(async () => {
      cluster = await TestCluster.create(5, { dropsPackets: true });
      await cluster.startAll();
      leader = await cluster.settled(60_000);
    });
    after(async () => {
      if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
      await cluster?.remove();
    });

    test('two are replaced at once, the first never catches up, and a third dies: all come back', async (t) => {
      const [stuck = 0, second = 0, third = 0] = cluster.nodes.filter((node) => node !== leader);
      await docker('kill', '--signal', 'KILL', cluster.container(stuck), cluster.container(second));
      await cluster.start(stuck);
      await cluster.shell(stuck, 'until pkill -STOP -x etcd; do sleep 0.01; done');
      const members = await cluster.exec(leader, 'etcdctl', 'member', 'list');
      assert.match(members, / true$/m, 'it is a learner');
      const became = performance.now();
      await cluster.start(second);
      await docker('kill', '--signal', 'KILL', cluster.container(third));
      const rest = cluster.nodes.filter((node) => node !== stuck && node !== third);
      await waitFor('the second waits for the learner', 60_000, async () =>
        /one learner at a time/.test((await cluster.status(second)).reason),
      );
      leader = await cluster.settled(120_000, rest);
      t.diagnostic(
        `a learner that never catches up → another joins in its place: ${Math.round(performance.now() - became)} ms`,
      );
      assert.match(
        await logsOf(cluster.container(second)),
        new RegExp(`${cluster.address(stuck)} .*was not promoted within 60 s`),
      );
      await cluster.start(third);
      await cluster.exec(stuck, 'pkill', '-CONT', '-x', 'etcd');
      leader = await cluster.settled(120_000);
      assert.match(await logsOf(cluster.container(stuck)), /leaves the learner's place to others for 5 s/);
    });
  });
});
