import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { docker } from '../support/docker.js';
import { givenMesos } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

/** A settled cluster again, whatever the test before did to it. */
const settleMs = 90_000;

describe('a cluster that the scheduler runs on Mesos', () => {
  let cluster: Deployment;
  let leader: number;

  before(async () => {
    cluster = await Deployment.create();
    cluster.startScheduler();
  });
  after(() => cluster?.remove());
  showLogOnFailure(() => cluster);

  const settled = async (): Promise<void> => {
    leader = await cluster.settled(settleMs);
  };

  it('has three containers with the addresses and the shared directory that were asked for', async (t) => {
    const started = performance.now();
    await settled();
    t.diagnostic(`scheduler started → all is well: ${Math.round(performance.now() - started)} ms`);
    for (const node of cluster.nodes) {
      const [container] = JSON.parse(await docker('inspect', cluster.container(node))) as [
        {
          HostConfig: { Binds: string[]; NetworkMode: string };
          NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
          Config: { Env: string[]; Hostname: string };
        },
      ];
      // Mesos adds the sandbox.
      assert.ok(container.HostConfig.Binds.includes(`${cluster.shared}:/root/sharedfiles:rw`));
      assert.equal(container.HostConfig.NetworkMode, cluster.network);
      assert.equal(container.NetworkSettings.Networks[cluster.network]?.IPAddress, cluster.address(node));
      assert.equal(container.Config.Hostname, `jupyter-${node}`);
    }
    const tasks = (await cluster.framework())?.tasks ?? [];
    assert.equal(tasks.filter(({ state }) => state === 'TASK_RUNNING').length, 3);
    if (givenMesos === undefined) {
      assert.equal(new Set(tasks.map((task) => task.slave_id)).size, 2, 'spread over both hosts');
    }
  });

  it('runs one Jupyter, on the leader of etcd, which answers with the token alone', async () => {
    await settled();
    assert.deepEqual(await cluster.serving(), [leader]);
    assert.equal(await cluster.jupyter(leader, 'wrong').probe(), 403);
    assert.equal(await cluster.jupyter(leader, '').probe(), 403);
  });

  it('lets every node into every node by ssh with no prompt, and refuses a wrong host key', async () => {
    await settled();
    for (const from of cluster.nodes) {
      const ssh = 'ssh -o BatchMode=yes -o StrictHostKeyChecking=yes';
      const answers = await waitFor(`ssh from node ${from}`, 10_000, () =>
        cluster.shell(from, `set -e; for to in 0 1 2; do ${ssh} node$to hostname; done`),
      );
      assert.equal(answers, 'jupyter-0\njupyter-1\njupyter-2');
      await assert.rejects(
        cluster.shell(
          from,
          `echo "jupyter-2 $(cut -d" " -f2- /etc/ssh/ssh_host_ed25519_key.pub)" > /tmp/wrong; ${ssh} -o HostKeyAlias=${from === 2 ? 'jupyter-1' : 'jupyter-2'} -o GlobalKnownHostsFile=/tmp/wrong -o UserKnownHostsFile=/dev/null node${from === 2 ? 1 : 2} true`,
        ),
        /Host key verification failed|No .* host key is known/,
      );
    }
  });

  it('lists the living in /etc/hosts on every node', async () => {
    await settled();
    for (const node of cluster.nodes) {
      await waitFor(`hosts of node ${node}`, 5_000, async () => {
        assert.deepEqual(await cluster.hosts(node), cluster.expectedHosts(cluster.nodes, leader));
        return true;
      });
    }
  });

  it('shows a file that is written through Jupyter on every node', async () => {
    await settled();
    await cluster.jupyter(leader).writeFile('from-jupyter.txt', 'hello');
    for (const node of cluster.nodes)
      assert.equal(await cluster.sharedFile(node, 'from-jupyter.txt'), 'hello');
  });

  it('runs the cell of a notebook in a kernel', async () => {
    await settled();
    const jupyter = cluster.jupyter(leader);
    const kernel = await jupyter.startKernel();
    assert.equal(await jupyter.runCell(kernel, 'print(6 * 7)'), '42\n');
  });

  it('brings Jupyter up elsewhere when the leader’s container is killed, and the node back', async (t) => {
    await settled();
    const dead = leader;
    const { token } = cluster;
    await cluster.jupyter(dead).writeFile('survives.txt', 'still here');
    const before = await cluster.runningTasks();
    const survivors = cluster.nodes.filter((node) => node !== dead);

    // The dead node is held back for a while, so that what the others do without it can be seen.
    const id = cluster.container(dead);
    const killed = performance.now();
    await docker('kill', id);
    const next = await waitFor('Jupyter on a survivor', 30_000, async () => {
      const serving = await Promise.all(
        survivors.map(async (node) => ((await cluster.jupyter(node, token).probe()) === 200 ? [node] : [])),
      );
      const [node] = serving.flat();
      return node === undefined ? undefined : { node };
    });
    t.diagnostic(`leader killed → Jupyter answers elsewhere: ${Math.round(performance.now() - killed)} ms`);
    assert.equal(await cluster.jupyter(next.node, token).readFile('survives.txt'), 'still here');

    await settled();
    t.diagnostic(`leader killed → all three are well again: ${Math.round(performance.now() - killed)} ms`);
    assert.notEqual(cluster.container(dead), id);
    assert.equal(cluster.token, token);
    const members = await cluster.exec(leader, 'etcdctl', 'member', 'list');
    const voters = members.split('\n').filter((line) => /, started, .*, false$/.test(line));
    assert.equal(voters.length, 3, members);
    assert.ok(
      voters.some((line) => line.includes(cluster.address(dead))),
      members,
    );
    const now = await cluster.runningTasks();
    assert.equal(now.filter((task) => before.includes(task)).length, 2, 'only the dead task was replaced');
    for (const node of cluster.nodes) {
      await waitFor(`hosts of node ${node}`, 5_000, async () => {
        assert.deepEqual(await cluster.hosts(node), cluster.expectedHosts(cluster.nodes, leader));
        return true;
      });
    }
  });

  it('closes the numbers in /etc/hosts up while a node is away', async () => {
    await settled();
    const away = cluster.nodes.find((node) => node !== leader) ?? 0;
    const left = cluster.nodes.filter((node) => node !== away);
    const id = cluster.container(away);
    // A container that is frozen is not relaunched before its health check has failed for a while.
    await docker('pause', id);
    try {
      for (const node of left) {
        await waitFor(`hosts of node ${node} without node ${away}`, 15_000, async () => {
          assert.deepEqual(await cluster.hosts(node), cluster.expectedHosts(left, leader));
          return true;
        });
      }
    } finally {
      await docker('unpause', id);
    }
    await settled();
  });

  it('keeps one Jupyter, on the leader, when leadership is moved while all live', async () => {
    await settled();
    const other = cluster.nodes.find((node) => node !== leader) ?? 0;
    await cluster.moveLeadership(leader, other);
    await waitFor('one Jupyter on the leader', 30_000, async () => {
      const serving = await cluster.serving();
      assert.ok(serving.length <= 1, `Jupyter answers on ${serving}`);
      const endpoints = await cluster.exec(leader, 'etcdctl', 'endpoint', 'status', '-w', 'json');
      const led = BigInt(/"leader":(\d+)/.exec(endpoints)?.[1] ?? 0).toString(16);
      const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
      const leads = statuses.find((status) => status.etcd.memberId === led)?.node;
      return serving.length === 1 && serving[0] === leads;
    });
  });

  it('is taken over by the next scheduler, whether the last one was stopped or killed', async () => {
    await settled();
    const framework = await cluster.framework();
    const tasks = await cluster.runningTasks();
    const containers = cluster.nodes.map((node) => cluster.container(node));
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      assert.equal(await cluster.stopScheduler(signal), signal === 'SIGTERM' ? 0 : signal);
      const logged = cluster.log.length;
      cluster.startScheduler();
      await waitFor('the next scheduler to know its tasks', 30_000, () =>
        cluster.nodes.every((node) =>
          cluster.log.slice(logged).includes(`node ${node}: task ${tasks[node]} is running`),
        ),
      );
      assert.equal((await cluster.framework())?.id, framework?.id);
      assert.deepEqual(await cluster.runningTasks(), tasks);
      assert.deepEqual(
        cluster.nodes.map((node) => cluster.container(node)),
        containers,
      );
    }
  });

  it('shows its token in no log of the scheduler, nor in its state, nor at the master', async () => {
    await settled();
    const { token } = cluster;
    const state = await (await fetch(`${cluster.master}/master/state`)).text();
    for (const text of [cluster.log, readFileSync(cluster.stateFile, 'utf8'), state]) {
      assert.ok(text.length > 0 && !text.includes(token));
    }
  });
});
