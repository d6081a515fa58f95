import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Deployment, showLogOnFailure } from '../e2e/deployment.js';
import { createTestNetwork, docker, type TestNetwork } from '../support/docker.js';
import { TestHosts } from '../support/host-namespaces.js';
import { ensurePackage } from '../support/packages.js';
import { waitFor } from '../support/wait.js';

describe('a cluster on a GlusterFS volume whose type is enforced', () => {
  let network: TestNetwork;
  let hosts: TestHosts;
  let cluster: Deployment;

  before(async () => {
    ensurePackage('glusterfs-server', '/usr/sbin/glusterd');
    ensurePackage('curl', '/usr/bin/curl');
    network = await createTestNetwork('mesos-jupyter-hosts');
    hosts = await TestHosts.create(3, network);
    const prepared = await Promise.all(
      hosts.hosts.map(({ shared }, number) =>
        hosts
          .host(number)
          .mesosJupyter(
            ...['host', 'prepare', '--apply', '--wait-s', '60', '--network', network.name],
            ...['--network-driver', 'bridge', '--subnet', network.subnet, '--hosts', hosts.addresses.join()],
            ...['--brick', '/srv/gluster/brick', '--shared', shared],
          ),
      ),
    );
    for (const { status, stdout, stderr } of prepared) assert.equal(status, 0, stdout + stderr);
    const addresses = [10, 11, 12].map((number) => network.address(number));
    cluster = await Deployment.create(3, {
      on: { network: network.name, addresses },
      shared: hosts.host(0).shared,
    });
    cluster.startScheduler('--shared-volume-type', 'fuse.glusterfs', '--look-limit-s', '10');
  });
  after(async () => {
    await cluster?.remove();
    await hosts?.remove();
    await network?.remove();
  });
  showLogOnFailure(() => cluster);

  /** As another host sees it. */
  const elsewhere = (name: string) => readFileSync(join(hosts.host(2).shared, 'notebooks', name), 'utf8');

  it('launches, and what is written in Jupyter is on every host', async () => {
    const holder = await cluster.settled(90_000);
    await cluster.jupyter(holder).writeFile('written.txt', 'in Jupyter');
    assert.equal(await waitFor('the file', 5_000, () => elsewhere('written.txt')), 'in Jupyter');
  });

  it('fails over with the same files when the holder’s container is killed', async (t) => {
    const holder = await cluster.settled(60_000);
    const token = cluster.token;
    const started = performance.now();
    await docker('kill', cluster.container(holder));
    const next = await waitFor('Jupyter elsewhere', 60_000, async () => {
      const serving = await Promise.all(
        cluster.nodes.map(async (node) =>
          (await cluster.jupyter(node, token).probe()) === 200 ? [node] : [],
        ),
      );
      const found = serving.flat().find((node) => node !== holder);
      return found === undefined ? undefined : { found };
    });
    t.diagnostic(`holder killed → Jupyter elsewhere: ${Math.round(performance.now() - started)} ms`);
    assert.equal(await cluster.jupyter(next.found, token).readFile('written.txt'), 'in Jupyter');
    await cluster.settled(90_000);
  });

  it('keeps Jupyter through the loss of one brick', async () => {
    const holder = await cluster.settled(60_000);
    hosts.host(1).signal(/glusterfsd/, 'SIGKILL');
    await cluster.jupyter(holder).writeFile('written.txt', 'on two bricks');
    assert.equal(await cluster.jupyter(holder).readFile('written.txt'), 'on two bricks');
    await hosts.host(1).must('gluster', '--mode=script', 'volume', 'start', 'glustervol', 'force');
    assert.equal(await cluster.settled(60_000), holder);
  });

  it('lets nobody hold the notebook while the mount holds writes back', async () => {
    await cluster.settled(60_000);
    const { token } = cluster;
    const set = (value: string) =>
      hosts
        .host(0)
        .must('gluster', '--mode=script', 'volume', 'set', 'glustervol', 'performance.write-behind', value);
    await set('on');
    try {
      await waitFor('no Jupyter, and the reason', 60_000, async () => {
        const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
        for (const { reason } of statuses)
          assert.match(reason, /write-behind is on: turn it off with gluster volume set/);
        const answers = await Promise.all(cluster.nodes.map((node) => cluster.jupyter(node, token).probe()));
        return answers.every((answer) => answer !== 200);
      });
    } finally {
      await set('off');
    }
    await cluster.settled(60_000);
  });

  it('ends a node where the volume is not mounted, and takes it back when it is', async () => {
    const holder = await cluster.settled(60_000);
    const other = cluster.nodes.find((node) => node !== holder) ?? 0;
    const { shared } = hosts.host(0);
    await hosts.host(0).must('umount', '--lazy', shared);
    await docker('kill', cluster.container(other));
    await waitFor('the refusal', 60_000, () => /node agent says volumeUnusable/.test(cluster.log));
    assert.deepEqual(await cluster.serving(cluster.nodes.filter((node) => node !== other)), [holder]);
    await hosts.host(0).must('mount', shared);
    await cluster.settled(120_000);
  });
});
