import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { docker } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

describe('a cluster of five, with no warm standby and no packet from outside', () => {
  let cluster: TestCluster;
  let leader: number;

  before(async () => {
    cluster = await TestCluster.create(5, { warmStandby: false, dropsPackets: true });
    await cluster.startAll();
    leader = await cluster.settled(40_000);
  });
  after(async () => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
    await cluster?.remove();
  });

  test('two nodes die at once, one of them relaunched while the other is away: it joins without waiting for it', async (t) => {
    const [first = 0, second = 0] = cluster.nodes.filter((node) => node !== leader);
    const survivors = cluster.nodes.filter((node) => node !== second);
    await docker('kill', '--signal', 'KILL', cluster.container(first), cluster.container(second));
    const started = performance.now();
    await cluster.start(first);
    leader = await cluster.settled(60_000, survivors);
    t.diagnostic(
      `one of two dead relaunched → settled without the other: ${Math.round(performance.now() - started)} ms`,
    );
    await cluster.start(second);
    leader = await cluster.settled(60_000);
    const members = await cluster.exec(leader, 'etcdctl', 'member', 'list');
    assert.equal(members.split('\n').filter((line) => /, started, .*, false$/.test(line)).length, 5, members);
  });

  test('two nodes are relaunched at once, the leader’s among them', async (t) => {
    const [other = 0] = cluster.nodes.filter((node) => node !== leader);
    await docker('kill', '--signal', 'KILL', cluster.container(leader), cluster.container(other));
    const started = performance.now();
    await Promise.all([cluster.start(leader), cluster.start(other)]);
    leader = await cluster.settled(60_000);
    t.diagnostic(`two relaunched at once → settled: ${Math.round(performance.now() - started)} ms`);
    const hosts = await waitFor('hosts', 5000, async () => {
      const lines = await cluster.hosts(leader);
      return lines.length === 5 && lines;
    });
    assert.match(hosts[4] ?? '', /node4 jupyter-4/);
  });
});
