import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseReport } from '../../../executor-image/agent/keeper.js';
import {
  cannotStart,
  isSilentForTooLong,
  silentSince,
  vainStartsAfter,
} from '../../../executor-image/agent/responsiveness.js';

describe('what a keeper tells', () => {
  test('is read line by line', () => {
    assert.deepEqual(parseReport('frozen 3'), { kind: 'frozen', lateMs: 3 });
    assert.deepEqual(parseReport('ended -9'), { kind: 'ended', status: '-9' });
    assert.deepEqual(parseReport('stuck'), { kind: 'stuck' });
  });

  test('means nothing when it is of another release', () => {
    assert.equal(parseReport('thawed'), undefined);
    assert.equal(parseReport(''), undefined);
  });
});

describe('a Jupyter that does not answer', () => {
  const silent = (nowMs: number) => ({ nowMs, answers: false, isExcused: false });

  test('is given a minute', () => {
    const sinceMs = silentSince(silentSince(undefined, silent(1000)), silent(6000));
    assert.equal(sinceMs, 1000);
    assert.equal(isSilentForTooLong(sinceMs, 60_999), false);
    assert.equal(isSilentForTooLong(sinceMs, 61_000), true);
  });

  test('is given all the time that it is frozen, or that the volume hangs, and another minute', () => {
    const sinceMs = silentSince(1000, { ...silent(50_000), isExcused: true });
    assert.equal(sinceMs, undefined);
    assert.equal(isSilentForTooLong(silentSince(sinceMs, silent(70_000)), 129_999), false);
  });

  test('is well again after one answer', () => {
    assert.equal(silentSince(1000, { ...silent(50_000), answers: true }), undefined);
  });
});

test('a node where three starts in a row came to nothing cannot start Jupyter', () => {
  let vain = 0;
  for (const hadAnswered of [false, false, true, false, false]) vain = vainStartsAfter(vain, hadAnswered);
  assert.equal(cannotStart(vain), false);
  assert.equal(cannotStart(vainStartsAfter(vain, false)), true);
});
