import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  EnvironmentError,
  exitCodeName,
  exitCodes,
  generationFileName,
  generationOfFileName,
  readControlCall,
  readTaskEnvironment,
  type TaskEnvironment,
  writeTaskEnvironment,
} from '../../../executor-image/contract.js';

const task: TaskEnvironment = {
  node: 1,
  addresses: ['192.0.2.100', '192.0.2.101', '192.0.2.102'],
  taskId: 'node-1-4',
  incarnation: 4,
  generation: 2,
  founders: ['node-0-3', 'node-1-3', 'node-2-3'],
  unproven: ['node-2-1', 'unknown'],
  basePath: '/notebook/',
  leaseTtlS: 5,
  lookLimitS: 60,
  volumeType: '',
  warmStandby: true,
  cpus: 0.5,
  healthChecks: true,
  schedulerKey: `SHA256:${'Ab0+/'.repeat(8)}abc=`,
  logLevel: 'info',
};

describe('the environment of a task', () => {
  test('is read as it was written', () => {
    assert.deepEqual(readTaskEnvironment(writeTaskEnvironment(task)), task);
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.integer({ min: 1 }),
        fc.integer({ min: 1 }),
        (node, incarnation, generation) => {
          const any = { ...task, node, incarnation, generation };
          assert.deepEqual(readTaskEnvironment(writeTaskEnvironment(any)), any);
        },
      ),
    );
  });

  test('may say that nothing is unproven', () => {
    const environment = writeTaskEnvironment({ ...task, unproven: [] });
    assert.equal(environment['MJ_UNPROVEN'], '');
    assert.deepEqual(readTaskEnvironment(environment).unproven, []);
  });

  for (const [what, change, message] of [
    ['nothing set', { MJ_CONTRACT_VERSION: undefined }, /MJ_CONTRACT_VERSION is not set/],
    ['another version', { MJ_CONTRACT_VERSION: '99' }, /scheduler speaks contract version 99, this image \d/],
    ['a node that is no number', { MJ_NODE: 'one' }, /MJ_NODE is "one", not a number/],
    ['a node beyond the addresses', { MJ_NODE: '3' }, /MJ_NODE is 3, but there are 3 addresses/],
    [
      'an address that is none',
      { MJ_ADDRESSES: '192.0.2.100,host,192.0.2.102' },
      /holds "host", which is no IPv4/,
    ],
    ['a broken incarnation', { MJ_INCARNATION: '1.5' }, /MJ_INCARNATION is "1.5", not a whole number/],
    ['a founder too few', { MJ_FOUNDERS: 'a,b' }, /MJ_FOUNDERS names 2 tasks for 3 addresses/],
    ['a base path without its slash', { MJ_BASE_PATH: '/notebook' }, /slash at both ends/],
    [
      'a lease of a second',
      { MJ_LEASE_TTL_S: '1' },
      /MJ_LEASE_TTL_S is 1: it is less than 2, one and a half/,
    ],
    ['nothing said of unproven tasks', { MJ_UNPROVEN: undefined }, /MJ_UNPROVEN is not set/],
    ['a look that may have no age', { MJ_LOOK_LIMIT_S: '0' }, /MJ_LOOK_LIMIT_S is "0", not a number of/],
    [
      'a key that is none',
      { MJ_SCHEDULER_KEY: 'SHA256:abc' },
      /MJ_SCHEDULER_KEY is "SHA256:abc", which is no/,
    ],
    ['health checks that may be', { MJ_HEALTH_CHECKS: 'yes' }, /MJ_HEALTH_CHECKS is "yes", not due or none/],
    ['no task', { MJ_TASK_ID: '' }, /MJ_TASK_ID is not set/],
  ] as const) {
    test(`is refused with ${what}, by name`, () => {
      const env: Record<string, string | undefined> = { ...writeTaskEnvironment(task), ...change };
      assert.throws(
        () => readTaskEnvironment(env),
        (error) =>
          error instanceof EnvironmentError &&
          message.test(error.message) &&
          error.code === (what === 'another version' ? 'otherContract' : 'badEnvironment'),
      );
    });
  }
});

test('a generation’s file is told by its name', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), (number) => {
      assert.equal(generationOfFileName(generationFileName(number)), number);
    }),
  );
  for (const name of [
    'generation-',
    'generation-0',
    'generation-01',
    '.generation-3.Xy',
    'generation-3~',
    'ssh',
  ]) {
    assert.equal(generationOfFileName(name), undefined);
  }
});

test('a control call is read as it was written; anything else is none', () => {
  for (const call of [
    { call: 'hello', taskId: 'a' },
    { call: 'revokeLeases', taskId: 'a', deadTaskId: 'b' },
    { call: 'handOver', taskId: 'a' },
    { call: 'handOver', taskId: 'a', to: 2 },
    { call: 'pause', taskId: 'a', since: '2026-01-01T00:00:00.000Z' },
    { call: 'pause', taskId: 'a', since: '2026-01-01T00:00:00.000Z', reason: 'work' },
    { call: 'resume', taskId: 'a' },
  ]) {
    assert.deepEqual(readControlCall(JSON.stringify({ ...call, more: 1 })), call);
  }
  for (const text of [
    '',
    'null',
    '[]',
    '{"call":"hello"}',
    '{"call":"revokeLeases","taskId":"a"}',
    '{"call":"revokeLeases","taskId":"a","deadTaskId":""}',
    '{"call":"handOver","taskId":"a","to":"2"}',
    '{"call":"pause","taskId":"a"}',
    '{"call":"pause","taskId":"a","since":"now","reason":1}',
    '{"call":"toString","taskId":"a"}',
  ]) {
    assert.equal(readControlCall(text), undefined, text);
  }
});

test('exit codes are told apart from those of Docker, shells and signals', () => {
  for (const code of Object.values(exitCodes)) {
    assert.ok(![0, 1, 2, 125, 126, 127, 255].includes(code) && !(code >= 128 && code <= 165));
  }
  assert.equal(new Set(Object.values(exitCodes)).size, Object.values(exitCodes).length);
  assert.equal(exitCodeName(65), 'addressNotMine');
  assert.equal(exitCodeName(137), undefined);
});
