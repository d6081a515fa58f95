import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { exitCodes, ports } from '../../executor-image/contract.js';
import { exitStatusOf, logsOf } from '../support/docker.js';
import { HangingMount } from '../support/hanging-mount.js';
import { getInside } from '../support/inside.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

describe('nodes that cannot stay leave one at a time, with no packet from outside', () => {
  let cluster: TestCluster;
  const scratch = mkdtempSync(join(tmpdir(), 'mj-leaving-test-'));
  /** The mount of each node's present container, by node. */
  const mounts: HangingMount[] = [];
  let mounted = 0;
  /** Nodes whose containers have no executor. */
  const orphans = new Set<number>();
  let executor: NodeJS.Timeout;

  async function mount(node: number): Promise<void> {
    mounts[node] = await HangingMount.of(cluster.shared, join(scratch, `mount-${mounted++}`));
  }

  before(async () => {
    cluster = await TestCluster.create(3, {
      healthChecks: true,
      dropsPackets: true,
      mountOf: (_, node) => mounts[node]?.path ?? '',
    });
    for (const node of cluster.nodes) await mount(node);
    await cluster.startAll();
    executor = setInterval(() => {
      for (const node of cluster.nodes) {
        if (orphans.has(node)) continue;
        void getInside(cluster.container(node), ports.nodeAgent, '/livez').catch(() => undefined);
      }
    }, 10_000);
    await cluster.settled(30_000);
  });
  after(async (t) => {
    clearInterval(executor);
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs(), t);
    await cluster?.remove();
    for (const each of mounts) await each.remove().catch(() => undefined);
    rmSync(scratch, { recursive: true, force: true });
  });

  const ended = (node: number, timeoutMs: number) =>
    waitFor(`the end of node ${node}`, timeoutMs, async () => {
      const status = await exitStatusOf(cluster.container(node));
      return status === undefined ? undefined : { status };
    });

  /** The first of `nodes` to end; the others have not. */
  const firstToEnd = (nodes: readonly number[], timeoutMs: number) =>
    waitFor('the end of a node', timeoutMs, async () => {
      const statuses = await Promise.all(nodes.map((node) => exitStatusOf(cluster.container(node))));
      const over = nodes.filter((_, position) => statuses[position] !== undefined);
      assert.ok(over.length <= 1, `nodes ${over.join(', ')} left at once`);
      const [node] = over;
      return node === undefined ? undefined : { node, status: statuses[nodes.indexOf(node)] };
    });

  test('a holder whose mount dies hands over, ends and says so; its next container sees the new mount', async (t) => {
    const holder = await cluster.settled(10_000);
    const killed = performance.now();
    await mounts[holder]?.die();
    const { status } = await ended(holder, 40_000);
    t.diagnostic(`mount's process killed → node ended: ${Math.round(performance.now() - killed)} ms`);
    assert.equal(status, exitCodes.mountDead);
    assert.match(
      await logsOf(cluster.container(holder)),
      /the notebook goes to node \d|leadership handed over/,
    );
    await mounts[holder]?.remove();
    await mount(holder);
    await cluster.start(holder);
    await cluster.settled(40_000);
  });

  test('when all are orphans the holder is the last, and each waits until its predecessor’s successor is a member', async (t) => {
    const holder = await cluster.settled(10_000);
    for (const node of cluster.nodes) orphans.add(node);
    let left = [...cluster.nodes];
    while (left.length > 0) {
      const { node, status } = await firstToEnd(left, 130_000);
      t.diagnostic(`node ${node} ended, ${left.length} were left`);
      assert.equal(status, exitCodes.orphan);
      assert.equal(node === holder, left.length === 1, 'the holder is the last');
      left = left.filter((other) => other !== node);
      orphans.delete(node);
      await cluster.start(node);
    }
    await cluster.settled(40_000);
  });
});
