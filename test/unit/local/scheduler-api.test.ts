/** The master's answers, in the words of captures 01 to 46. */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { test } from 'node:test';
import { Registry } from '../../../framework/local/master/registry.js';
import { vectorText } from '../mesos/vectors.js';
import { type Codec, frameworkInfo, post, TestScheduler } from './test-scheduler.js';
import { inWorld } from './world.js';

const json = { 'Content-Type': 'application/json' };

/** Status and body of a captured refusal, ids of that time replaced. */
function captured(
  name: string,
  replace: Readonly<Record<string, string>> = {},
): { status: number; body: string } {
  const text = vectorText(`${name}.head.txt`);
  let body = text.slice(text.indexOf('\r\n\r\n') + 4);
  for (const [from, to] of Object.entries(replace)) body = body.replaceAll(from, to);
  return { status: Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]), body };
}

for (const codec of ['application/json', 'application/x-protobuf'] satisfies Codec[]) {
  test(`a subscription in ${codec} is answered in it: SUBSCRIBED, HEARTBEAT, then one offer per host`, () =>
    inWorld({ hosts: 2 }, async ({ subscribe, master, clock }) => {
      const scheduler = await subscribe({ codec });
      const offers = await scheduler.offers();
      assert.deepEqual(
        scheduler.events.map((e) => e.type),
        ['SUBSCRIBED', 'HEARTBEAT', 'OFFERS'],
      );
      const [subscribed] = scheduler.events;
      assert.ok(subscribed?.type === 'SUBSCRIBED');
      assert.equal(subscribed.subscribed.heartbeat_interval_seconds, 15);
      assert.equal(subscribed.subscribed.master_info?.ip, 16777343);
      assert.match(scheduler.frameworkId, new RegExp(`^${master.core.masterInfo.id}-0000$`));
      assert.deepEqual(
        offers.map((o) => o.hostname),
        ['host-1', 'host-2'],
      );
      assert.deepEqual(Object.keys(offers[0] ?? {}), [
        ...['id', 'framework_id', 'agent_id', 'hostname', 'url', 'resources', 'allocation_info'],
      ]);
      scheduler.skip();
      clock.advance(15_000);
      await scheduler.type('HEARTBEAT');
    }));
}

test('the codecs mix: a subscription in JSON may ask for a protobuf stream', () =>
  inWorld({ hosts: 0 }, async ({ master }) => {
    const body = JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: frameworkInfo } });
    const answer = await new Promise<{ type: string | undefined; stream: string | undefined }>(
      (resolve, reject) => {
        fetch(`${master.url}/api/v1/scheduler`, {
          method: 'POST',
          body,
          headers: { ...json, Accept: 'application/x-protobuf' },
        }).then(async (response) => {
          resolve({
            type: response.headers.get('content-type') ?? undefined,
            stream: response.headers.get('mesos-stream-id') ?? undefined,
          });
          await response.body?.cancel();
        }, reject);
      },
    );
    assert.equal(answer.type, 'application/x-protobuf');
    assert.match(answer.stream ?? '', /^[0-9a-f-]{36}$/);
  }));

