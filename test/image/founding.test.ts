import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fenceMarginMs } from '../../executor-image/agent/fence.js';
import { exitCodes, generationFileName } from '../../executor-image/contract.js';
import { docker, exitStatusOf, logsOf } from '../support/docker.js';
import { HangingMount } from '../support/hanging-mount.js';
import { jupyterAnswersInside } from '../support/inside.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

/** Short, so that what production does in a minute can be seen in seconds. */
const lookLimitS = 6;

const statusOfEnd = (cluster: TestCluster, node: number, timeoutMs: number): Promise<number> =>
  waitFor(`the end of node ${node}`, timeoutMs, async () => {
    const code = await exitStatusOf(cluster.container(node));
    return code === undefined ? undefined : { code };
  }).then(({ code }) => code);

describe('a founder that finds its generation’s number taken', () => {
  let cluster: TestCluster;
  beforeEach(async () => {
    cluster = await TestCluster.create();
    mkdirSync(cluster.trusted, { mode: 0o700 });
  });
  afterEach(() => cluster?.remove());

  test('by other founders ends before it starts etcd, with the code for it', async () => {
    writeFileSync(join(cluster.trusted, generationFileName(1)), 'task-a\ntask-b\ntask-c\n');
    await cluster.start(0);
    assert.equal(await statusOfEnd(cluster, 0, 15_000), exitCodes.numberTaken);
    const log = await logsOf(cluster.container(0));
    assert.match(log, /generation 1 was founded by other tasks \(task-a, task-b, task-c\)/);
    assert.doesNotMatch(log, /etcd: /);
    assert.equal(readFileSync(join(cluster.trusted, generationFileName(1)), 'utf8').split('\n')[0], 'task-a');
  });

  test('or past, by a higher one, ends likewise', async () => {
    writeFileSync(join(cluster.trusted, generationFileName(12)), 'task-a\ntask-b\ntask-c\n');
    await cluster.start(0);
    assert.equal(await statusOfEnd(cluster, 0, 15_000), exitCodes.numberTaken);
    assert.match(await logsOf(cluster.container(0)), /generation 12 is there already, after 1/);
  });
});

describe('generations that follow one another, with no packet from outside', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.create(3, { lookLimitS, dropsPackets: true });
  });
  after(async () => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
    await cluster?.remove();
  });

  test('founders that arrive late make one cluster: the first waits for a majority, the last finds it', async () => {
    await cluster.start(0);
    await waitFor('the first founder’s etcd', 20_000, async () => {
      const status = await cluster.status(0);
      return status.etcd.start === 'founder' && status.volume.fresh;
    });
    // MESOS_JUPYTER_TEST_LONG: longer than anybody who is no voter would wait.
    if (process.env['MESOS_JUPYTER_TEST_LONG'] !== undefined) {
      await waitFor('three minutes', 200_000, async () => (await cluster.status(0)).uptimeS >= 180);
    }
    assert.equal((await cluster.status(0)).ready, false);
    await cluster.start(1);
    await waitFor('Jupyter on one of two', 20_000, async () => (await cluster.serving([0, 1])).length === 1);
    await cluster.start(2);
    await cluster.settled(30_000);
    const members = await cluster.exec(0, 'etcdctl', 'member', 'list');
    assert.equal(members.match(/node-\d-founder/g)?.length, 3, members);
    assert.equal(
      readFileSync(join(cluster.trusted, generationFileName(1)), 'utf8'),
      'task-0-1\ntask-1-1\ntask-2-1\n',
    );
  });

  test('all nodes end when a higher one appears on the volume', async (t) => {
    const appeared = performance.now();
    writeFileSync(join(cluster.trusted, generationFileName(2)), 'task-a\ntask-b\ntask-c\n');
    for (const node of cluster.nodes) {
      assert.equal(await statusOfEnd(cluster, node, 10_000), exitCodes.generationPast);
    }
    t.diagnostic(
      `a higher generation’s file → all three have ended: ${Math.round(performance.now() - appeared)} ms`,
    );
  });

  test('with every earlier task proven dead, Jupyter is there at once', async (t) => {
    cluster.found(3);
    const started = performance.now();
    await cluster.startAll();
    await cluster.settled(30_000);
    t.diagnostic(`containers started → settled: ${Math.round(performance.now() - started)} ms`);
    const fenced = await cluster.exec(0, 'etcdctl', 'get', '/fenced');
    assert.match(fenced, /every task of earlier generations is proven dead/);
  });

  test('a founder that dies before it ever started etcd is replaced: its next task joins the others', async () => {
    for (const node of cluster.nodes) await docker('kill', cluster.container(node));
    cluster.found(4);
    await cluster.start(2);
    await docker('kill', cluster.container(2));
    assert.doesNotMatch(await logsOf(cluster.container(2)), /founder of this generation/);
    await Promise.all([cluster.start(0), cluster.start(1)]);
    await waitFor('Jupyter on one of two', 30_000, async () => (await cluster.serving([0, 1])).length === 1);
    await cluster.start(2);
    await cluster.settled(40_000);
    const members = await cluster.exec(0, 'etcdctl', 'member', 'list');
    assert.match(members, /started, node-2-incarnation-\d+, .*, false/);
    assert.equal(members.split('\n').length, 3, members);
  });

  test('with an earlier task that may live, nobody holds the notebook before that must have stopped', async (t) => {
    for (const node of cluster.nodes) await docker('kill', cluster.container(node));
    cluster.found(5, ['task-1-2']);
    await cluster.startAll();
    const made = await waitFor('the generation’s file', 10_000, async () => {
      readFileSync(join(cluster.trusted, generationFileName(5)));
      return performance.now();
    });
    await waitFor('a status that says so', 10_000, async () => {
      const { fenced, reason } = await cluster.status(0);
      return fenced === false && /tasks of earlier generations that may live \(task-1-2\)/.test(reason);
    });
    const waited = await waitFor('Jupyter', 30_000, async () => {
      const [serving] = await cluster.serving();
      return serving === undefined ? undefined : performance.now() - made;
    });
    t.diagnostic(
      `the generation’s file is there → Jupyter answers: ${Math.round(waited)} ms, at a limit of ${lookLimitS} s`,
    );
    assert.ok(waited >= lookLimitS * 1000 + fenceMarginMs(lookLimitS * 1000) - 300, `${waited}`);
    const holder = await cluster.settled(20_000);
    assert.equal((await cluster.status(holder)).fenced, true);
  });
});

