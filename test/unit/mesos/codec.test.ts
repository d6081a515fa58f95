import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CodecError,
  decodeEvent,
  type Event,
  encodeEvent,
  parseCall,
  parseEvent,
} from '../../../framework/mesos/schema/codec.js';

const update = (status: Record<string, unknown>) =>
  JSON.stringify({ type: 'UPDATE', update: { status: { task_id: { value: 't' }, ...status } } });

const bytes = (...parts: (number | number[])[]) => new Uint8Array(parts.flat());
/** A length-delimited protobuf field. */
const field = (id: number, body: Uint8Array | number[]) => [(id << 3) | 2, body.length, ...body];

test('a field that the schema lacks is dropped, in both codecs', () => {
  assert.deepEqual(parseEvent('{"type":"HEARTBEAT","news":{"a":1}}'), { type: 'HEARTBEAT' });
  assert.deepEqual(decodeEvent(bytes(0x08, 8, [0xba, 0x3e, 2, 0x41, 0x42])), { type: 'HEARTBEAT' });
});

test('an event of an unknown type has type UNKNOWN, in both codecs', () => {
  assert.deepEqual(parseEvent('{"type":"GREETING","greeting":{}}'), { type: 'UNKNOWN' });
  assert.deepEqual(decodeEvent(bytes(0x08, 99)), { type: 'UNKNOWN' });
  assert.deepEqual(decodeEvent(bytes()), { type: 'UNKNOWN' });
});

test('a task state that the schema lacks becomes TASK_UNREACHABLE, which promises nothing', () => {
  const expected: Event = {
    type: 'UPDATE',
    update: { status: { task_id: { value: 't' }, state: 'TASK_UNREACHABLE' } },
  };
  assert.deepEqual(parseEvent(update({ state: 'TASK_DREAMING' })), expected);
  const status = field(1, [...field(1, [...field(1, [0x74])]), 0x10, 99]);
  assert.deepEqual(decodeEvent(bytes(0x08, 4, field(5, status))), expected);
});

test('an optional enum value that the schema lacks is left out, or UNKNOWN where the enum has that', () => {
  const event = parseEvent(
    update({ state: 'TASK_FAILED', reason: 'REASON_MOON', check_status: { type: 'GRPC' } }),
  );
  assert.deepEqual(event, {
    type: 'UPDATE',
    update: { status: { task_id: { value: 't' }, state: 'TASK_FAILED', check_status: { type: 'UNKNOWN' } } },
  });
});

test('a resource of an unknown kind is left out of the offer, the others stay', () => {
  const offer = { id: { value: 'o' }, framework_id: { value: 'f' }, agent_id: { value: 'a' }, hostname: 'h' };
  const cpus = { name: 'cpus', type: 'SCALAR', scalar: { value: 1.5 } };
  const text = JSON.stringify({
    type: 'OFFERS',
    offers: { offers: [{ ...offer, resources: [cpus, { name: 'qubits', type: 'COMPLEX' }] }] },
  });
  const event = parseEvent(text);
  assert.deepEqual(event, { type: 'OFFERS', offers: { offers: [{ ...offer, resources: [cpus] }] } });
});

test('bytes that are not base64, and numbers that are none, are refused', () => {
  for (const status of [{ uuid: 'a!b=' }, { uuid: '=' }, { uuid: 'AAEC=' }, { timestamp: 'Infinity' }]) {
    assert.throws(() => parseEvent(update({ state: 'TASK_RUNNING', ...status })), CodecError);
  }
  assert.throws(
    () => parseEvent(update({ state: 'TASK_RUNNING' }).replace('"state"', '"timestamp":1e999,"state"')),
    CodecError,
  );
  for (const uuid of ['', 'AAEC', 'AAE=', 'AA==', 'AAE']) {
    const event = parseEvent(update({ state: 'TASK_RUNNING', uuid }));
    assert.equal(decodeEvent(encodeEvent(event)).type, 'UPDATE');
  }
});

