/** Failures of nodes and of Jupyter. Two clusters at once, since one of them only waits. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { docker, exitStatusOf, logsOf } from '../support/docker.js';
import { statusInside } from '../support/inside.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

describe('failures', { concurrency: true }, () => {
  describe('a cluster that loses nodes', { concurrency: 1 }, () => {
    let cluster: TestCluster;
    let leader: number;

    before(async () => {
      cluster = await TestCluster.create();
      await cluster.startAll();
      leader = await cluster.settled(30_000);
      await cluster.jupyter(leader).writeFile('kept.txt', 'through everything');
    });
    after(async (t) => {
      if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs(), t);
      await cluster?.remove();
    });

    const others = (node: number) => cluster.nodes.filter((other) => other !== node);

    test('the leader’s container is killed: Jupyter answers elsewhere with the same file and token, and hosts close up', async (t) => {
      const { token } = cluster;
      const killed = performance.now();
      await docker('kill', '--signal', 'KILL', cluster.container(leader));
      const survivors = others(leader);
      const next = await waitFor('Jupyter elsewhere', 20_000, async () => {
        const [node] = await cluster.serving(survivors);
        return node === undefined ? undefined : { node };
      });
      t.diagnostic(
        `kill -9 of the leader's container → Jupyter answers elsewhere: ${Math.round(performance.now() - killed)} ms`,
      );
      assert.ok(survivors.includes(next.node));
      assert.equal(cluster.token, token);
      assert.equal(await cluster.jupyter(next.node).readFile('kept.txt'), 'through everything');
      for (const node of survivors) {
        await waitFor('hosts that close up', 5000, async () => {
          const names = (await cluster.hosts(node)).map((line) => line.replace(' notebook', ''));
          assert.deepEqual(
            names,
            survivors.map((each, position) => `${cluster.address(each)} node${position} jupyter-${each}`),
          );
          return true;
        });
      }
    });

    test('its next task at the same address is a started voter again, and hosts list three', async (t) => {
      const started = performance.now();
      const node = leader;
      await cluster.start(node);
      leader = await cluster.settled(30_000);
      t.diagnostic(
        `a relaunched node's container started → settled: ${Math.round(performance.now() - started)} ms`,
      );
      const status = await cluster.status(node);
      assert.equal(status.etcd.start, 'join');
      const members = await cluster.exec(node, 'etcdctl', 'member', 'list');
      assert.match(members, new RegExp(`started, node-${node}-incarnation-2, .*, false`));
      assert.equal(members.split('\n').length, 3);
      const hostname = await cluster.exec(node, 'hostname');
      // Its new host key and its new user key are known to the others, and theirs to it.
      for (const other of others(node)) {
        const there = () => cluster.exec(other, 'ssh', '-o', 'BatchMode=yes', `jupyter-${node}`, 'hostname');
        assert.equal(await waitFor('ssh to the new task', 10_000, there), hostname);
        await waitFor('ssh from the new task', 10_000, () =>
          cluster.exec(node, 'ssh', '-o', 'BatchMode=yes', `jupyter-${other}`, 'hostname'),
        );
      }
    });

    test('the holder’s etcd is killed: Jupyter and its kernels go on, and leadership comes back to them', async () => {
      const jupyter = cluster.jupyter(leader);
      const kernel = await jupyter.startKernel();
      await jupyter.runCell(kernel, 'kept = "still here"');
      const former = await cluster.exec(leader, 'pgrep', '-x', 'etcd');
      await cluster.exec(leader, 'pkill', '-KILL', '-x', 'etcd');
      await waitFor(
        'another process',
        10_000,
        async () => (await cluster.exec(leader, 'pgrep', '-x', 'etcd')) !== former,
      );
      // etcd is asked, since a status may be half a second old.
      await waitFor('the holder as leader', 90_000, async () =>
        /, true, false,/.test(await cluster.exec(leader, 'etcdctl', 'endpoint', 'status')),
      );
      assert.equal(await cluster.settled(10_000), leader);
      assert.equal(await jupyter.runCell(kernel, 'print(kept)'), 'still here\n');
    });

    test('the holder is told to end: it hands over, ends with 0, and has left the list of the living', async (t) => {
      const node = leader;
      const told = performance.now();
      await docker('kill', '--signal', 'TERM', cluster.container(node));
      const next = await waitFor('Jupyter elsewhere', 15_000, async () => {
        const [serving] = await cluster.serving(others(node));
        return serving === undefined ? undefined : { serving };
      });
      t.diagnostic(
        `SIGTERM to the holder → Jupyter answers elsewhere: ${Math.round(performance.now() - told)} ms`,
      );
      const status = await waitFor('its end', 10_000, async () => {
        const code = await exitStatusOf(cluster.container(node));
        return code === undefined ? undefined : { code };
      });
      t.diagnostic(
        `SIGTERM to the holder → its container has ended: ${Math.round(performance.now() - told)} ms`,
      );
      assert.equal(status.code, 0);
      assert.deepEqual((await cluster.status(next.serving)).live.includes(cluster.address(node)), false);
      await cluster.start(node);
      leader = await cluster.settled(40_000);
    });

    test('a holder that is cut off freezes Jupyter before another node starts one, and comes back as a follower without it', async (t) => {
      const node = leader;
      const kernel = await cluster.jupyter(node).startKernel();
      await cluster.jupyter(node).runCell(kernel, 'print(1)');
      const kernelThere = async () =>
        (await cluster.shell(node, 'pgrep -fc "[i]pykernel_launcher" || true')) !== '0';
      assert.equal(await kernelThere(), true);
      await docker('network', 'disconnect', cluster.network.name, cluster.container(node));
      const cutOff = performance.now();
      await waitFor('Jupyter frozen on the node that is cut off', 10_000, async () => {
        assert.deepEqual(await cluster.serving(others(node)), []);
        return (await statusInside(cluster.container(node))).notebook.state === 'frozen';
      });
      t.diagnostic(`holder cut off → its Jupyter is frozen: ${Math.round(performance.now() - cutOff)} ms`);
      await waitFor(
        'Jupyter elsewhere',
        20_000,
        async () => (await cluster.serving(others(node))).length === 1,
      );
      t.diagnostic(
        `holder cut off → Jupyter answers elsewhere: ${Math.round(performance.now() - cutOff)} ms`,
      );
      assert.equal(await kernelThere(), true);
      await docker(
        'network',
        'connect',
        '--ip',
        cluster.address(node),
        cluster.network.name,
        cluster.container(node),
      );
      leader = await cluster.settled(30_000);
      assert.notEqual(leader, node);
      assert.equal(await kernelThere(), false);
      await waitFor('hosts', 10_000, async () => (await cluster.hosts(node)).length === 3);
    });

    test('a node agent that is killed takes its container with it, Jupyter and kernels included', async () => {
      const node = leader;
      const jupyter = cluster.jupyter(node);
      await jupyter.startKernel();
      await cluster.exec(node, 'pkill', '-KILL', '-x', 'node').catch(() => undefined);
      const status = await waitFor('the end of the container', 10_000, async () => {
        const code = await exitStatusOf(cluster.container(node));
        return code === undefined ? undefined : { code };
      });
      assert.equal(status.code, 137);
      assert.equal(await jupyter.probe(), 0);
      await cluster.start(node);
      leader = await cluster.settled(40_000);
      assert.equal(await cluster.jupyter(leader).readFile('kept.txt'), 'through everything');
    });

    test('no node agent came upon a defect of its own', async () => {
      for (const name of cluster.all) assert.doesNotMatch(await logsOf(name), /a defect of the node agent/);
    });
  });

  describe('a cluster of one', { concurrency: 1 }, () => {
    let cluster: TestCluster;

    before(async () => {
      cluster = await TestCluster.create(1);
      await cluster.startAll();
      await cluster.settled(30_000);
    });
    after(async () => {
      if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
      await cluster?.remove();
    });

    test('a Jupyter that runs and does not answer for a minute is started anew', async (t) => {
      const jupyter = cluster.jupyter(0);
      const former = await jupyter.startKernel();
      const silent = performance.now();
      await cluster.exec(0, 'pkill', '-STOP', '-f', '^/usr/bin/python3 -P ');
      // Each look waits until Jupyter answers, or 5 s.
      await waitFor('a Jupyter that answers', 90_000, async () => (await jupyter.probe()) === 200);
      const forS = (performance.now() - silent) / 1000;
      t.diagnostic(`Jupyter fell silent → another answers: ${forS.toFixed(1)} s`);
      assert.ok(forS > 60, 'a server that is slow for a while is left alone');
      assert.match(await logsOf(cluster.container(0)), /killing Jupyter: it does not answer/);
      assert.equal(await jupyter.probe(`api/kernels/${former}`), 404);
      await cluster.settled(10_000);
    });
  });
});
