import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
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

  it('is found, and followed, although ZooKeeper falls silent on connections that stand', async () => {
    // As a server that is just starting does, or a machine that is gone without a word. Any connection but the first works, until it is frozen.
    const sockets: Socket[] = [];
    const frozen = new Set<Socket>();
    let connections = 0;
    const gate = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      connections += 1;
      if (connections === 1) return;
      const inner = connect(zookeeper.port, '127.0.0.1');
      sockets.push(inner);
      inner.on('error', () => {});
      socket.on('data', (data) => !frozen.has(socket) && inner.write(data));
      inner.on('data', (data) => !frozen.has(socket) && socket.write(data));
      inner.on('close', () => !frozen.has(socket) && socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(gate, 'listening');
    const { port } = gate.address() as { port: number };
    await stand(masters[0]);
    await stand(masters[1]);
    const detector = createDetector(`zk://127.0.0.1:${port}${path}`, { secure: false, logger: silentLogger });
    try {
      assert.equal((await detector.next(AbortSignal.timeout(60_000))).port, String(masters[0].port));
      assert.equal(connections, 2);
      for (const socket of sockets) frozen.add(socket);
      const changed = new Promise<void>((resolve) => detector.onLeaderChange(resolve));
      sessions[0]?.close();
      await changed;
      assert.equal((await detector.next(AbortSignal.timeout(60_000))).port, String(masters[1].port));
    } finally {
      detector.close();
      for (const socket of sockets) socket.destroy();
      gate.close();
    }
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
