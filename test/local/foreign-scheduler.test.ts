import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { silentLogger } from '../../framework/log.js';
import { startForeignScheduler } from '../support/foreign-scheduler.js';
import { makeTinyImage } from './tiny-image.js';

test("mesos-framework's own scheduler runs a Docker task to its end on the embedded Mesos", async () => {
  const workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const image = makeTinyImage();
  const master = await EmbeddedMaster.start({ logger: silentLogger, allocationIntervalMs: 100 });
  const host = await EmbeddedHost.start({
    master,
    name: 'host-1',
    resources: { cpus: 2, memMb: 1024, diskMb: 1000 },
    workDirectory,
    logger: silentLogger,
  });
  const foreign = startForeignScheduler({
    port: master.port,
    image: image.name,
    script: 'sleep 1; echo done by $MESOS_CONTAINER_NAME',
  });
  const timeout = setTimeout(() => foreign.kill(), 60_000);
  try {
    assert.equal(await foreign.ended, 0, foreign.seen.join(', '));
    assert.deepEqual(
      foreign.seen.filter((what) => what !== 'offers'),
      ['subscribed', 'sent_accept', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED', 'sent_teardown'],
    );
    // The sandbox is where the Mesos agent's files API would show it.
    const stdout = readdirSync(workDirectory, { recursive: true, encoding: 'utf8' }).find((path) =>
      /runs\/[0-9a-f-]{36}\/stdout$/.test(path),
    );
    assert.match(readFileSync(join(workDirectory, stdout ?? ''), 'utf8'), /done by mesos-[0-9a-f-]{36}/);
  } finally {
    clearTimeout(timeout);
    foreign.kill();
    await host.stop();
    await master.stop();
    image.remove();
    rmSync(workDirectory, { recursive: true, force: true });
  }
});