describe('a shared volume that hangs on the holder', () => {
  let cluster: TestCluster;
  let leader: number;
  const mounts: HangingMount[] = [];

  before(async () => {
    const mountOf = (shared: string, node: number) => `${shared}.${node}`;
    cluster = await TestCluster.create(3, { lookLimitS, mountOf });
    for (const node of cluster.nodes)
      mounts.push(await HangingMount.of(cluster.shared, mountOf(cluster.shared, node)));
    await cluster.startAll();
    leader = await cluster.settled(30_000);
  });
  after(async () => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
    // A container whose processes wait for the volume cannot be removed.
    for (const mount of mounts) mount.goOn();
    for (const name of cluster?.all ?? []) await docker('rm', '-f', '-v', name).catch(() => undefined);
    for (const mount of mounts) await mount.remove();
    await cluster?.remove();
  });

  const jupyterRuns = (node: number): Promise<boolean> => jupyterAnswersInside(cluster.container(node));
  const mount = (node: number): HangingMount => mounts[node] ?? assert.fail();

  test('for less than the limit costs nothing: the kernel goes on', async () => {
    const jupyter = cluster.jupyter(leader);
    const kernel = await jupyter.startKernel();
    await jupyter.runCell(kernel, 'kept = "still here"');
    mount(leader).hang();
    await waitFor('a look that is old, but not too old', 10_000, async () => {
      const { lookAgeS = 0, fresh } = (await cluster.status(leader)).volume;
      return lookAgeS > lookLimitS / 2 && fresh;
    });
    mount(leader).goOn();
    await waitFor(
      'a young look',
      5_000,
      async () => ((await cluster.status(leader)).volume.lookAgeS ?? 99) < 2,
    );
    assert.equal(await jupyter.runCell(kernel, 'print(kept)'), 'still here\n');
  });

  test('for longer has Jupyter frozen at the limit, and its kernels go on when it is back', async (t) => {
    const jupyter = cluster.jupyter(leader);
    const kernel = await jupyter.startKernel();
    await jupyter.runCell(kernel, 'kept = "still here"');
    const hung = performance.now();
    mount(leader).hang();
    await waitFor('the freezing', lookLimitS * 1000 + 3000, async () => {
      return (await cluster.status(leader)).notebook.state === 'frozen';
    });
    const stopped = performance.now();
    t.diagnostic(
      `the volume hangs → Jupyter is frozen: ${Math.round(stopped - hung)} ms, at a limit of ${lookLimitS} s`,
    );
    assert.match(
      (await cluster.status(leader)).reason,
      /Jupyter may not run here: the shared volume did not answer/,
    );
    assert.deepEqual(await cluster.serving(), []);
    mount(leader).goOn();
    assert.equal(await cluster.settled(20_000), leader);
    t.diagnostic(`the volume is back → settled: ${Math.round(performance.now() - stopped)} ms`);
    assert.equal(await jupyter.runCell(kernel, 'print(kept)'), 'still here\n');
  });

  test('for twice the limit has the notebook handed to a node that sees it, while all duties go on', async (t) => {
    const holder = leader;
    const others = cluster.nodes.filter((node) => node !== holder);
    const hung = performance.now();
    mount(holder).hang();
    const next = await waitFor('Jupyter elsewhere', lookLimitS * 2000 + 15_000, async () => {
      const [serving] = await cluster.serving(others);
      const here = await jupyterRuns(holder);
      assert.equal(here && serving !== undefined, false, 'two Jupyters');
      // Its node agent answers all along: were it stuck itself, Mesos would kill it.
      await cluster.status(holder);
      return serving === undefined ? undefined : { node: serving };
    });
    t.diagnostic(`the volume hangs → Jupyter answers elsewhere: ${Math.round(performance.now() - hung)} ms`);
    mount(holder).goOn();
    leader = await cluster.settled(20_000);
    assert.equal(leader, next.node);
  });
});
