import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { docker } from '../support/docker.js';
import { givenMesos } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

const cannotRestart =
  givenMesos !== undefined && givenMesos.restartMaster === undefined
    ? 'restarts the master: MESOS_MASTER names another Mesos, and MESOS_JUPYTER_TEST_RESTART_MASTER no command for that'
    : false;

/** A Mesos agent that knows its master by address alone looks for a new one when 75 s have passed without a ping (slave.cpp, pingTimeout). */
const agentsBackMs = 180_000;

describe('a cluster whose Mesos master is restarted', { skip: cannotRestart }, () => {
  let cluster: Deployment;
  let leader: number;
  before(async () => {
    cluster = await Deployment.create();
    cluster.startScheduler();
    leader = await cluster.settled(90_000);
  });
  after(() => cluster?.remove());
  showLogOnFailure(() => cluster);

  it('goes on: Jupyter answers, every task and the framework are what they were', async (t) => {
    const { id: former } = await cluster.masterState();
    const framework = await cluster.framework();
    const tasks = await cluster.runningTasks();
    const containers = cluster.nodes.map((node) => cluster.container(node));
    const logged = cluster.log.length;

    const began = performance.now();
    await cluster.restartMaster();
    const outages: string[] = [];
    await waitFor('the tasks and the scheduler at the new master', agentsBackMs, async () => {
      const serving = (await cluster.serving()).join();
      if (serving !== String(leader)) outages.push(`Jupyter answers on "${serving}"`);
      if ((await cluster.masterState()).id === former) return false;
      const found = await cluster.framework();
      return found?.active === true && (await cluster.runningTasks()).length === tasks.length;
    });
    t.diagnostic(`restarted → tasks and scheduler are back: ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual(outages, []);
    assert.equal((await cluster.framework())?.id, framework?.id);
    assert.deepEqual(await cluster.runningTasks(), tasks);
    assert.deepEqual(
      cluster.nodes.map((node) => cluster.container(node)),
      containers,
    );
    assert.equal(await cluster.settled(30_000), leader);
    assert.doesNotMatch(cluster.log.slice(logged), /^\S+ error /m);
  });

  it('has its nodes relaunched by the new one', async () => {
    const victim = cluster.nodes.find((node) => node !== leader) ?? 0;
    const before = cluster.container(victim);
    await docker('kill', before);
    await waitFor('another container', 60_000, () => cluster.container(victim) !== before);
    await cluster.settled(90_000);
  });
});
