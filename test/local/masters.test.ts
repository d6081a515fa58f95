/** Two embedded masters behind a real ZooKeeper: who leads, what the other answers, and what a change of leader leaves as it was. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { MasterEnsemble } from '../../framework/local/master/ensemble.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { Registry } from '../../framework/local/master/registry.js';
import { silentLogger } from '../../framework/log.js';
import { createDetector } from '../../framework/mesos/detector.js';
import { MesosDriver } from '../../framework/mesos/driver.js';
import type { Event, Offer, TaskStatus } from '../../framework/mesos/schema/codec.js';
import { uniqueName } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { ZooKeeper } from '../support/zookeeper.js';
import { FakeRunner } from '../unit/local/fake-runner.js';
import { frameworkInfo, post } from '../unit/local/test-scheduler.js';
import { taskFor } from '../unit/local/world.js';

const sessionTimeoutMs = 2000;
const limitMs = 30_000;

describe('masters behind ZooKeeper', () => {
  let zookeeper: ZooKeeper;
  let path: string;
  let registry: Registry;
  let masters: [EmbeddedMaster, EmbeddedMaster];
  let ensemble: MasterEnsemble;
  let workDirectory: string;

  before(async () => {
    zookeeper = await ZooKeeper.create();
  });
  after(() => zookeeper?.remove());

  const startMaster = (number: number): Promise<EmbeddedMaster> =>
    EmbeddedMaster.start({
      logger: silentLogger,
      // Resolves nowhere, as a real master's need not.
      hostname: `master-${number}`,
      allocationIntervalMs: 100,
      zookeeper: { servers: zookeeper.servers, path, sessionTimeoutMs },
      registry,
    });

  beforeEach(async () => {
    path = `/${uniqueName('mesos')}/masters`;
    registry = new Registry();
    workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
    const first = await startMaster(1);
    masters = [first, await startMaster(2)];
    ensemble = new MasterEnsemble(masters);
    await waitFor('a master to lead', limitMs, () => ensemble.leader !== undefined);
  });
  afterEach(async () => {
    for (const master of masters) await master.stop();
    rmSync(workDirectory, { recursive: true, force: true });
  });

  const theOther = (master: EmbeddedMaster): EmbeddedMaster => {
    const other = masters.find((one) => one !== master);
    assert.ok(other !== undefined);
    return other;
  };
  const leaderNow = (): EmbeddedMaster => {
    const { leader } = ensemble;
    assert.ok(leader !== undefined);
    return leader;
  };
  const call = (master: EmbeddedMaster) =>
    post(`${master.url}/api/v1/scheduler`, '{"type":"TEARDOWN"}', { 'Content-Type': 'application/json' });

  test('each has a node of the form that a real one writes; the one with the lowest number leads', async () => {
    const client = await zookeeper.connect();
    try {
      const names = await waitFor('two candidates', limitMs, async () => {
        const children = await new Promise<string[]>((resolve, reject) =>
          client.getChildren(path, (error, found) => (error ? reject(error) : resolve(found))),
        );
        return children.length === 2 && children.sort();
      });
      assert.deepEqual(
        names.map((name) => name.replace(/\d{10}$/, 'N')),
        ['json.info_N', 'json.info_N'],
      );
      const text = await new Promise<string>((resolve, reject) =>
        client.getData(`${path}/${names[0]}`, (error, data) =>
          error ? reject(error) : resolve(data.toString('utf8')),
        ),
      );
      const { hostname, id } = leaderNow().core.masterInfo;
      const { port } = leaderNow();
      // FACTS, real master 14
      assert.equal(
        text,
        `{"address":{"hostname":"${hostname}","ip":"127.0.0.1","port":${port}},"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"${hostname}","id":"${id}","ip":16777343,"pid":"master@127.0.0.1:${port}","port":${port},"version":"1.12.0"}`,
      );
    } finally {
      client.close();
    }
  });

  test('the other sends callers to the leader by host name; killed, the leader is named until its session has run out', async () => {
    const leader = leaderNow();
    const other = theOther(leader);
    const location = `//${leader.core.masterInfo.hostname}:${leader.port}/master/api/v1/scheduler`;
    await waitFor('the other to know the leader', limitMs, async () => (await call(other)).status === 307);
    assert.equal((await call(other)).headers.location, location);
    const state = await fetch(`${other.url}/master/state`, { redirect: 'manual' });
    assert.equal(
      state.headers.get('location'),
      `//${leader.core.masterInfo.hostname}:${leader.port}/master/state`,
    );
    await leader.stop({ session: 'runs out' });
    const killed = performance.now();
    const answer = await call(other);
    assert.deepEqual([answer.status, answer.headers.location], [307, location]);
    await waitFor('the other to lead', limitMs, () => ensemble.leader === other);
    assert.ok(performance.now() - killed > sessionTimeoutMs / 2);
    assert.notEqual((await call(other)).status, 307);
  });

  test('without ZooKeeper nobody leads: 503; the leader that lost its session comes back as a new one', async () => {
    const leader = leaderNow();
    const { id } = leader.core.masterInfo;
    await zookeeper.kill();
    try {
      for (const master of masters) {
        const answer = await waitFor('nobody to lead', limitMs, async () => {
          const found = await call(master);
          return found.status === 503 && found;
        });
        assert.equal(answer.body, 'No leader elected');
      }
    } finally {
      await zookeeper.start();
    }
    await waitFor('a master to lead again', limitMs, () => ensemble.leader !== undefined);
    assert.notEqual(leader.core.masterInfo.id, id);
  });

  test('a framework keeps its id and its tasks over two changes of leader in a row', async () => {
    const runner = new FakeRunner();
    const host = await EmbeddedHost.start({
      master: ensemble,
      name: 'host-1',
      resources: { cpus: 2, memMb: 4096, diskMb: 10_000 },
      workDirectory,
      registrationDelayMs: 200,
      logger: silentLogger,
      runner,
    });
    const events: Event[] = [];
    const driver = new MesosDriver({
      detector: createDetector(`zk://${zookeeper.servers}${path}`, { secure: false, logger: silentLogger }),
      transport: { tls: {} },
      frameworkInfo,
      firstTimeoutMs: 60_000,
      logger: silentLogger,
      onEvent: (event) => events.push(event),
      onDisconnected: () => {},
      onCallFailed: () => {},
      random: () => 1,
    });
    const running = driver.run(undefined);
    running.catch(() => {});
    const subscribedTo = (): string =>
      driver.connection.state === 'subscribed' ? driver.connection.master : '';
    const addressOf = (master: EmbeddedMaster) => `127.0.0.1:${master.port}`;
    const update = (what: (status: TaskStatus) => boolean, from = 0) =>
      waitFor('an update', limitMs, () => {
        for (const event of events.slice(from))
          if (event.type === 'UPDATE' && what(event.update.status)) return event.update.status;
        return undefined;
      });
    const acknowledge = ({ task_id, agent_id, uuid }: TaskStatus) =>
      driver.calls?.acknowledge({ taskId: task_id.value, agentId: agent_id?.value ?? '', uuid: uuid ?? '' });
    try {
      const offer = await waitFor('an offer', limitMs, (): Offer | undefined => {
        const found = events.find((event) => event.type === 'OFFERS');
        return found?.type === 'OFFERS' ? found.offers.offers?.[0] : undefined;
      });
      const before = leaderNow();
      assert.equal(subscribedTo(), addressOf(before));
      driver.calls?.accept([offer.id.value], [taskFor(offer, 'a')]);
      await waitFor('the launch', limitMs, () => runner.tasks.length === 1);
      runner.last.starting();
      acknowledge(await update(({ state }) => state === 'TASK_STARTING'));
      runner.last.running();
      acknowledge(await update(({ state }) => state === 'TASK_RUNNING'));

      for (const change of ['first', 'second']) {
        const leader = leaderNow();
        const next = theOther(leader);
        const seen = events.length;
        await leader.stop({ session: 'runs out' });
        await waitFor(`the ${change} change of leader`, limitMs, () => ensemble.leader === next);
        await waitFor('the scheduler to follow', limitMs, () => subscribedTo() === addressOf(next));
        await waitFor('the host to follow', limitMs, () => next.core.hosts.size === 1);
        assert.equal(host.agentId, offer.agent_id.value);
        driver.calls?.reconcile([{ taskId: 'a', agentId: offer.agent_id.value }]);
        const status = await update(({ reason }) => reason === 'REASON_RECONCILIATION', seen);
        assert.deepEqual([status.state, status.task_id.value], ['TASK_RUNNING', 'a']);
        // The one that was killed is started again, and stands behind the leader.
        await leader.restart({ keepRegistry: true });
        await waitFor('it to follow', limitMs, async () => (await call(leader)).status === 307);
      }
      const ids = events.flatMap((event) =>
        event.type === 'SUBSCRIBED' ? [event.subscribed.framework_id.value] : [],
      );
      assert.deepEqual(ids, [ids[0], ids[0], ids[0]]);
      assert.equal(runner.tasks.length, 1);
      assert.equal(runner.last.ended, undefined);
    } finally {
      driver.stop();
      await running.catch(() => {});
      await host.stop();
    }
  });
});