test('calls are refused with the status and the words of a real master', () =>
  inWorld({ hosts: 0 }, async ({ master, subscribe }) => {
    const scheduler = await subscribe();
    await scheduler.type('SUBSCRIBED');
    const url = `${master.url}/api/v1/scheduler`;
    const stream = { 'Mesos-Stream-Id': scheduler.streamId };
    const revive = JSON.stringify({ type: 'REVIVE', framework_id: { value: scheduler.frameworkId } });
    const captureId = 'f13aad64-56e0-4c00-9ccb-a52a91a107b8-0000';
    const cases: [string, string, Record<string, string>][] = [
      ['02-call-no-stream', revive, json],
      ['02-call-wrong-stream', revive, { ...json, 'Mesos-Stream-Id': 'not-the-stream' }],
      [
        '02-call-unknown-framework',
        JSON.stringify({ type: 'REVIVE', framework_id: { value: 'nobody' } }),
        json,
      ],
      ['02-call-malformed-json', '{"type": "REVI', { ...json, ...stream }],
      [
        '02-call-missing-field',
        JSON.stringify({ type: 'ACCEPT', framework_id: { value: scheduler.frameworkId } }),
        { ...json, ...stream },
      ],
      ['02-call-bad-content-type', revive, { 'Content-Type': 'text/plain', ...stream }],
      [
        '16-subscribe-with-stream-id',
        JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: frameworkInfo } }),
        { ...json, ...stream },
      ],
    ];
    for (const [name, body, headers] of cases) {
      const answer = await post(url, body, headers);
      assert.deepEqual(
        { status: answer.status, body: answer.body },
        captured(name, { [captureId]: scheduler.frameworkId }),
        name,
      );
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    }
    assert.equal((await post(url, revive, { ...json, ...stream })).status, 202);
  }));

test('a stream that was taken over: ERROR and the end for the old one, 400 for its calls', () =>
  inWorld({ hosts: 0 }, async ({ subscribe }) => {
    const first = await subscribe();
    await first.type('SUBSCRIBED');
    const second = await subscribe({ info: { id: { value: first.frameworkId } } });
    await second.type('SUBSCRIBED');
    assert.equal(second.frameworkId, first.frameworkId);
    assert.equal((await first.type('ERROR')).error.message, 'Framework failed over');
    await first.ended;
    const answer = await first.call({ type: 'REVIVE' });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /didn't match the stream ID currently associated/);
    assert.equal((await second.call({ type: 'REVIVE' })).status, 202);
  }));

test('while no stream is open, calls are answered 403', () =>
  inWorld({ hosts: 0 }, async ({ subscribe, master }) => {
    const scheduler = await subscribe();
    await scheduler.type('SUBSCRIBED');
    scheduler.close();
    await until(() => master.core.frameworks.get(scheduler.frameworkId)?.connection.kind === 'disconnected');
    const answer = await scheduler.call({ type: 'REVIVE' });
    assert.deepEqual([answer.status, answer.body], [403, 'Framework is not subscribed']);
  }));

test('TEARDOWN ends the stream with no word, and the id is refused for ever', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    await scheduler.offer();
    assert.equal((await scheduler.call({ type: 'TEARDOWN' })).status, 202);
    await scheduler.ended;
    assert.equal(scheduler.events.at(-1)?.type, 'OFFERS');
    const again = await world.subscribe({ info: { id: { value: scheduler.frameworkId } } });
    assert.equal((await again.type('ERROR')).error.message, 'Framework has been removed');
    await again.ended;
  }));

test('with credentials asked for: 401 without, 400 for another principal, ERROR for a forbidden role', () =>
  inWorld(
    { hosts: 0, master: { credentials: { jupyter: 'secret' }, forbiddenRoles: ['other'] } },
    async ({ master, subscribe }) => {
      const url = `${master.url}/api/v1/scheduler`;
      const basic = (text: string) => ({ Authorization: `Basic ${Buffer.from(text).toString('base64')}` });
      const body = (info: object) =>
        JSON.stringify({ type: 'SUBSCRIBE', subscribe: { framework_info: { ...frameworkInfo, ...info } } });
      for (const [name, headers] of [
        ['40-subscribe-no-credentials', {}],
        ['41-subscribe-wrong-secret', basic('jupyter:wrong')],
      ] as const) {
        const answer = await post(url, body({}), { ...json, ...headers });
        assert.deepEqual({ status: answer.status, body: answer.body }, captured(name));
        assert.equal(answer.headers['www-authenticate'], 'Basic realm="mesos-master-scheduler"');
      }
      const other = await post(url, body({ principal: 'somebody' }), { ...json, ...basic('jupyter:secret') });
      assert.deepEqual({ status: other.status, body: other.body }, captured('42-subscribe-other-principal'));
      const forbidden = await subscribe({ headers: basic('jupyter:secret'), info: { roles: ['other'] } });
      assert.equal(
        (await forbidden.type('ERROR')).error.message,
        'Not authorized to register framework  with roles { other }',
      );
      await forbidden.ended;
      const right = await subscribe({ headers: basic('jupyter:secret'), info: { principal: 'jupyter' } });
      await right.type('SUBSCRIBED');
      assert.equal((await right.call({ type: 'REVIVE' }, { Authorization: '' })).status, 401);
      assert.equal((await right.call({ type: 'REVIVE' })).status, 202);
    },
  ));

