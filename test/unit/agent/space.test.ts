import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decideSpace,
  membersWithoutSpace,
  quotaBytes,
  type SpaceView,
} from '../../../executor-image/agent/etcd/space.js';

describe('etcd’s database', () => {
  const full: SpaceView = {
    alarm: true,
    sizeBytes: quotaBytes,
    inUseBytes: quotaBytes,
    isLeader: true,
    compacted: false,
  };
  const wordOf = (change: Partial<SpaceView>) => decideSpace({ ...full, ...change }).do;

  test('is left alone while etcd raises no alarm', () => {
    assert.equal(wordOf({ alarm: false }), 'nothing');
  });

  test('is compacted by the leader, made small by each, and freed from the alarm by the leader', () => {
    assert.equal(wordOf({}), 'compact');
    assert.equal(wordOf({ compacted: true, inUseBytes: 1000 }), 'defragment');
    assert.equal(wordOf({ isLeader: false, inUseBytes: 1000 }), 'defragment');
    assert.equal(wordOf({ compacted: true, sizeBytes: 2000, inUseBytes: 1000 }), 'disarm');
    assert.equal(wordOf({ isLeader: false, sizeBytes: 2000, inUseBytes: 1000 }), 'wait');
  });

  test('full of keys that are wanted is for a person, and the status says so', () => {
    const decision = decideSpace({ ...full, compacted: true });
    assert.equal(decision.do, 'wait');
    assert.match('reason' in decision ? decision.reason : '', /remove them with etcdctl/);
    // Not made small again and again.
    assert.equal(wordOf({ isLeader: false }), 'wait');
  });

  test('is the matter of those members alone that etcd names for it', () => {
    assert.deepEqual(
      membersWithoutSpace([
        'memberID:10501334649042878790 alarm:NOSPACE ',
        'memberID:1 alarm:CORRUPT ',
        'etcdserver: no leader',
      ]),
      ['10501334649042878790'],
    );
  });
});
