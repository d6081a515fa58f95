/** The simulated etcd refuses changes of its members in the very words of the real one. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type EtcdCluster, refusals } from '../simulation/etcd.js';
import { noFaults, World } from '../simulation/world.js';
import { docker } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

/** A node beside the three, which none of the node agents looks after. */
const stranger = { node: 3, taskId: 'stranger', generation: 1, incarnation: 1 };

describe('changes of members that etcd refuses, real and simulated', () => {
  let real: TestCluster;
  let leader: number;
  let world: World;
  let simulated: EtcdCluster;

  before(async () => {
    real = await TestCluster.create(3);
    await real.startAll();
    leader = await real.settled(40_000);
    world = new World({ seed: 1, nodes: 3, hosts: 3, faults: noFaults, isAddressTakenEverywhere: true });
    world.runFor(60_000);
    const cluster = world.etcd.cluster(1);
    assert.ok(cluster?.isQuorate);
    simulated = cluster;
  });
  after(() => real?.remove());

  /** What real etcd says to `etcdctl member …`: empty when it does it. */
  const etcdctl = (...words: string[]): Promise<string> =>
    real.exec(leader, 'etcdctl', 'member', ...words).then(
      () => '',
      (error: Error) => /etcdserver: [^"\n]*/.exec(error.message)?.[0]?.trim() ?? error.message,
    );
  /** What simulated etcd says. */
  const said = (change: () => unknown): string => {
    try {
      change();
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const addReal = (address: string): Promise<string> =>
    etcdctl('add', 'stranger', '--learner', `--peer-urls=https://${address}:2380`);
  const idOf = async (pattern: RegExp): Promise<string> => {
    const list = await real.exec(leader, 'etcdctl', 'member', 'list');
    const line = list.split('\n').find((each) => pattern.test(each));
    return line?.split(',')[0] ?? assert.fail(`no member like ${pattern} in ${list}`);
  };

  test('a second learner, a known address, a learner that never started, a member that is no more', async () => {
    // Voters must have been connected for 5 s.
    await waitFor(
      'the first learner to be taken',
      15_000,
      async () => (await addReal('198.51.100.250')) === '',
    );
    const realId = await idOf(/unstarted/);
    const simulatedId = simulated.addLearner(stranger);
    const pairs: [what: string, real: string, simulated: string][] = [
      [
        refusals.tooManyLearners,
        await addReal('198.51.100.251'),
        said(() => simulated.addLearner({ ...stranger, node: 4 })),
      ],
      [
        refusals.exists,
        await addReal(real.addresses[0] ?? ''),
        said(() => simulated.addLearner({ ...stranger, node: 0 })),
      ],
      [
        refusals.learnerNotReady,
        await etcdctl('promote', realId),
        said(() => simulated.promote(simulatedId)),
      ],
      ['', await etcdctl('remove', realId), said(() => simulated.remove(simulatedId, stranger))],
      [
        refusals.notFound,
        await etcdctl('remove', realId),
        said(() => simulated.remove(simulatedId, stranger)),
      ],
    ];
    for (const [expected, byReal, bySimulated] of pairs) {
      assert.deepEqual([byReal, bySimulated], [expected, expected]);
    }
  });

  test('any change but the removal of the voter that is gone, while one is', async () => {
    const [gone = 0, left = 0] = real.nodes.filter((node) => node !== leader);
    await docker('kill', '--signal', 'KILL', real.container(gone));
    const goneId = await idOf(new RegExp(`node-${gone}-founder`));
    const leftId = await idOf(new RegExp(`node-${left}-founder`));
    await waitFor('etcd to notice', 15_000, async () => {
      const answer = await addReal('198.51.100.250');
      if (answer === '') await etcdctl('remove', await idOf(/unstarted/));
      return answer === refusals.unhealthy;
    });
    assert.equal(await etcdctl('remove', leftId), refusals.unhealthy);
    assert.equal(await etcdctl('remove', goneId), '');

    const [goneThere, leftThere] = simulated.voters.filter((voter) => voter !== simulated.leader);
    assert.ok(goneThere?.process !== undefined && leftThere !== undefined);
    world.containers.end(goneThere.process.container);
    assert.equal(
      said(() => simulated.remove(leftThere.id, stranger)),
      refusals.unhealthy,
    );
    assert.equal(
      said(() => simulated.addLearner(stranger)),
      refusals.unhealthy,
    );
    assert.equal(
      said(() => simulated.remove(goneThere.id, stranger)),
      '',
    );
  });
});
