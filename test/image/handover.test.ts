import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readAuthority } from '../../executor-image/agent/trust/authority.js';
import { authorityFileName, type ControlCall } from '../../executor-image/contract.js';
import { type Answer, ControlClient } from '../../framework/control/client.js';
import { docker, exitStatusOf } from '../support/docker.js';
import { JupyterRecorder } from '../support/inside.js';
import type { KernelConnection } from '../support/jupyter.js';
import { waitFor } from '../support/wait.js';
import { schedulerKey, TestCluster } from './cluster.js';

describe('the notebook goes to another node', () => {
  let cluster: TestCluster;
  let recorder: JupyterRecorder;
  let holder: number;

  before(async () => {
    cluster = await TestCluster.create();
    await cluster.startAll();
    holder = await cluster.settled(30_000);
    recorder = new JupyterRecorder(() => cluster.containers);
  });
  after(async () => {
    await recorder?.stop();
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs());
    await cluster?.remove();
  });

  const others = (node: number) => cluster.nodes.filter((other) => other !== node);

  async function handOver(node: number, to?: number): Promise<Answer> {
    const { taskId } = await cluster.status(node);
    const { certificate } = readAuthority(readFileSync(join(cluster.trusted, authorityFileName), 'utf8'));
    const call: ControlCall = { call: 'handOver', taskId, ...(to === undefined ? {} : { to }) };
    return new ControlClient(schedulerKey).call(cluster.address(node), call, certificate);
  }

  /** A kernel that somebody has open. */
  async function open(node: number): Promise<KernelConnection> {
    const jupyter = cluster.jupyter(node);
    const kernel = jupyter.connect(await jupyter.startKernel());
    await kernel.run('kept = 1');
    return kernel;
  }

  async function assertToldWhy(kernel: KernelConnection): Promise<void> {
    const { code, reason } = await kernel.closed;
    assert.equal(code, 1012, 'service restart');
    assert.match(reason, /handed over/);
  }

  test('by an operator’s order, to the node of choice, and leadership with it', async (t) => {
    const [, to = 0] = others(holder);
    const kernel = await open(holder);
    const terminal = await cluster.jupyter(holder).openTerminal();
    let screen = '';
    terminal.on('message', (data) => {
      const [kind, said] = JSON.parse(data.toString()) as [string, string];
      if (kind === 'stdout') screen += said;
    });
    const terminalClosed = once(terminal, 'close');
    const began = performance.now();
    const { status, text } = await handOver(holder, to);
    assert.equal(status, 200, text);
    assert.match(text, new RegExp(`node ${to} takes the notebook`));
    assert.equal(await cluster.settled(10_000), to);
    t.diagnostic(
      `an operator’s order → settled on the other node: ${Math.round(performance.now() - began)} ms`,
    );
    holder = to;
    await assertToldWhy(kernel);
    assert.equal((await terminalClosed)[0], 1012);
    assert.match(screen, /handed over to another node/);
  });

  test('not when the node does not hold it, nor to one that cannot take it', async () => {
    const [other = 0] = others(holder);
    for (const [node, to, why] of [
      [other, undefined, /does not hold the notebook/],
      [holder, holder, new RegExp(`node ${holder} cannot take the notebook`)],
      [holder, 9, /node 9 cannot take the notebook/],
    ] as const) {
      const { status, text } = await handOver(node, to);
      assert.equal(status, 503);
      assert.match(text, why);
    }
    assert.equal(await cluster.settled(20_000), holder);
  });

  test('when its holder is told to end', async (t) => {
    const node = holder;
    const kernel = await open(node);
    const told = performance.now();
    await docker('kill', '--signal', 'TERM', cluster.container(node));
    await waitFor(
      'Jupyter elsewhere',
      15_000,
      async () => (await cluster.serving(others(node))).length === 1,
    );
    t.diagnostic(
      `SIGTERM to the holder → Jupyter answers elsewhere: ${Math.round(performance.now() - told)} ms`,
    );
    await waitFor('its end', 10_000, async () => (await exitStatusOf(cluster.container(node))) === 0);
    await assertToldWhy(kernel);
    await cluster.start(node);
    holder = await cluster.settled(40_000);
  });

  test('when Jupyter cannot be started where it is', async (t) => {
    const node = holder;
    const config = '/opt/mesos-jupyter/jupyter_server_config.py';
    await cluster.shell(node, `cp ${config} /tmp/config; echo 'raise SystemExit(1)' >> ${config}`);
    await cluster.exec(node, 'pkill', '-KILL', '-f', '^/usr/bin/python3 -P ');
    const broken = performance.now();
    await waitFor(
      'Jupyter elsewhere',
      40_000,
      async () => (await cluster.serving(others(node))).length === 1,
    );
    t.diagnostic(`Jupyter cannot start → it answers elsewhere: ${Math.round(performance.now() - broken)} ms`);
    await cluster.shell(node, `cp /tmp/config ${config}`);
    holder = await cluster.settled(20_000);
    assert.notEqual(holder, node);
    const intents = await cluster.exec(
      holder,
      'etcdctl',
      'get',
      '--prefix',
      '--keys-only',
      '/intents/unfit/',
    );
    assert.match(intents, new RegExp(`unfit/task-${node}-`));
  });

  test('and never answers at two nodes', () => {
    assert.ok(recorder.rounds > 10);
    assert.deepEqual(recorder.doubles, []);
  });
});
