import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { docker } from '../support/docker.js';
import { JupyterRecorder } from '../support/inside.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

const settleMs = 90_000;

describe('what an operator orders of a cluster that runs', () => {
  let cluster: Deployment;
  let recorder: JupyterRecorder;
  let holder: number;

  before(async () => {
    cluster = await Deployment.create();
    cluster.startScheduler();
    holder = await cluster.settled(settleMs);
    recorder = new JupyterRecorder(() => [...cluster.containers().values()].flat());
  });
  after(async () => {
    await recorder?.stop();
    await cluster?.remove();
  });
  showLogOnFailure(() => cluster);

  const othersThan = (node: number) => cluster.nodes.filter((other) => other !== node);

  /** Jupyter moves, as the command says that it did. */
  async function handOver(...flags: string[]): Promise<{ readonly node: number; readonly tookMs: number }> {
    const began = performance.now();
    const { status, stdout, stderr } = await cluster.order('hand-over', '--within-s', '90', ...flags);
    assert.equal(status, 0, stderr);
    const node = Number(/^Jupyter answers at node (\d)/.exec(stdout)?.[1]);
    const tookMs = performance.now() - began;
    await waitFor(
      `what it says: ${stdout}`,
      10_000,
      async () => (await cluster.serving()).join() === `${node}`,
    );
    return { node, tookMs };
  }

  async function leader(): Promise<number> {
    const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
    return statuses.find(({ etcd }) => etcd.role === 'leader')?.node ?? -1;
  }

  async function pause(...flags: string[]): Promise<void> {
    const { status, stdout, stderr } = await cluster.order('pause', ...flags);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^The cluster is paused\. /);
    await allHear(true);
  }

  async function resume(): Promise<void> {
    const { status, stdout, stderr } = await cluster.order('resume');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^The cluster goes on\. /);
  }

  /** On a machine that is slow it may take longer than the command waits. */
  function allHear(paused: boolean): Promise<unknown> {
    return waitFor(`all nodes to hear: paused ${paused}`, 30_000, async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
      return statuses.every((status) => status.paused === paused);
    });
  }

  /** Waits for it to be so, and then watches it being so for a while. */
  async function staysSo(what: string, forMs: number, isSo: () => Promise<boolean>): Promise<void> {
    await waitFor(what, 15_000, isSo);
    const until = performance.now() + forMs;
    while (performance.now() < until) assert.ok(await isSo(), what);
  }

  it('is done: Jupyter goes to another node, with its files', async (t) => {
    await cluster.jupyter(holder).writeFile('goes-along.txt', 'of the first holder');
    const { node, tookMs } = await handOver();
    t.diagnostic(`hand-over, from the command to its end: ${Math.round(tookMs)} ms`);
    assert.notEqual(node, holder);
    assert.equal(await cluster.jupyter(node).readFile('goes-along.txt'), 'of the first holder');
    holder = await cluster.settled(settleMs);
    assert.equal(holder, node);
  });

  it('is done: Jupyter goes to the node that was named', async () => {
    for (const to of othersThan(holder)) {
      assert.equal((await handOver('--to', String(to))).node, to);
      holder = await cluster.settled(settleMs);
    }
  });

  it('is refused in one sentence, with its code, where it makes no sense', async () => {
    for (const [flags, status, words] of [
      [['--to', '7'], 2, /NODE_UNKNOWN: there is no node 7: there are 0 to 2/],
      [['--to', String(holder)], 4, /HAND_OVER_REFUSED: .*node \d holds the notebook already/],
    ] as const) {
      const outcome = await cluster.order('hand-over', ...flags);
      assert.match(outcome.stderr, words);
      assert.equal(outcome.status, status);
    }
    assert.equal(await cluster.settled(settleMs), holder);
  });

  it('is done in a pause, too: Jupyter goes to the node that was named, and nothing else moves', async () => {
    const [to = 0, third = 0] = othersThan(holder);
    await pause('--reason', 'a test');
    assert.equal((await handOver('--to', String(to))).node, to);
    // etcd's leadership is moved under the holder, which is handed nothing back.
    const leads = await leader();
    if (leads !== third) await cluster.moveLeadership(leads, third);
    await staysSo('leadership', 4_000, async () => (await leader()) === third);
    assert.deepEqual(await cluster.serving(), [to]);
    await resume();
    holder = await cluster.settled(settleMs);
    assert.equal(holder, to, 'leadership has followed the notebook');
  });

  it('pauses the cluster: of a holder that is killed nothing comes back, not over a new scheduler either, until it goes on', async (t) => {
    const dead = holder;
    const others = othersThan(dead);
    await pause();
    const tasks = await cluster.runningTasks();
    await docker('kill', cluster.container(dead));
    await waitFor('Mesos to say so', 30_000, async () => (await cluster.runningTasks()).length === 2);
    const isLeftAlone = async (): Promise<boolean> => {
      const running = await cluster.runningTasks();
      return (
        (await cluster.serving(others)).length === 0 &&
        running.length === 2 &&
        running.every((task) => tasks.includes(task)) &&
        cluster.containers().size === 2
      );
    };
    // A lease's TTL, an election and a backoff are over in this time.
    await staysSo('what the pause leaves', 12_000, isLeftAlone);
    assert.equal(await cluster.stopScheduler('SIGKILL'), 'SIGKILL');
    const logged = cluster.log.length;
    cluster.startScheduler();
    await waitFor('the next scheduler to know its tasks', 60_000, () =>
      others.every((node) =>
        new RegExp(`node ${node}: task \\S+ is running`).test(cluster.log.slice(logged)),
      ),
    );
    assert.match(cluster.log.slice(logged), /paused by the operator since/);
    await staysSo('what the pause leaves', 8_000, isLeftAlone);
    const resumed = performance.now();
    await resume();
    holder = await waitFor('Jupyter elsewhere', 30_000, async () => {
      const [node] = await cluster.serving(others);
      return node === undefined ? undefined : { node };
    }).then(({ node }) => node);
    t.diagnostic(`resume → Jupyter answers elsewhere: ${Math.round(performance.now() - resumed)} ms`);
    holder = await cluster.settled(settleMs);
    t.diagnostic(`resume → all is well: ${Math.round(performance.now() - resumed)} ms`);
  });

  it('never ran two Jupyters', () => {
    assert.ok(recorder.rounds > 10);
    assert.deepEqual(recorder.doubles, []);
  });
});
