/** `mesos-jupyter check` as an operator runs it: against masters behind a real ZooKeeper, beside tasks that run in real containers. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { contractVersion } from '../../executor-image/contract.js';
import type { Finding } from '../../framework/check/finding.js';
import { newRecord, taskIdOf } from '../../framework/cluster/record.js';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { MasterEnsemble } from '../../framework/local/master/ensemble.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { Registry } from '../../framework/local/master/registry.js';
import { packageRoot } from '../../framework/local/package.js';
import { silentLogger } from '../../framework/log.js';
import { openFileStore } from '../../framework/store/file-store.js';
import { createTestNetwork, type TestNetwork, uniqueName } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { ZooKeeper } from '../support/zookeeper.js';
import { TestScheduler } from '../unit/local/test-scheduler.js';
import { accept, taskFor } from '../unit/local/world.js';
import { makeTinyImage, type TinyImage } from './tiny-image.js';

const limitMs = 60_000;

describe('mesos-jupyter check', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const stateFile = join(scratch, 'state/state.json');
  let zookeeper: ZooKeeper;
  let network: TestNetwork;
  let image: TinyImage;
  let ips: string[];
  let master: string;
  const undo: (() => unknown)[] = [() => rmSync(scratch, { recursive: true, force: true })];
  let ensemble: MasterEnsemble;

  before(async () => {
    image = makeTinyImage();
    undo.push(() => image.remove());
    network = await createTestNetwork('mj-check-test');
    undo.push(() => network.remove());
    ips = [10, 11, 12].map((host) => network.address(host));
    zookeeper = await ZooKeeper.create();
    undo.push(() => zookeeper.remove());
    const path = `/${uniqueName('mesos')}`;
    master = `zk://${zookeeper.servers}${path}`;
    const registry = new Registry();
    const masters: EmbeddedMaster[] = [];
    for (const _ of [1, 2]) {
      const one = await EmbeddedMaster.start({
        logger: silentLogger,
        allocationIntervalMs: 100,
        credentials: { jupyter: 'right' },
        zookeeper: { servers: zookeeper.servers, path },
        registry,
      });
      masters.push(one);
      undo.push(() => one.stop());
    }
    ensemble = new MasterEnsemble(masters);
    await waitFor('a master to lead', limitMs, () => ensemble.leader !== undefined);
    for (const name of ['host-1', 'host-2', 'host-3']) {
      const host = await EmbeddedHost.start({
        master: ensemble,
        name,
        resources: { cpus: 2, memMb: 4096, diskMb: 10_000 },
        workDirectory: join(scratch, name),
        logger: silentLogger,
        flags: { executor_registration_timeout: '10mins' },
      });
      undo.push(() => host.stop());
    }
  });
  after(async () => {
    for (const step of undo.reverse()) await step();
  });

  interface Outcome {
    readonly status: number | null;
    readonly stderr: string;
    readonly findings: readonly Finding[];
  }

  /** With flags in the place of, or beside, those that are right. */
  async function check(changes: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const secretFile = join(scratch, 'secret');
    writeFileSync(secretFile, 'right\n');
    const flags = {
      ...{ master, image: image.name, ips: ips.join(), cpus: '0.5', shared: scratch },
      ...{ 'state-file': stateFile, principal: 'jupyter', 'secret-file': secretFile },
      ...changes,
    };
    const child = spawn(
      process.execPath,
      [
        join(packageRoot, 'dist/framework/main.js'),
        ...['check', '--json'],
        ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    assert.notEqual(stdout, '', stderr);
    return { status, stderr, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
  }

  const verdictsOf = (findings: readonly Finding[]) =>
    Object.fromEntries(findings.map(({ subject, verdict }) => [subject, verdict]));
  const sayings = (findings: readonly Finding[]) => JSON.stringify(findings, null, 1);

  test('before anything is launched: the leader by ZooKeeper, and nothing wrong; nothing registered or made', async () => {
    const { status, findings, stderr } = await check();
    assert.deepEqual(
      verdictsOf(findings),
      {
        master: 'ok',
        version: 'ok',
        credentials: 'ok',
        'role *': 'ok',
        hosts: 'ok',
        'one host lost': 'ok',
        'Mesos agents': 'ok',
        image: 'ok',
        addresses: 'ok',
        store: 'ok',
      },
      sayings(findings),
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(ensemble.leader?.core.frameworks.size, 0);
  });

  test('what is wrong is named on standard error, with status 3', async () => {
    const secretFile = join(scratch, 'wrong');
    writeFileSync(secretFile, 'wrong');
    const { status, stderr } = await check({ 'secret-file': secretFile, 'mem-mb': '8192' });
    assert.equal(status, 3);
    assert.match(stderr, /^mesos-jupyter: CHECK_FAILED: wrong: credentials, hosts\n$/);
  });

  test('beside a scheduler that works: its nodes are reached, its store is held; another one finds the addresses taken', async () => {
    const taskId = taskIdOf(0, 1, 'aaaa');
    const status = { contractVersion, node: 0, taskId, ready: true, reason: 'all is well' };
    const scheduler = await TestScheduler.subscribe(ensemble.leader?.url ?? '', {
      info: { name: 'mesos-jupyter', roles: ['*'], principal: 'jupyter' },
      headers: { Authorization: `Basic ${Buffer.from('jupyter:right').toString('base64')}` },
    });
    undo.push(() => scheduler.close());
    const offer = await scheduler.offer('host-1');
    await scheduler.call(
      accept(
        [offer],
        [
          taskFor(offer, taskId, {
            command: {
              shell: false,
              arguments: [`echo '${JSON.stringify(status)}' >/tmp/status; exec httpd -f -p 8889 -h /tmp`],
            },
            container: {
              type: 'DOCKER',
              docker: {
                image: image.name,
                network: 'USER',
                parameters: [{ key: 'ip', value: ips[0] ?? '' }],
              },
              network_infos: [{ name: network.name }],
            },
          }),
        ],
      ),
    );
    await scheduler.update('TASK_STARTING');
    await scheduler.update('TASK_RUNNING');
    await waitFor('the node agent', limitMs, async () => (await fetch(`http://${ips[0]}:8889/status`)).ok);
    const store = await openFileStore(stateFile);
    try {
      await store.save({ ...newRecord(ips, 'aaaa'), frameworkId: scheduler.frameworkId });
      const { status: ended, findings } = await check();
      assert.equal(ended, 0, sayings(findings));
      const said = (subject: string) => findings.find((finding) => finding.subject === subject)?.says ?? '';
      assert.match(said('nodes'), new RegExp(`ready: ${ips[0]}$`));
      assert.match(said('addresses'), new RegExp(`nothing answers at ${ips[1]}, ${ips[2]}$`));
      assert.match(said('store'), new RegExp(`process ${process.pid}`));
      assert.match(said('role *'), /is registered with it/);

      const second = await check({ 'state-file': join(scratch, 'second/state.json') });
      assert.equal(second.status, 3);
      assert.equal(verdictsOf(second.findings)[`address ${ips[0]}`], 'wrong', sayings(second.findings));
      assert.match(second.stderr, new RegExp(`wrong: address ${ips[0]}\\n$`));
    } finally {
      await store.close();
    }
  });
});
