import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Client } from 'node-zookeeper-client';
import { silentLogger } from '../../framework/log.js';
import { createDetector } from '../../framework/mesos/detector.js';
import { MesosDriver } from '../../framework/mesos/driver.js';
import { uniqueName } from '../support/docker.js';
import { ZooKeeper } from '../support/zookeeper.js';
import { StubMaster } from '../unit/mesos/stub-master.js';

describe('the leading master, found in a real ZooKeeper', () => {
  let zookeeper: ZooKeeper;
  let masters: [StubMaster, StubMaster];
  let sessions: Client[];
  let driver: MesosDriver;
  let heard: EventEmitter;
  let running: Promise<void>;
  let path: string;

  before(async () => {
    zookeeper = await ZooKeeper.create();
  });
  after(() => zookeeper?.remove());

  beforeEach(async () => {
    path = `/${uniqueName('mesos')}/masters`;
    masters = [await StubMaster.start(), await StubMaster.start()];
    sessions = [];
    heard = new EventEmitter();
    driver = new MesosDriver({
      detector: createDetector(`zk://${zookeeper.servers}${path}`, { secure: false, logger: silentLogger }),
      transport: { tls: {} },
      frameworkInfo: { user: 'root', name: 'test' },
      firstTimeoutMs: 60_000,
      logger: silentLogger,
      onEvent: (event) => heard.emit(event.type),
      onDisconnected: () => heard.emit('disconnected'),
      onCallFailed: () => {},
      random: () => 1,
    });
    running = driver.run(undefined);
    running.catch(() => {});
  });
  afterEach(async () => {
    driver.stop();
    await running.catch(() => {});
    for (const session of sessions) session.close();
    for (const master of masters) await master.stop();
  });

  /** What a real master writes; its host name is one that resolves nowhere. */
  const stand = async (master: StubMaster): Promise<void> => {
    sessions.push(
      await zookeeper.candidate(path, {
        address: { hostname: 'nowhere.invalid', ip: '127.0.0.1', port: master.port },
        hostname: 'nowhere.invalid',
        id: 'a5c3852e',
        ip: 16777343,
        pid: `master@127.0.0.1:${master.port}`,
        port: master.port,
        version: '1.12.0',
      }),
    );
  };

  it('is waited for, and subscribed to when it stands', async () => {
    assert.equal(driver.connection.state, 'detecting');
    const subscribed = once(heard, 'SUBSCRIBED');
    await stand(masters[0]);
    await subscribed;
    assert.equal(masters[0].received.length, 1);
  });

  it('is followed to another at once when it changes, with the same framework id', async () => {
    const first = once(heard, 'SUBSCRIBED');
    await stand(masters[0]);
    await first;
    await stand(masters[1]);
    const left = once(heard, 'disconnected');
    // A stream that does not end by itself: only ZooKeeper tells that this master leads no more.
    sessions[0]?.close();
    await left;
    const [received] = await masters[1].calls('SUBSCRIBE');
    assert.equal(received?.call.framework_id?.value, 'f-1');
    assert.equal(masters[0].received.length, 1);
  });

  it('is not left because ZooKeeper is away, and a change is seen when it is back', async () => {
    const first = once(heard, 'SUBSCRIBED');
    await stand(masters[0]);
    await first;
    await stand(masters[1]);
    let left = false;
    heard.once('disconnected', () => {
      left = true;
    });
    await zookeeper.kill();
    masters[0].say({ type: 'HEARTBEAT' });
    await once(heard, 'HEARTBEAT');
    assert.equal(left, false);
    await zookeeper.start();
    sessions[0]?.close();
    await masters[1].calls('SUBSCRIBE');
  });
});
