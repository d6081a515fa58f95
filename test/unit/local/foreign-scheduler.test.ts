import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EmbeddedHost } from '../../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../../framework/local/master/master.js';
import { silentLogger } from '../../../framework/log.js';
import { startForeignScheduler } from '../../support/foreign-scheduler.js';
import { waitFor } from '../../support/wait.js';
import { FakeRunner } from './fake-runner.js';

test("mesos-framework's own scheduler runs a task to its end on the embedded master", async () => {
  const workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const master = await EmbeddedMaster.start({ logger: silentLogger, allocationIntervalMs: 50 });
  const runner = new FakeRunner();
  const host = await EmbeddedHost.start({
    master,
    name: 'host-1',
    resources: { cpus: 2, memMb: 1024, diskMb: 1000 },
    workDirectory,
    logger: silentLogger,
    runner,
  });
  const foreign = startForeignScheduler({ port: master.port, image: 'nobody/runs-this:1', script: 'exit 0' });
  try {
    const task = await waitFor('the launch', 20_000, () => runner.tasks[0]);
    assert.equal(task.launch.task.container?.docker?.image, 'nobody/runs-this:1');
    task.starting();
    task.running();
    await waitFor('TASK_RUNNING', 20_000, () => foreign.seen.includes('TASK_RUNNING'));
    task.exited(0);
    assert.equal(await foreign.ended, 0);
    assert.deepEqual(
      foreign.seen.filter((what) => what !== 'offers'),
      ['subscribed', 'sent_accept', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED', 'sent_teardown'],
    );
    assert.deepEqual(host.taskIds, [], 'the end was acknowledged');
    assert.equal(runner.tasks.length, 1);
  } finally {
    foreign.kill();
    await host.stop();
    await master.stop();
    rmSync(workDirectory, { recursive: true, force: true });
  }
});
