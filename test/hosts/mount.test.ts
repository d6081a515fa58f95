import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes } from '../../executor-image/contract.js';
import { TestCluster } from '../image/cluster.js';
import { exitStatusOf } from '../support/docker.js';
import { type GlusterMount, GlusterVolume } from '../support/gluster.js';
import { waitFor } from '../support/wait.js';

describe('nodes on a real GlusterFS volume', () => {
  let volume: GlusterVolume;
  let cluster: TestCluster;
  /** The mount of each node's present container, as each host has its own. */
  const mounts: GlusterMount[] = [];
  let holder: number;
  let kernel: string;

  before(async () => {
    volume = await GlusterVolume.create(mkdtempSync(join(tmpdir(), 'mj-gluster-test-')));
    for (const node of [0, 1, 2]) mounts[node] = await volume.mount(`mount-${node}`);
    cluster = await TestCluster.create(3, {
      volumeType: 'fuse.glusterfs',
      shared: (await volume.mount('mount-of-the-test')).path,
      mountOf: (_, node) => mounts[node]?.path ?? '',
    });
    await cluster.startAll();
    holder = await cluster.settled(60_000);
    kernel = await cluster.jupyter(holder).startKernel();
    await cluster.jupyter(holder).runCell(kernel, 'kept = 42');
  });
  after(async (t) => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs(), t);
    await cluster?.remove();
    await volume?.remove();
  });

  /** All nodes see the volume again, none has left, and the kernel knows what it knew. */
  async function healedInPlace(timeoutMs: number): Promise<void> {
    await waitFor('a sight of the volume everywhere', timeoutMs, async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
      return statuses.every(({ volume: seen }) => seen.trouble === undefined && seen.fresh);
    });
    assert.equal(await cluster.settled(20_000), holder);
    assert.equal(await cluster.jupyter(holder).runCell(kernel, 'print(kept)'), '42\n');
    assert.deepEqual(await Promise.all(cluster.nodes.map((node) => exitStatusOf(cluster.container(node)))), [
      undefined,
      undefined,
      undefined,
    ]);
  }

  const troubleEverywhere = () =>
    waitFor('trouble on every node', 40_000, async () => {
      const statuses = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
      assert.ok(
        statuses.every(({ leaving }) => leaving === undefined),
        'nobody is to leave',
      );
      return statuses.every(({ volume: seen }) => seen.trouble !== undefined);
    });

  for (const [words, lost] of [
    ['two of three bricks', [0, 1]],
    ['all bricks', [0, 1, 2]],
  ] as const) {
    test(`${words} are killed and come back: all heals in place`, async (t) => {
      for (const brick of lost) await volume.kill(brick);
      await troubleEverywhere();
      for (const brick of lost) volume.start(brick);
      const started = performance.now();
      await healedInPlace(60_000);
      t.diagnostic(`bricks back → all nodes see the volume: ${Math.round(performance.now() - started)} ms`);
    });
  }

  test('a brick hangs for a minute: nobody leaves, and no kernel is lost', async () => {
    volume.hang(1);
    try {
      await delay(60_000);
    } finally {
      volume.goOn(1);
    }
    await healedInPlace(40_000);
  });

  test('a mount’s process is killed and the host mounts again: the node ends, and its next container sees the new mount', async (t) => {
    const other = cluster.nodes.find((node) => node !== holder) ?? 0;
    for (const node of [other, holder]) {
      await mounts[node]?.die();
      const died = performance.now();
      const { status } = await waitFor('the end', 60_000, async () => {
        const code = await exitStatusOf(cluster.container(node));
        return code === undefined ? undefined : { status: code };
      });
      t.diagnostic(`${node === holder ? 'holder' : 'other'}: ${Math.round(performance.now() - died)} ms`);
      assert.equal(status, exitCodes.mountDead);
      await mounts[node]?.remove();
      mounts[node] = await volume.mount(`mount-${node}-again`);
      await cluster.start(node);
      await cluster.settled(60_000);
    }
  });
});
