import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeStatus } from '../../../executor-image/contract.js';
import { memberTold } from '../../../framework/node-status.js';

/** Only what is read. */
const answer = (etcd: unknown): NodeStatus => ({ taskId: 'task-1', etcd }) as NodeStatus;

test('what a node tells of its etcd is kept with the moment in which it was told', () => {
  assert.deepEqual(memberTold(answer({ role: 'follower', forS: 2.5, raftIndex: 9 }), 10_000), {
    taskId: 'task-1',
    role: 'follower',
    sinceMs: 7_500,
    raftIndex: 9,
    heardAtMs: 10_000,
  });
});

test('an older image tells less; anything else that answers at the address tells nothing', () => {
  const told = memberTold(answer({ role: 'leader' }), 10_000);
  assert.deepEqual([told?.role, told?.sinceMs, told?.raftIndex], ['leader', undefined, undefined]);
  for (const etcd of [undefined, null, {}, { role: 'king' }, 'leader']) {
    assert.equal(memberTold(answer(etcd), 0), undefined);
  }
});
