import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

describe('a cluster of one node', () => {
  let cluster: Deployment;
  before(async () => {
    cluster = await Deployment.create(1);
  });
  after(() => cluster?.remove());
  showLogOnFailure(() => cluster);

  const generation = (): number =>
    (JSON.parse(readFileSync(cluster.stateFile, 'utf8')) as { cluster: { generation: { number: number } } })
      .cluster.generation.number;

  it('is founded anew when its task dies, with the same files and token', async () => {
    cluster.startScheduler();
    await cluster.settled(60_000);
    const { token } = cluster;
    await cluster.jupyter(0).writeFile('kept.txt', 'by the volume');
    await cluster.shell(0, 'kill -9 1 || true; pkill -9 -f mesos-jupyter || true').catch(() => {});
    await waitFor('generation 2', 30_000, () => generation() === 2);
    await cluster.settled(60_000);
    assert.equal(cluster.token, token);
    assert.equal(await cluster.jupyter(0).readFile('kept.txt'), 'by the volume');
  });

  it('is ended by a teardown, which leaves no task and no framework, and can be run again', async () => {
    if ((await cluster.framework()) === undefined) {
      cluster.startScheduler();
      await cluster.settled(60_000);
    }
    await cluster.stopScheduler();
    const before = generation();
    assert.match(await cluster.teardown(), /is removed/);
    assert.equal(cluster.containers().size, 0);
    assert.equal(await cluster.framework(), undefined);
    cluster.startScheduler();
    await cluster.settled(60_000);
    assert.equal(generation(), before + 1);
  });
});