test('a master that does not lead sends callers to the one that does, or tells them to wait', () =>
  inWorld({ hosts: 0 }, async ({ master }) => {
    const url = `${master.url}/api/v1/scheduler`;
    master.setLeadership({ kind: 'following', leader: 'master-1:5061' });
    const away = await post(url, '{}', json);
    assert.deepEqual([away.status, away.headers.location], [307, '//master-1:5061/master/api/v1/scheduler']);
    master.setLeadership({ kind: 'electing' });
    assert.equal((await post(url, '{}', json)).status, 503);
    master.setLeadership({ kind: 'leading' });
    const scheduler = await TestScheduler.subscribe(master.url);
    await scheduler.type('SUBSCRIBED');
    scheduler.close();
  }));

test('a master that no longer leads leaves hosts and tasks to the one that does', () => {
  const registry = new Registry();
  return inWorld({ hosts: 1, master: { registry, hostReregisterTimeoutMs: 60_000 } }, async (world) => {
    const { clock, master, hosts, subscribe } = world;
    const [agentId] = registry.admitted;
    assert.ok(agentId !== undefined);
    // A framework that may not fail over is removed, tasks and all, by the master that loses its stream.
    const scheduler = await subscribe();
    await scheduler.type('SUBSCRIBED');
    const former = master.core;
    master.setLeadership({ kind: 'electing' });
    await scheduler.ended;
    assert.equal(former.frameworks.size, 1);
    // Nor does one that was started anew give up hosts that it waits for in vain: they are the leader's.
    await master.restart({ keepRegistry: true });
    hosts[0]?.disconnect({ silent: true });
    clock.advance(3_600_000);
    assert.deepEqual([[...registry.admitted], registry.unreachable.size], [[agentId], 0]);
    master.setLeadership({ kind: 'leading' });
    assert.deepEqual([...master.core.recoveredHosts], [agentId]);
    assert.equal(master.core.frameworks.size, 0);
    clock.advance(60_000);
    assert.deepEqual([[...registry.admitted], [...registry.unreachable.keys()]], [[], [agentId]]);
  });
});

test("the operator's /state names hosts, frameworks and tasks as capture 27 does", () =>
  inWorld({ hosts: 2 }, async ({ master, subscribe }) => {
    const scheduler = await subscribe();
    await scheduler.offers();
    const body = await new Promise<string>((resolve, reject) => {
      get(`${master.url}/master/state`, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
    const ours = JSON.parse(body) as Record<string, unknown>;
    const theirs = JSON.parse(vectorText('27-master-state.json')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort());
    const first = (o: Record<string, unknown>, key: string) => (o[key] as Record<string, unknown>[])[0] ?? {};
    const missing = (a: object, b: object) => Object.keys(b).filter((key) => !(key in a));
    // A host that has just registered for the first time has not registered again.
    assert.deepEqual(missing(first(ours, 'slaves'), first(theirs, 'slaves')), ['reregistered_time']);
    assert.deepEqual(missing(first(ours, 'frameworks'), first(theirs, 'frameworks')), ['reregistered_time']);
  }));

async function until(condition: () => boolean): Promise<void> {
  for (let left = 500; !condition(); left -= 1) {
    if (left === 0) throw new Error('the condition did not come true');
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
