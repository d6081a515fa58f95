import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { containerPaths } from '../../executor-image/contract.js';
import { docker, exitStatusOf, logsOf } from '../support/docker.js';
import { statusInside } from '../support/inside.js';
import { connectAgain, cutOff } from '../support/packets.js';
import { bootMs, Stamps, type Writer } from '../support/stamps.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

/** TTL less margin of the test cluster's leases. */
const longestMs = 4000;
/** From the deadline until each process is stopped, on a machine that has other things to do. */
const freezeWithinMs = 50;

describe('what a holder’s Jupyter started, when its deadline passes', () => {
  let cluster: TestCluster;
  let stamps: Stamps;
  let holder: number;

  before(async () => {
    cluster = await TestCluster.create();
    stamps = new Stamps(cluster.shared);
    await cluster.startAll();
    holder = await cluster.settled(30_000);
  });
  after(async () => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
    await cluster?.remove();
  });

  const others = (node: number) => cluster.nodes.filter((other) => other !== node);
  const startWriters = (label: string) => stamps.start(cluster.jupyter(holder), label);
  const last = (writer: Writer): number => writer.stamps().at(-1) ?? 0;
  const jupyterElsewhere = (node: number) =>
    waitFor('Jupyter elsewhere', 30_000, async () => {
      const [serving] = await cluster.serving(others(node));
      return serving === undefined ? undefined : { serving };
    }).then(({ serving }) => serving);

  /** Nothing was written after `untilMs`. */
  function assertSilentAfter(writers: readonly Writer[], untilMs: number, what: string): void {
    for (const writer of writers) {
      const late = last(writer) - untilMs;
      assert.ok(late <= 0, `${writer.name} wrote ${late.toFixed(1)} ms after ${what}`);
    }
  }

  test('the node agent is stopped: all are frozen at the deadline, before another node takes over, and killed when it goes on', async (t) => {
    const node = holder;
    const writers = await startWriters('stopped');
    await cluster.shell(node, 'pkill -STOP -x node');
    const stoppedAt = bootMs();
    const next = await jupyterElsewhere(node);
    const frozenAt = Math.max(...writers.map(last));
    t.diagnostic(`node agent stopped → the last stamp: ${Math.round(frozenAt - stoppedAt)} ms`);
    assertSilentAfter(writers, stoppedAt + longestMs + freezeWithinMs, 'the deadline');
    holder = next;
    const successors = await startWriters('stopped-next');
    const firstOfNext = Math.min(...successors.map((writer) => writer.stamps()[0] ?? 0));
    assert.ok(frozenAt < firstOfNext);
    await cluster.shell(node, 'pkill -CONT -x node');
    await waitFor('the end of what was frozen', 15_000, async () => {
      return (await cluster.shell(node, 'pgrep -fc "[i]pykernel|[s]tamp" || true')) === '0';
    });
    assertSilentAfter(writers, frozenAt, 'they were frozen');
    holder = await cluster.settled(30_000);
  });

  test('the container is paused past the deadline: within 50 ms after its return all are frozen', async (t) => {
    const node = holder;
    const writers = await startWriters('paused');
    await docker('pause', cluster.container(node));
    const pausedAt = bootMs();
    const next = await jupyterElsewhere(node);
    await docker('unpause', cluster.container(node));
    // The clock of what was paused begins with the first stamp after the return.
    await waitFor('the end of what was frozen', 15_000, async () => {
      return (await cluster.shell(node, 'pgrep -fc "[i]pykernel|[s]tamp" || true')) === '0';
    });
    for (const writer of writers) {
      const after = writer.stamps().filter((stamp) => stamp > pausedAt + 500);
      const forMs = (after.at(-1) ?? 0) - (after[0] ?? 0);
      t.diagnostic(
        `${writer.name} wrote ${after.length} stamps after the return, for ${forMs.toFixed(1)} ms`,
      );
      assert.ok(forMs <= freezeWithinMs, `${writer.name} wrote for ${forMs} ms`);
    }
    assert.notEqual(next, node);
    holder = await cluster.settled(30_000);
  });

  test('the leader is stunned for almost a TTL and its network comes back late: what its etcd acknowledges does not count', async (t) => {
    /** Whether etcd there acknowledged a renewal, begun after `sinceMs`, that no read followed. */
    const hasAcknowledged = async (container: string, sinceMs: number): Promise<boolean> => {
      const words = /acknowledged a renewal, begun at (\d+) ms on the boot clock, that does not count/g;
      return [...(await logsOf(container)).matchAll(words)].some(([, atMs]) => Number(atMs) > sinceMs);
    };
    // So long that every deadline is past, and that its etcd mostly still has the lease: that was renewed up to a second before.
    const stunnedForMs = longestMs;
    for (let attempt = 1; ; attempt++) {
      const node = holder;
      const container = cluster.container(node);
      const writers = await startWriters(`stunned-${attempt}`);
      await cutOff(container);
      const pausedAt = bootMs();
      await docker('pause', container);
      await waitFor('its time', 6000, () => bootMs() >= pausedAt + stunnedForMs);
      const resumedAt = bootMs();
      await docker('unpause', container);
      const next = await jupyterElsewhere(node);
      const servesAt = bootMs();
      const lastAt = Math.max(...writers.map(last));
      const wasAcknowledged = await hasAcknowledged(container, resumedAt);
      t.diagnostic(
        `stunned → the last stamp: ${Math.round(lastAt - pausedAt)} ms; Jupyter elsewhere: ${Math.round(servesAt - pausedAt)} ms; etcd ${wasAcknowledged ? 'acknowledged a renewal' : 'had no lease any more'}`,
      );
      for (const writer of writers) {
        const after = writer.stamps().filter((stamp) => stamp > pausedAt + 2000);
        const forMs = (after.at(-1) ?? 0) - (after[0] ?? 0);
        assert.ok(forMs <= freezeWithinMs, `${writer.name} wrote for ${forMs} ms after the return`);
      }
      await connectAgain(container);
      await waitFor('the end of what was frozen', 20_000, async () => {
        return (await cluster.shell(node, 'pgrep -fc "[i]pykernel|[s]tamp" || true')) === '0';
      });
      assertSilentAfter(writers, lastAt, 'they were frozen');
      assert.notEqual(next, node);
      holder = await cluster.settled(30_000);
      if (wasAcknowledged) return;
      assert.ok(attempt < 5, 'etcd never acknowledged a renewal after it was stunned');
    }
  });

  test('the quorum is away for a while: variables are kept, and the cell that was running goes on', async (t) => {
    const node = holder;
    const writers = await startWriters('quorum');
    const jupyter = cluster.jupyter(node);
    const kernel = await jupyter.startKernel();
    await jupyter.runCell(kernel, 'kept = "still here"');
    const cell = jupyter.runCell(
      kernel,
      'import time\nfor i in range(150):\n    print(i, flush=True); time.sleep(0.1)',
      60_000,
    );
    await docker('pause', ...others(node).map((other) => cluster.container(other)));
    const pausedAt = bootMs();
    await waitFor('the freezing', 10_000, async () => {
      return (await statusInside(cluster.container(node))).notebook.state === 'frozen';
    });
    t.diagnostic(`quorum lost → frozen: ${Math.round(bootMs() - pausedAt)} ms`);
    assertSilentAfter(writers, pausedAt + longestMs + freezeWithinMs, 'the deadline');
    assert.equal(await jupyter.probe(), 0);
    const frozenUntil = bootMs() + 3000;
    await waitFor('a while', 5000, () => bootMs() > frozenUntil);
    const before = writers.map(last);
    await docker('unpause', ...others(node).map((other) => cluster.container(other)));
    const backAt = bootMs();
    await waitFor('stamps', 15_000, () => writers.every((writer, i) => last(writer) > (before[i] ?? 0)));
    t.diagnostic(`quorum back → all go on: ${Math.round(bootMs() - backAt)} ms`);
    assert.equal((await cell).trim().split('\n').length, 150);
    assert.equal(await jupyter.runCell(kernel, 'print(kept)'), 'still here\n');
    assert.equal(await cluster.settled(30_000), node);
  });

  test('the node agent is killed: its container ends with all of it', async () => {
    const node = holder;
    const writers = await startWriters('killed');
    await cluster.exec(node, 'pkill', '-KILL', '-x', 'node').catch(() => undefined);
    const killedAt = bootMs();
    await waitFor('the end', 10_000, async () => (await exitStatusOf(cluster.container(node))) === 137);
    assertSilentAfter(writers, killedAt + freezeWithinMs, 'the node agent’s end');
    await cluster.start(node);
    holder = await cluster.settled(40_000);
  });

  test('the keeper is killed: all of it is ended at once, and Jupyter started anew', async () => {
    const writers = await startWriters('keeper');
    await cluster.shell(holder, 'pkill -KILL -f "[k]eeper.py"');
    const killedAt = bootMs();
    assert.equal(await cluster.settled(20_000), holder);
    assertSilentAfter(writers, killedAt + 500, 'the keeper’s end');
    assert.match(await cluster.exec(holder, 'ls', containerPaths.notebooks), /stamps/);
  });
});
