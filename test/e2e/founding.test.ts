import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { ports } from '../../executor-image/contract.js';
import { docker } from '../support/docker.js';
import { getInside, JupyterRecorder } from '../support/inside.js';
import { connectAgain, cutOff, dropFrom } from '../support/packets.js';
import { skipElsewhere, testSetting } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

/** MESOS_JUPYTER_TEST_LONG: what takes minutes as long as in the field, and scenarios that wait for two minutes of their own. */
const isLong = process.env['MESOS_JUPYTER_TEST_LONG'] !== undefined;
const settleMs = 60_000;
/** In place of a minute, so that what is waited for takes seconds. */
const lookLimitS = 6;
const schedulerFlags = [
  ...['--look-limit-s', String(lookLimitS), '--unreachable-grace-s', '10', '--kill-grace-s', '3'],
  ...['--backoff-max-s', '5'],
  // What happens to a host must happen to one node alone.
  ...['--constraints', 'hostname:UNIQUE'],
];

const needsOwnMesos =
  testSetting('NETWORK') === undefined
    ? skipElsewhere('cuts hosts and nodes off')
    : 'cuts nodes off: MESOS_JUPYTER_TEST_NETWORK names a network of others';

describe('a cluster that loses its quorum, and whose nodes the scheduler never reaches', {
  skip: needsOwnMesos,
}, () => {
  let cluster: Deployment;
  let recorder: JupyterRecorder;
  let holder: number;
  let token: string;
  before(async () => {
    cluster = await Deployment.create(3, { hostCount: 3, pingIntervalMs: 1000, dropsPackets: true });
    recorder = new JupyterRecorder(() => [...cluster.containers().values()].flat());
    cluster.startScheduler(...schedulerFlags);
    holder = await cluster.settled(settleMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${cluster.log}`);
    });
    ({ token } = cluster);
    await cluster.shell(holder, 'echo through everything > /root/sharedfiles/notebooks/kept.txt');
    copyFileSync(cluster.stateFile, oldState());
  });
  after(async () => {
    await recorder?.stop();
    await cluster?.remove();
  });
  showLogOnFailure(() => cluster);

  const oldState = (): string => `${cluster.stateFile}.old`;
  const generation = (): number =>
    (JSON.parse(readFileSync(cluster.stateFile, 'utf8')) as { cluster: { generation: { number: number } } })
      .cluster.generation.number;
  const others = (node: number): number[] => cluster.nodes.filter((other) => other !== node);

  /** All well again: one Jupyter, with the files and the token that there were, and never two in between. */
  async function allIsWell(): Promise<void> {
    holder = await cluster.settled(settleMs);
    assert.equal(cluster.token, token);
    const path = '/notebook/api/contents/kept.txt?content=1';
    const { status, body } = await getInside(cluster.container(holder), ports.notebook, path);
    assert.equal(status, 200);
    assert.match(body, /through everything/);
    assert.deepEqual(recorder.doubles, []);
  }

  it('is one that nothing from here reaches', async () => {
    await assert.rejects(
      fetch(`http://${cluster.address(0)}:8889/livez`, { signal: AbortSignal.timeout(1000) }),
    );
  });

  it('with all three containers killed at once, is founded anew', async (t) => {
    const before = generation();
    const killed = performance.now();
    await docker('kill', ...cluster.nodes.map((node) => cluster.container(node)));
    await waitFor('the next generation', 30_000, () => generation() === before + 1);
    await allIsWell();
    t.diagnostic(`all three killed → all is well: ${Math.round(performance.now() - killed)} ms`);
  });

  it('with two killed while the holder’s host is stunned, never has two Jupyters, also when that one wakes up', async (t) => {
    const before = generation();
    const stunned = holder;
    const host = cluster.hostOf(stunned);
    const id = cluster.container(stunned);
    await docker('pause', id);
    host.disconnect({ silent: true });
    const killed = performance.now();
    await docker('kill', ...others(stunned).map((node) => cluster.container(node)));
    await waitFor('the next generation', 60_000, () => generation() === before + 1);
    t.diagnostic(`two killed, the third stunned → founded: ${Math.round(performance.now() - killed)} ms`);
    await waitFor(
      'Jupyter on another node',
      60_000,
      async () => (await cluster.serving(others(stunned))).length === 1,
    );
    t.diagnostic(
      `two killed, the third stunned → Jupyter answers: ${Math.round(performance.now() - killed)} ms`,
    );
    await docker('unpause', id);
    recorder.resumed();
    await waitFor('the end of the one that woke up', 20_000, async () => {
      const state = await docker('inspect', '-f', '{{.State.Running}} {{.State.ExitCode}}', id);
      return state.startsWith('false') && { state };
    }).then(({ state }) => t.diagnostic(`the one that woke up has ended by itself: ${state}`));
    host.reconnect();
    await allIsWell();
    t.diagnostic(`two killed, the third stunned → all is well: ${Math.round(performance.now() - killed)} ms`);
  });

  it('with two killed while the holder is cut off from all but the volume, never has two Jupyters', async (t) => {
    const before = generation();
    const away = holder;
    const host = cluster.hostOf(away);
    const id = cluster.container(away);
    await cutOff(id);
    host.disconnect({ silent: true });
    const killed = performance.now();
    await docker('kill', ...others(away).map((node) => cluster.container(node)));
    await waitFor('the next generation', 60_000, () => generation() === before + 1);
    await waitFor(
      'Jupyter on another node',
      60_000,
      async () => (await cluster.serving(others(away))).length === 1,
    );
    t.diagnostic(
      `two killed, the third cut off → Jupyter answers: ${Math.round(performance.now() - killed)} ms`,
    );
    const state = await docker('inspect', '-f', '{{.State.Running}} {{.State.ExitCode}}', id);
    assert.equal(state, 'false 72', 'it saw the next generation on the volume, and ended');
    host.reconnect();
    await allIsWell();
    t.diagnostic(`two killed, the third cut off → all is well: ${Math.round(performance.now() - killed)} ms`);
  });

  it('with the network between nodes away for a while, founds nothing and relaunches nothing', async (t) => {
    const before = generation();
    const containers = cluster.nodes.map((node) => cluster.container(node));
    const awayS = isLong ? 300 : 15;
    for (const id of containers) await cutOff(id);
    const began = performance.now();
    await waitFor('the end of Jupyter', 10_000, async () => (await cluster.serving()).length === 0);
    await waitFor(
      `${awayS} s without a network`,
      awayS * 1000 + 5000,
      () => performance.now() >= began + awayS * 1000,
    );
    for (const id of containers) await connectAgain(id);
    const back = performance.now();
    await allIsWell();
    t.diagnostic(
      `the network was away for ${awayS} s; back → all is well: ${Math.round(performance.now() - back)} ms`,
    );
    assert.equal(generation(), before);
    assert.deepEqual(
      cluster.nodes.map((node) => cluster.container(node)),
      containers,
    );
  });

  it('with its state file put back from an older copy, finds a number that is free, with nobody’s help', async (t) => {
    const before = generation();
    await cluster.stopScheduler();
    copyFileSync(oldState(), cluster.stateFile);
    const logged = cluster.log.length;
    const started = performance.now();
    cluster.startScheduler(...schedulerFlags);
    await waitFor('a generation beyond the last', 120_000, () => generation() > before);
    await allIsWell();
    t.diagnostic(
      `state of generation 1 under generation ${before}: all is well in generation ${generation()} after ${Math.round(performance.now() - started)} ms`,
    );
    const rounds = cluster.log.slice(logged).match(/founding generation \d+/g) ?? [];
    assert.ok(rounds.length <= 4, rounds.join());
  });

  it('given up by Mesos with its quorum alive, hands over to the next generation by the volume', {
    skip: isLong ? false : 'takes three minutes; MESOS_JUPYTER_TEST_LONG has it run',
  }, async (t) => {
    const before = generation();
    const third = others(holder)[0] ?? 0;
    const pair = others(third);
    const hosts = pair.map((node) => cluster.hostOf(node));
    for (const host of hosts) host.disconnect({ silent: true });
    const began = performance.now();
    // What is relaunched in its place is cut off, too: it never finds the pair.
    const ids = pair.map((node) => cluster.container(node));
    for (const id of ids) await dropFrom(id, cluster.address(third));
    await docker('kill', cluster.container(third));
    await waitFor('the next generation', 300_000, () => generation() === before + 1);
    t.diagnostic(
      `Mesos lost two hosts, the third node died → founded: ${Math.round(performance.now() - began)} ms`,
    );
    for (const host of hosts) host.reconnect();
    await allIsWell();
    t.diagnostic(
      `Mesos lost two hosts, the third node died → all is well: ${Math.round(performance.now() - began)} ms`,
    );
  });
});
