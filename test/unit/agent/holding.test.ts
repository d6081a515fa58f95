import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { afterEnd, noBackoff } from '../../../executor-image/agent/backoff.js';
import { deadlineAfter } from '../../../executor-image/agent/deadline.js';
import { type HandBackView, restMs, shouldHandBack } from '../../../executor-image/agent/handback.js';
import { etcdTiming, leaseTtlTrouble, marginMs } from '../../../executor-image/lease-times.js';

describe('the holder’s deadline', () => {
  const renewal = (startedAtMs: number, keepAliveTerm = '7', readTerm = '7') => ({
    startedAtMs,
    keepAliveTerm,
    readTerm,
  });

  test('is the start of the keep-alive, plus the TTL, less the margin', () => {
    assert.equal(deadlineAfter(0, renewal(10_000), 5000), 14_000);
    assert.equal(deadlineAfter(0, renewal(10_000), 2000), 11_500);
  });

  test('stays where it was when the term changed between keep-alive and read', () => {
    assert.equal(deadlineAfter(14_000, renewal(12_000, '7', '8'), 5000), 14_000);
  });

  test('never goes back, whatever the order in which answers come', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (deadline, started) => {
        assert.ok(deadlineAfter(deadline, renewal(started), 5000) >= deadline);
      }),
    );
  });

  test('is before the lease can end: a lease lives at least its TTL from the start of the call', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2000, max: 60_000 }), (started, ttlMs) => {
        assert.ok(deadlineAfter(0, renewal(started), ttlMs) <= started + ttlMs - marginMs(ttlMs));
        assert.ok(marginMs(ttlMs) >= 500);
      }),
    );
  });
});

test('a stunned leader’s own word would let Jupyter run beside its successor’s, and does not count', () => {
  // Measured with etcd 3.5.16 (FACTS, etcd 2): stunned for 4.5 s at a TTL of 5 s, its network back later still. The others elected
  // at 1.5 s and ended the lease at 7 s.
  const ttlMs = 5000;
  const before = deadlineAfter(0, { startedAtMs: -500, keepAliveTerm: '2', readTerm: '2' }, ttlMs);
  const lostAtMs = 7000;
  const acknowledged = { startedAtMs: 4500, keepAliveTerm: '2' };
  assert.ok(deadlineAfter(before, { ...acknowledged, readTerm: '2' }, ttlMs) > lostAtMs);
  // The read needs a majority: it comes in the term of the next leader, or not at all.
  assert.equal(deadlineAfter(before, { ...acknowledged, readTerm: '3' }, ttlMs), before);
  assert.ok(before < lostAtMs);
});

describe('the TTL of a lease', () => {
  test('is no shorter than etcd grants, at its election timeout', () => {
    assert.equal(etcdTiming.electionTimeoutMs, 1000);
    assert.match(leaseTtlTrouble(1) ?? '', /is less than 2, one and a half of etcd's election timeouts/);
  });

  test('leaves time for an election between two renewals, and to freeze Jupyter in', () => {
    for (const ttlS of [2, 3, 5, 10, 60]) {
      assert.equal(leaseTtlTrouble(ttlS), undefined);
      const ttlMs = ttlS * 1000;
      assert.ok(marginMs(ttlMs) >= 500 && ttlMs - marginMs(ttlMs) > etcdTiming.electionTimeoutMs);
    }
  });
});

describe('leadership follows the notebook', () => {
  const view: HandBackView = {
    nowMs: 100_000,
    leading: true,
    holderAddress: '192.0.2.101',
    isPaused: false,
    handedBackAtMs: [],
  };

  test('it is handed back at once the first time', () => {
    assert.equal(shouldHandBack(view), true);
  });

  test('after a second loss within a minute it stays for a minute', () => {
    assert.equal(shouldHandBack({ ...view, handedBackAtMs: [100_000 - restMs + 1] }), false);
    assert.equal(shouldHandBack({ ...view, handedBackAtMs: [1, 100_000 - restMs] }), true);
  });

  test('it stays where it is while the notebook is handed over, or its holder is unfit', () => {
    assert.equal(shouldHandBack({ ...view, isGivenAway: true }), false);
  });

  test('it stays where it is while the operator has the cluster paused', () => {
    assert.equal(shouldHandBack({ ...view, isPaused: true }), false);
  });

  test('there is nothing to hand back by who does not lead, or to who holds it itself', () => {
    assert.equal(shouldHandBack({ ...view, leading: false }), false);
    assert.equal(shouldHandBack({ nowMs: 0, leading: true, isPaused: false, handedBackAtMs: [] }), false);
  });
});

describe('a program that ends again and again', () => {
  test('is waited for twice as long each time, up to half a minute', () => {
    let backoff = noBackoff;
    const waits: number[] = [];
    for (let end = 0; end < 9; end++) {
      backoff = afterEnd(backoff, 100);
      waits.push(backoff.waitMs);
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  test('starts over after a healthy spell', () => {
    const worn = { ends: 8, waitMs: 30_000 };
    assert.deepEqual(afterEnd(worn, 60_000), { ends: 1, waitMs: 500 });
  });
});
