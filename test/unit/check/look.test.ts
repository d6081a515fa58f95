import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { lookAtMasters } from '../../../framework/check/look-at-masters.js';
import { judgeCredentials, judgeMasters, judgeRole } from '../../../framework/check/masters.js';
import { judgePlacement } from '../../../framework/check/placement.js';
import { newRecord } from '../../../framework/cluster/record.js';
import { CodedError } from '../../../framework/errors.js';
import { EmbeddedMaster, type MasterOptions } from '../../../framework/local/master/master.js';
import { silentLogger } from '../../../framework/log.js';
import { loadTransport } from '../../../framework/mesos/transport.js';
import { openFileStore } from '../../../framework/store/file-store.js';
import { inspectStore } from '../../../framework/store/inspect.js';
import { settingsOf, testAddresses } from '../../support/settings.js';
import { accept, inWorld, taskFor } from '../local/world.js';

const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
after(() => rmSync(scratch, { recursive: true }));

/** Looks, and says what is judged, each as `verdict: sentence`. */
async function look(master: string, changes: { role?: string; principal?: string; secret?: string } = {}) {
  const { secret, ...rest } = changes;
  const settings = settingsOf({ master, ...rest });
  const transport = loadTransport(settings, secret === undefined ? {} : { MESOS_JUPYTER_SECRET: secret });
  const seen = await lookAtMasters(settings, transport);
  const { leader } = seen;
  return {
    masters: judgeMasters(seen).map(({ verdict, says }) => `${verdict}: ${says}`),
    credentials: leader && judgeCredentials(settings, leader.credentials).verdict,
    role: leader && judgeRole(settings, leader.flags, undefined).verdict,
    hosts: leader && judgePlacement(settings, leader.state, undefined).map(({ says }) => says),
    agents: [...(leader?.executors ?? [])].map(([host, flags]) => `${host} ${flags.kind}`),
  };
}

const withMaster = async (
  options: Partial<MasterOptions>,
  work: (master: EmbeddedMaster) => Promise<void>,
) => {
  const master = await EmbeddedMaster.start({ logger: silentLogger, ...options });
  try {
    await work(master);
    assert.equal(master.core.frameworks.size, 0, 'a check registers nothing');
    assert.equal(master.core.completedFrameworks.size, 0);
  } finally {
    await master.stop();
  }
};

describe('what a check sees of masters', { concurrency: 4 }, () => {
  test('the leader, its hosts and their flags', () =>
    inWorld({ hosts: 3 }, async ({ master }) => {
      const seen = await look(master.url);
      assert.deepEqual(seen.masters, [`ok: 127.0.0.1:${master.port} leads`]);
      assert.equal(seen.credentials, 'ok');
      assert.equal(seen.role, 'ok');
      assert.match(seen.hosts?.[0] ?? '', /all 3 nodes find a place: 1 on host-1, 1 on host-2, 1 on host-3/);
      assert.deepEqual(seen.agents, ['host-1 seen', 'host-2 seen', 'host-3 seen']);
    }));

  test('what tasks of others use is not there for ours', () =>
    inWorld({ hosts: 1 }, async (world) => {
      const places = async () => (await look(world.master.url)).hosts?.[0] ?? '';
      assert.match(await places(), /only 2 of 3 nodes find a place \(2 on host-1\)/);
      const foreign = await world.subscribe();
      const offer = await foreign.offer();
      assert.match(await places(), /only 2 of 3/, 'what is offered to others comes back');
      const cpus = { name: 'cpus', type: 'SCALAR', scalar: { value: 1 } } as const;
      await foreign.call(accept([offer], [taskFor(offer, 'a', { resources: [cpus] })]));
      assert.match(await places(), /only 1 of 3 nodes find a place \(1 on host-1\)/);
    }));

  test('credentials that are missing, wrong and right; a role that is refused', () =>
    withMaster({ credentials: { jupyter: 'right' }, forbiddenRoles: ['prod'] }, async ({ url }) => {
      assert.equal((await look(url)).credentials, 'wrong');
      assert.equal((await look(url, { principal: 'jupyter', secret: 'wrong' })).credentials, 'wrong');
      const known = await look(url, { principal: 'jupyter', secret: 'right', role: 'prod' });
      assert.equal(known.credentials, 'ok');
      assert.equal(known.role, 'wrong');
      assert.equal((await look(url, { principal: 'jupyter', secret: 'right', role: 'dev' })).role, 'ok');
    }));

  test('of several masters the one that leads, be it one that was not given', () =>
    withMaster({}, ({ port, url }) =>
      withMaster({}, async (follower) => {
        follower.setLeadership({ kind: 'following', leader: `127.0.0.1:${port}` });
        const names = `127.0.0.1:${port} leads; 127.0.0.1:${follower.port} follow it`;
        assert.deepEqual((await look(`${follower.url},${url}`)).masters, [`ok: ${names}`]);
        assert.deepEqual((await look(follower.url)).masters, [`ok: ${names}`]);
        follower.setLeadership({ kind: 'electing' });
        assert.match((await look(follower.url)).masters[0] ?? '', /^wrong: .* knows no leader/);
        assert.match((await look(`${follower.url},${url}`)).masters[0] ?? '', /^warning: .* leads, but /);
        follower.setLeadership({ kind: 'leading' });
      }),
    ));

  test('no master, and one that takes connections and never answers: said within the time limit', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    try {
      const started = performance.now();
      const [hanging, refused] = await Promise.all([
        look(`http://127.0.0.1:${port}`),
        look('http://127.0.0.1:1'),
      ]);
      assert.match(hanging.masters[0] ?? '', /^wrong: .* does not answer \(no answer within 8 s\)/);
      assert.match(refused.masters[0] ?? '', /^wrong: .* does not answer \(connect ECONNREFUSED/);
      assert.ok(performance.now() - started < 12_000);
    } finally {
      silent.close();
    }
  });

  test('ZooKeeper that does not answer is said to name nobody', async () => {
    const { masters } = await look('zk://127.0.0.1:1/mesos');
    assert.match(
      masters[0] ?? '',
      /^wrong: ZooKeeper named no leading master within 8 s at zk:\/\/127\.0\.0\.1:1/,
    );
  });
});

describe('what a check sees of a state file', () => {
  const at = (name: string) => join(scratch, name, 'state.json');
  const inspect = (stateFile: string) => inspectStore(settingsOf({ stateFile }));
  const code = (expected: string) => (error: unknown) =>
    error instanceof CodedError && error.code === expected;

  test('one that is not there yet, and nothing is made by looking', async () => {
    assert.deepEqual(await inspect(at('new')), { place: at('new'), record: undefined, holder: undefined });
    assert.throws(() => rmSync(join(scratch, 'new')), /ENOENT/);
  });

  test('one that a scheduler works with, which goes on undisturbed', async () => {
    const store = await openFileStore(at('held'));
    const record = newRecord(testAddresses, 'a');
    await store.save(record);
    const view = await inspect(at('held'));
    assert.deepEqual(view.record, record);
    assert.equal(view.holder, `process ${process.pid}`);
    await assert.rejects(openFileStore(at('held')), code('STATE_LOCKED'));
    await store.close();
    assert.equal((await inspect(at('held'))).holder, undefined);
  });

  test('one that cannot be written, or is none', async () => {
    await assert.rejects(inspect('/proc/none/state.json'), code('STATE_UNWRITABLE'));
    const store = await openFileStore(at('corrupt'));
    await store.close();
    writeFileSync(at('corrupt'), '{}');
    await assert.rejects(inspect(at('corrupt')), code('STATE_CORRUPT'));
  });
});
