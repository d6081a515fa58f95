import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import mesosFramework from 'mesos-framework';
import { silentLogger } from '../../../framework/log.js';
import { type CallFailure, MesosCalls } from '../../../framework/mesos/calls.js';
import { StubMaster } from './stub-master.js';

type PackageScheduler = InstanceType<typeof mesosFramework.Scheduler>;

/** The body of what the package itself sends. */
async function sentByPackage(sent: string, call: (scheduler: PackageScheduler) => void): Promise<unknown> {
  const chunks: string[] = [];
  const server = createServer((request, response) => {
    request.on('data', (chunk) => chunks.push(String(chunk)));
    response.writeHead(202).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const scheduler = new mesosFramework.Scheduler({ masterUrl: '127.0.0.1', port, frameworkName: 'x' });
  call(scheduler);
  await once(scheduler, sent);
  server.close();
  return JSON.parse(chunks.join(''));
}

describe('calls to the master', () => {
  let master: StubMaster;
  let calls: MesosCalls;
  let failures: CallFailure[];
  let failed: EventEmitter;

  beforeEach(async () => {
    master = await StubMaster.start();
    failures = [];
    failed = new EventEmitter();
    calls = new MesosCalls({
      master: new URL(master.url),
      transport: { tls: {} },
      frameworkName: 'name with spaces',
      frameworkId: 'f-1',
      streamId: 'stream-1',
      logger: silentLogger,
      onFailure: (failure) => {
        failures.push(failure);
        failed.emit('one');
      },
    });
  });
  afterEach(async () => {
    calls.close();
    await master.stop();
  });

  const body = async (type: Parameters<StubMaster['calls']>[0]): Promise<unknown> =>
    JSON.parse((await master.calls(type))[0]?.text ?? '');

  it('carry the framework and the stream', async () => {
    calls.revive();
    const [received] = await master.calls('REVIVE');
    assert.equal(received?.headers['mesos-stream-id'], 'stream-1');
    assert.equal(received?.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(received?.text ?? ''), { framework_id: { value: 'f-1' }, type: 'REVIVE' });
  });

  it('are what Mesos reads', async () => {
    calls.decline(['o-1', 'o-2'], 3_600_000);
    calls.suppress();
    calls.kill('t-1', 'a-1');
    calls.acknowledge({ taskId: 't-1', agentId: 'a-1', uuid: 'AAEC' });
    calls.reconcile([{ taskId: 't-1', agentId: 'a-1' }]);
    const decline = (await body('DECLINE')) as { decline: unknown };
    assert.deepEqual(decline.decline, {
      offer_ids: [{ value: 'o-1' }, { value: 'o-2' }],
      filters: { refuse_seconds: 3600 },
    });
    assert.deepEqual(await body('SUPPRESS'), { framework_id: { value: 'f-1' }, type: 'SUPPRESS' });
    const kill = (await body('KILL')) as { kill: unknown };
    assert.deepEqual(kill.kill, { task_id: { value: 't-1' }, agent_id: { value: 'a-1' } });
    const acknowledge = (await body('ACKNOWLEDGE')) as { acknowledge: unknown };
    assert.deepEqual(acknowledge.acknowledge, {
      agent_id: { value: 'a-1' },
      task_id: { value: 't-1' },
      uuid: 'AAEC',
    });
    const reconcile = (await body('RECONCILE')) as { reconcile: unknown };
    assert.deepEqual(reconcile.reconcile, {
      tasks: [{ task_id: { value: 't-1' }, agent_id: { value: 'a-1' } }],
    });
  });

  it('are there for all that a scheduler can ask, typed', async () => {
    calls.revive(['a', 'b']);
    calls.suppress(['a']);
    calls.kill('t-1', 'a-1', 2_500);
    calls.shutdown('e-1', 'a-1');
    calls.message('e-1', 'a-1', new TextEncoder().encode('北京'));
    calls.acceptInverseOffers(['o-1']);
    calls.declineInverseOffers(['o-2'], 60_000);
    const id = { framework_id: { value: 'f-1' } };
    const agent_id = { value: 'a-1' };
    assert.deepEqual(await body('REVIVE'), { ...id, type: 'REVIVE', revive: { roles: ['a', 'b'] } });
    assert.deepEqual(await body('SUPPRESS'), { ...id, type: 'SUPPRESS', suppress: { roles: ['a'] } });
    assert.deepEqual(await body('KILL'), {
      ...id,
      type: 'KILL',
      kill: { task_id: { value: 't-1' }, agent_id, kill_policy: { grace_period: { nanoseconds: 2.5e9 } } },
    });
    assert.deepEqual(await body('SHUTDOWN'), {
      ...id,
      type: 'SHUTDOWN',
      shutdown: { executor_id: { value: 'e-1' }, agent_id },
    });
    assert.deepEqual(await body('MESSAGE'), {
      ...id,
      type: 'MESSAGE',
      message: { agent_id, executor_id: { value: 'e-1' }, data: '5YyX5Lqs' },
    });
    assert.deepEqual(await body('ACCEPT_INVERSE_OFFERS'), {
      ...id,
      type: 'ACCEPT_INVERSE_OFFERS',
      accept_inverse_offers: { inverse_offer_ids: [{ value: 'o-1' }] },
    });
    assert.deepEqual(await body('DECLINE_INVERSE_OFFERS'), {
      ...id,
      type: 'DECLINE_INVERSE_OFFERS',
      decline_inverse_offers: { inverse_offer_ids: [{ value: 'o-2' }], filters: { refuse_seconds: 60 } },
    });
  });

  it('replace what the package lacks, or sends where no master looks', async () => {
    const plain = new mesosFramework.Scheduler({ masterUrl: '127.0.0.1', port: 1, frameworkName: 'x' });
    for (const name of ['suppress', 'acceptInverseOffers', 'declineInverseOffers']) {
      assert.equal((plain as unknown as Record<string, unknown>)[name], undefined, name);
    }
    assert.equal(plain.revive.length, 0, 'no roles');
    assert.equal(plain.kill.length, 2, 'no kill policy');
    const sent = await sentByPackage('sent_shutdown', (sending) =>
      (sending as unknown as { shutdown: (agent: string, executor: string) => void }).shutdown('a-1', 'e-1'),
    );
    assert.ok(!('shutdown' in (sent as object)), 'its SHUTDOWN has a body named kill');
  });

  it('ask for all tasks by an empty reconciliation', async () => {
    calls.reconcile([]);
    assert.deepEqual(((await body('RECONCILE')) as { reconcile: unknown }).reconcile, { tasks: [] });
  });

  it('accept offers with fields that the package refuses', async () => {
    const plain = new mesosFramework.Scheduler({ masterUrl: '127.0.0.1', port: 1, frameworkName: 'x' });
    const task = {
      name: 'node0',
      task_id: { value: 't-1' },
      agent_id: { value: 'a-1' },
      resources: [
        { name: 'cpus', type: 'SCALAR', scalar: { value: 1 }, allocation_info: { role: 'r' } } as const,
      ],
    };
    const operations = [{ type: 'LAUNCH', launch: { task_infos: [task] } }];
    assert.throws(
      () =>
        (plain as unknown as { accept: (...args: unknown[]) => void }).accept(
          [{ value: 'o-1' }],
          operations,
          null,
        ),
      /allocation_info/,
      'the defect that our ACCEPT is there for',
    );
    calls.accept(['o-1'], [task]);
    assert.deepEqual(((await body('ACCEPT')) as { accept: unknown }).accept, {
      offer_ids: [{ value: 'o-1' }],
      operations,
    });
  });

  it('leave a task’s agent out where it is not known, which the package sends as an empty id', async () => {
    const sent = await sentByPackage('sent_kill', (plain) =>
      plain.kill('t-1', undefined as unknown as string),
    );
    assert.deepEqual((sent as { kill: unknown }).kill, {
      task_id: { value: 't-1' },
      agent_id: {},
    });
    calls.kill('t-1', undefined);
    assert.deepEqual(((await body('KILL')) as { kill: unknown }).kill, { task_id: { value: 't-1' } });
  });

  it('arrive in the order in which they were made', async () => {
    let held: ServerResponse | undefined;
    master.onCall = ({ call }, response) => {
      if (call.type === 'ACCEPT') held = response;
      else response.writeHead(202).end();
    };
    calls.accept(['o-1'], []);
    calls.reconcile([{ taskId: 't-1', agentId: 'a-1' }]);
    await master.calls('ACCEPT');
    assert.equal(master.received.length, 1, 'the second waits for the answer to the first');
    held?.writeHead(202).end();
    await master.calls('RECONCILE');
  });

  it('report what the master refused, with its status', async () => {
    master.onCall = (_, response) => void response.writeHead(403).end('Framework is not subscribed');
    calls.revive();
    await once(failed, 'one');
    assert.equal(failures[0]?.status, 403);
    assert.match(failures[0]?.message ?? '', /Framework is not subscribed/);
  });

  it('report a connection that breaks', async () => {
    await master.stop();
    calls.suppress();
    await once(failed, 'one');
    assert.equal(failures[0]?.status, undefined);
    master = await StubMaster.start();
  });
});

describe("mesos-framework's own subscription, which ours replaces", () => {
  /** Streams `chunks` to the package and counts the heartbeats that it saw. */
  async function feed(chunks: readonly (string | Buffer)[]): Promise<number> {
    const server = createServer(async (_, response) => {
      response.writeHead(200, { 'mesos-stream-id': 's' });
      for (const chunk of chunks) {
        await new Promise<void>((resolve) => response.write(chunk, () => resolve()));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const scheduler = new mesosFramework.Scheduler({
      masterUrl: '127.0.0.1',
      port,
      frameworkName: 'x',
    }) as InstanceType<typeof mesosFramework.Scheduler> & { subscribe: () => void };
    let heartbeats = 0;
    scheduler.on('heartbeat', () => {
      heartbeats += 1;
    });
    scheduler.on('error', () => {});
    // The end of the stream makes it subscribe again: once is enough here.
    const subscribe = scheduler.subscribe.bind(scheduler);
    const ended = new Promise<void>((resolve) => {
      scheduler.subscribe = () => resolve();
    });
    subscribe();
    await ended;
    server.closeAllConnections();
    server.close();
    return heartbeats;
  }
  const record = (text: string): string => `${Buffer.byteLength(text)}\n${text}`;
  const heartbeat = record('{"type":"HEARTBEAT"}');

  it('takes a record that has a chunk to itself', async () => {
    assert.equal(await feed([heartbeat]), 1);
  });

  it('loses two records that share a chunk', async () => {
    assert.equal(await feed([heartbeat + heartbeat]), 0);
  });

  it('never completes a record that is not ASCII', async () => {
    assert.equal(await feed([record('{"type":"HEARTBEAT","site":"北京"}')]), 0);
  });
});
