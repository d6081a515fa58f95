import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { JupyterRecorder } from '../support/inside.js';
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
    const { status, stdout, stderr } = await cluster.order('hand-over', ...flags);
    assert.equal(status, 0, stderr);
    const node = Number(/^Jupyter answers at node (\d)/.exec(stdout)?.[1]);
    assert.deepEqual(await cluster.serving(), [node], stdout);
    return { node, tookMs: performance.now() - began };
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

  it('never ran two Jupyters', () => {
    assert.ok(recorder.rounds > 10);
    assert.deepEqual(recorder.doubles, []);
  });
});
