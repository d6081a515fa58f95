/** Containers that do not belong: of another release, or watched by nobody. Two clusters at once, since one of them mostly waits. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { contractVersion, exitCodes } from '../../executor-image/contract.js';
import { docker, imageUnderTest, uniqueName } from '../support/docker.js';
import { JupyterRecorder } from '../support/inside.js';
import { skipElsewhere } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

describe('containers that do not belong', { concurrency: true }, () => {
  describe('orphans, whose executors are gone while the scheduler reaches no node', {
    concurrency: 1,
    skip: skipElsewhere('kills executors'),
  }, () => {
    let cluster: Deployment;
    let recorder: JupyterRecorder;

    before(async () => {
      cluster = await Deployment.create(3, { hostCount: 3, dropsPackets: true });
      cluster.startScheduler('--backoff-max-s', '5');
      await cluster.settled(90_000);
      recorder = new JupyterRecorder(() => [...cluster.containers().values()].flat());
    });
    after(async () => {
      await recorder?.stop();
      await cluster?.remove();
    });
    showLogOnFailure(() => cluster);

    it('hand over and end, the holder last, and their successors start at their addresses', async (t) => {
      const holder = await cluster.settled(10_000);
      const other = cluster.nodes.find((node) => node !== holder) ?? 0;
      const [holders, others] = [cluster.container(holder), cluster.container(other)];
      const killed = performance.now();
      const taskOf = (node: number): string =>
        cluster.hostOf(node).taskIds.find((id) => id.startsWith(`node${node}.`)) ?? '';
      cluster.hostOf(holder).killDockerClient(taskOf(holder));
      cluster.hostOf(other).killExecutor(taskOf(other));

      await waitFor('successors that find their addresses taken', 30_000, () =>
        [holder, other].every((node) =>
          cluster.log.includes(`Once no container of node ${node} runs anywhere, release it`),
        ),
      );
      const endOf = (id: string, timeoutMs: number) =>
        waitFor(`the end of ${id}`, timeoutMs, async () => {
          const text = await docker('inspect', '-f', '{{json .State}}', id);
          const state = JSON.parse(text) as { Running: boolean; ExitCode: number; FinishedAt: string };
          return !state.Running && { status: state.ExitCode, at: Date.parse(state.FinishedAt) };
        });
      const first = await endOf(others, 90_000);
      t.diagnostic(`executor killed → orphan ended: ${Math.round(performance.now() - killed)} ms`);
      assert.equal(first.status, exitCodes.orphan);
      const last = await endOf(holders, 120_000);
      t.diagnostic(`docker run killed → holder ended: ${Math.round(performance.now() - killed)} ms`);
      assert.equal(last.status, exitCodes.orphan);
      assert.ok(first.at < last.at, 'the holder is the last');
      assert.match(await docker('logs', holders), /the notebook goes to node \d: this node leaves/);

      const next = await cluster.settled(90_000);
      t.diagnostic(`two orphans → all is well: ${Math.round(performance.now() - killed)} ms`);
      assert.notEqual(next, holder);
      assert.ok(cluster.container(holder) !== holders && cluster.container(other) !== others);
      assert.ok(recorder.rounds > 10);
      assert.deepEqual(recorder.doubles, []);
    });
  });

  describe('an image of another release than the scheduler', { concurrency: 1 }, () => {
    let cluster: Deployment;
    const ours = imageUnderTest();
    const another = `${uniqueName('mesos-jupyter-e2e-image')}:old`;

    before(async () => {
      const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-e2e-'));
      // What sets releases apart here is the version in the node agent's code.
      const older = `s/^var contractVersion = ${contractVersion};$/var contractVersion = ${contractVersion - 1};/w /dev/stdout`;
      const program = '/opt/mesos-jupyter/lib/main.cjs';
      writeFileSync(
        join(directory, 'Dockerfile'),
        `FROM ${ours}\nRUN sed -i '${older}' ${program} | grep -q . \n`,
      );
      try {
        await docker('build', '--quiet', '--network', 'none', '--tag', another, directory);
      } finally {
        rmSync(directory, { recursive: true });
      }
      cluster = await Deployment.create(1);
    });
    after(async () => {
      await cluster?.remove();
      await docker('rmi', another).catch(() => undefined);
    });
    showLogOnFailure(() => cluster);

    it('is told plainly in log and status, and runs once the image is the scheduler’s', async () => {
      const words = new RegExp(
        `node agent says otherContract: image and scheduler are not of one release, and this scheduler speaks version ${contractVersion} of the contract; set the image to that of its release`,
      );
      cluster.image = another;
      cluster.startScheduler('--backoff-max-s', '5');
      await waitFor('the words in the log', 60_000, () => words.test(cluster.log));
      const url = /status at (http:\S+)/.exec(cluster.log)?.[1] ?? assert.fail('no status');
      await waitFor('the words in the status', 30_000, async () =>
        words.test(await (await fetch(url)).text()),
      );
      await cluster.stopScheduler();
      cluster.image = ours;
      cluster.startScheduler();
      await cluster.settled(60_000);
    });
  });
});