test('an offer with all that Mesos can put into one survives both codecs', () => {
  const labels = { labels: [{ key: 'k', value: '北京' }, { key: 'bare' }] };
  const event: Event = {
    type: 'OFFERS',
    offers: {
      offers: [
        {
          id: { value: 'o' },
          framework_id: { value: 'f' },
          agent_id: { value: 'a' },
          hostname: 'h',
          url: {
            scheme: 'http',
            address: { hostname: 'h', ip: '127.0.0.1', port: 5051 },
            path: '/slave(1)',
            query: [{ key: 'q', value: 'v' }],
            fragment: 'x',
          },
          domain: { fault_domain: { region: { name: 'r' }, zone: { name: 'z' } } },
          resources: [
            {
              provider_id: { value: 'p' },
              name: 'disk',
              type: 'SCALAR',
              scalar: { value: 0.125 },
              role: 'a/b',
              allocation_info: { role: 'a/b' },
              reservation: { principal: 'p', labels },
              reservations: [
                { type: 'STATIC', role: 'a' },
                { type: 'DYNAMIC', role: 'a/b', principal: 'p', labels },
              ],
              disk: {
                persistence: { id: 'i', principal: 'p' },
                volume: { mode: 'RW', container_path: 'c', host_path: '/h' },
                source: {
                  type: 'MOUNT',
                  mount: { root: '/m' },
                  path: { root: '/p' },
                  vendor: 'v',
                  id: 'i',
                  metadata: labels,
                  profile: 'fast',
                },
              },
              revocable: {},
              shared: {},
            },
            { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 1, end: 9007199254740991 }] } },
            { name: 'names', type: 'SET', set: { item: ['a', 'b'] } },
          ],
          attributes: [
            { name: 'a', type: 'SCALAR', scalar: { value: -1 } },
            { name: 'b', type: 'SET', set: { item: ['x'] } },
            { name: 'c', type: 'RANGES', ranges: { range: [{ begin: 1, end: 2 }] } },
            { name: 'd', type: 'TEXT', text: { value: '' } },
          ],
          executor_ids: [{ value: 'e' }],
          unavailability: { start: { nanoseconds: 1795494449781979000 }, duration: { nanoseconds: 5 } },
          allocation_info: { role: 'a/b' },
        },
      ],
    },
  };
  assert.deepEqual(decodeEvent(encodeEvent(event)), event);
  assert.deepEqual(parseEvent(JSON.stringify(event)), event);
});

test('broken messages give a coded error that names the place', () => {
  const fails = (run: () => unknown, code: string, message: RegExp) =>
    assert.throws(run, (e) => e instanceof CodecError && e.code === code && message.test(e.message));
  fails(() => parseEvent('{'), 'bad-json', /Event/);
  fails(() => parseEvent('[]'), 'bad-message', /array/);
  fails(() => parseEvent('{"type":"UPDATE"}'), 'bad-message', /'update' to be present/);
  fails(() => parseEvent(update({})), 'bad-message', /Event\.update\.status\.state is required/);
  fails(
    () => parseEvent(update({ state: 'TASK_LOST', healthy: 'yes' })),
    'bad-message',
    /healthy: expected true or false/,
  );
  fails(() => decodeEvent(bytes(0x12, 0)), 'bad-protobuf', /framework_id/);
  fails(() => decodeEvent(bytes(0x12, 200, 1)), 'bad-protobuf', /Event/);
});

test('REVIVE and SUPPRESS may go without a body, other calls not', () => {
  assert.deepEqual(parseCall('{"type":"REVIVE"}'), { type: 'REVIVE' });
  assert.deepEqual(parseCall('{"type":"SUPPRESS","suppress":{"roles":["a"]}}'), {
    type: 'SUPPRESS',
    suppress: { roles: ['a'] },
  });
  assert.throws(() => parseCall('{"type":"ACCEPT"}'), /Expecting 'accept' to be present/);
});
