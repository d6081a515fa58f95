import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';
import { silentLogger } from '../../../framework/log.js';
import { createDetector } from '../../../framework/mesos/detector.js';
import { MesosDriver } from '../../../framework/mesos/driver.js';
import { encodeRecord } from '../../../framework/mesos/recordio.js';
import { type Event, encodeEvent } from '../../../framework/mesos/schema/codec.js';
import { subscribe } from '../../../framework/mesos/subscription.js';
import { StubMaster } from './stub-master.js';

const coded = (code: ErrorCode) => (error: unknown) => error instanceof CodedError && error.code === code;

describe('a subscription that is given up', () => {
  it('is reset, so that nothing of it can reach the master later', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const stop = new AbortController();
    const { port } = server.address() as { port: number };
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const subscribing = subscribe({
      master: new URL(`http://127.0.0.1:${port}`),
      transport: { tls: {} },
      frameworkInfo: { user: 'root', name: 'test' },
      signal: stop.signal,
    });
    subscribing.catch(() => {});
    const [socket] = await accepted;
    await once(socket, 'data');
    const broken = once(socket, 'error');
    setImmediate(() => stop.abort(new Error('another master leads now')));
    await assert.rejects(subscribing, (error) => error === stop.signal.reason);
    // A connection that is closed in good order has an end instead.
    const [error] = (await broken) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    server.close();
  });
});

describe('the driver', () => {
  let master: StubMaster;
  let driver: MesosDriver | undefined;
  let running: Promise<void>;
  let seen: (Event['type'] | 'disconnected' | 'callFailed')[];
  let heard: EventEmitter;

  beforeEach(async () => {
    master = await StubMaster.start();
    seen = [];
    heard = new EventEmitter();
  });
  afterEach(async () => {
    driver?.stop();
    await running?.catch(() => {});
    await master.stop();
  });

  function drive(
    options: { masters?: string[]; frameworkId?: string; firstTimeoutMs?: number } = {},
  ): Promise<void> {
    const note = (what: (typeof seen)[number]) => {
      seen.push(what);
      heard.emit(what);
    };
    driver = new MesosDriver({
      detector: createDetector((options.masters ?? [master.url]).join(), {
        secure: false,
        logger: silentLogger,
      }),
      transport: { tls: {} },
      frameworkInfo: { user: 'root', name: 'test', failover_timeout: 60, checkpoint: true, roles: ['r'] },
      firstTimeoutMs: options.firstTimeoutMs ?? 60_000,
      logger: silentLogger,
      onEvent: (event) => note(event.type),
      onDisconnected: () => note('disconnected'),
      onCallFailed: () => note('callFailed'),
      random: () => 1,
    });
    running = driver.run(options.frameworkId);
    running.catch(() => {});
    return running;
  }

  it('subscribes with the whole FrameworkInfo, asking for protobuf', async () => {
    drive({ frameworkId: 'f-1' });
    const [received] = await master.calls('SUBSCRIBE');
    assert.equal(received?.headers.accept, 'application/x-protobuf');
    assert.equal(received?.headers['mesos-stream-id'], undefined);
    assert.deepEqual(JSON.parse(received?.text ?? ''), {
      framework_id: { value: 'f-1' },
      type: 'SUBSCRIBE',
      subscribe: {
        framework_info: {
          user: 'root',
          name: 'test',
          id: { value: 'f-1' },
          failover_timeout: 60,
          checkpoint: true,
          roles: ['r'],
        },
      },
    });
  });

  it('hands on every event, also when several come in one chunk', async () => {
    drive();
    await once(heard, 'SUBSCRIBED');
    const twice = once(heard, 'FAILURE');
    master.say({ type: 'HEARTBEAT' }, { type: 'HEARTBEAT' }, { type: 'FAILURE', failure: {} });
    await twice;
    assert.deepEqual(seen, ['SUBSCRIBED', 'HEARTBEAT', 'HEARTBEAT', 'FAILURE']);
  });

  it('subscribes again with the id that it was given, when the stream ends', async () => {
    drive();
    await once(heard, 'SUBSCRIBED');
    master.endStream();
    await once(heard, 'disconnected');
    assert.equal(driver?.calls, undefined);
    const [, second] = await master.calls('SUBSCRIBE', 2);
    assert.equal(second?.call.framework_id?.value, 'f-1');
  });

  it('subscribes again with the same id when the stream breaks in the middle', async () => {
    drive();
    await once(heard, 'SUBSCRIBED');
    master.breakStream();
    const [, second] = await master.calls('SUBSCRIBE', 2);
    assert.equal(second?.call.framework_id?.value, 'f-1');
  });

  it('follows a redirection by its host and port alone', async () => {
    const leader = await StubMaster.start();
    try {
      master.onSubscribe = (_, response) =>
        void response
          .writeHead(307, { location: `//127.0.0.1:${leader.port}/master/api/v1/scheduler` })
          .end();
      drive();
      await leader.calls('SUBSCRIBE');
      await once(heard, 'SUBSCRIBED');
    } finally {
      driver?.stop();
      await leader.stop();
    }
  });

  it('tries again after a redirection to nowhere', async () => {
    master.onSubscribe = (_, response) => {
      master.onSubscribe = (__, second) => master.open(second);
      response.writeHead(307, { location: '//' }).end();
    };
    drive();
    await once(heard, 'SUBSCRIBED');
    assert.equal(master.received.length, 2);
  });

  it('tries the next master while one knows no leader, and those that do not answer', async () => {
    const nobody = createServer();
    nobody.listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const { port } = nobody.address() as { port: number };
    nobody.close();
    const electing = await StubMaster.start();
    electing.onSubscribe = (_, response) => void response.writeHead(503).end('No leader elected');
    try {
      drive({ masters: [`http://127.0.0.1:${port}`, electing.url, master.url] });
      await once(heard, 'SUBSCRIBED');
      assert.equal(electing.received.length, 1);
    } finally {
      await electing.stop();
    }
  });

  it('gives up with one clear error when the first subscription does not come about in time', async () => {
    await assert.rejects(drive({ masters: ['http://127.0.0.1:1'], firstTimeoutMs: 1 }), (error: unknown) => {
      assert.ok(coded('MASTER_UNREACHABLE')(error));
      assert.match(String(error), /http:\/\/127\.0\.0\.1:1.*ECONNREFUSED/);
      return true;
    });
  });

  it('gives up when it is refused, in the words of the master', async () => {
    master.onSubscribe = (_, response) => void response.writeHead(401).end('Unauthorized');
    await assert.rejects(drive(), (error: unknown) => {
      assert.ok(coded('MASTER_REFUSED')(error));
      assert.match(String(error), /401: Unauthorized/);
      return true;
    });
  });

  for (const status of [409, 429, 500, 503]) {
    it(`tries again after status ${status}`, async () => {
      master.onSubscribe = (_, response) => {
        master.onSubscribe = (_again, next) => master.open(next);
        response.writeHead(status).end('not now');
      };
      drive();
      await once(heard, 'SUBSCRIBED');
    });
  }

  it('stands down when another scheduler takes its id', async () => {
    const ended = drive();
    await once(heard, 'SUBSCRIBED');
    master.say({ type: 'ERROR', error: { message: 'Framework failed over' } });
    await assert.rejects(ended, coded('TAKEN_OVER'));
  });

  it('registers anew, once, when Mesos has removed its framework', async () => {
    master.onSubscribe = ({ call }, response) => {
      master.open(response);
      if (call.framework_id !== undefined) {
        master.say({ type: 'ERROR', error: { message: 'Framework has been removed' } });
      }
    };
    drive({ frameworkId: 'f-0' });
    const [, second] = await master.calls('SUBSCRIBE', 2);
    assert.equal(second?.call.framework_id, undefined);
  });

  it('opens a new stream when a call tells that this one is stale', async () => {
    drive();
    await once(heard, 'SUBSCRIBED');
    master.onCall = (_, response) => void response.writeHead(403).end('Framework is not subscribed');
    driver?.calls?.suppress();
    await once(heard, 'disconnected');
    await master.calls('SUBSCRIBE', 2);
  });

  it('tells when a call may not have arrived', async () => {
    drive();
    await once(heard, 'SUBSCRIBED');
    master.onCall = (_, response) => void response.destroy();
    driver?.calls?.suppress();
    await once(heard, 'callFailed');
  });

  it('leaves a stream that cannot be read on, with the events before that place, and opens another', async () => {
    master.onSubscribe = (_, response) => {
      master.open(response);
      master.onSubscribe = (__, second) => master.open(second);
      const heartbeat = Buffer.from(encodeRecord(encodeEvent({ type: 'HEARTBEAT' })));
      response.write(Buffer.concat([heartbeat, Buffer.from('<html>no stream</html>')]));
    };
    drive();
    await once(heard, 'disconnected');
    assert.deepEqual(seen, ['SUBSCRIBED', 'HEARTBEAT', 'disconnected']);
    await master.calls('SUBSCRIBE', 2);
  });

  it('leaves a stream with an event that cannot be decoded, and opens another', async () => {
    master.onSubscribe = (_, response) => {
      master.open(response);
      master.onSubscribe = (__, second) => master.open(second);
      response.write(encodeRecord(new Uint8Array([0x0a, 0xff])));
    };
    drive();
    await once(heard, 'disconnected');
    await master.calls('SUBSCRIBE', 2);
  });

  it('leaves a stream on which no heartbeat comes', async () => {
    master.onSubscribe = (_, response) => master.open(response, 'stream-1', 0.02);
    drive();
    await once(heard, 'SUBSCRIBED');
    await once(heard, 'disconnected');
    await master.calls('SUBSCRIBE', 2);
  });
});
