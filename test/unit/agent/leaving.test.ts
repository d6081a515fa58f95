import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  afterTick,
  causeToLeave,
  decideLeaving,
  type LeavingView,
  lockCounts,
  lockTtlS,
} from '../../../executor-image/agent/leaving.js';
import { ExecutorWatch, isHealthCheck, orphanAfterTicks } from '../../../executor-image/agent/orphan.js';

describe('a node that is to leave', () => {
  const well = { live: [0, 1, 2], isHolder: false, isPaused: false };
  const view = (more: Partial<LeavingView> = {}): LeavingView => ({
    waited: 0,
    freeFor: 0,
    isMember: true,
    others: [1, 2],
    cluster: well,
    ...more,
  });

  test('has a cause: its executor is gone, or its mount is dead', () => {
    assert.equal(causeToLeave({ executorIsGone: false }), undefined);
    assert.equal(causeToLeave({ executorIsGone: true })?.code, 'orphan');
    const why = 'the mount is dead';
    assert.deepEqual(causeToLeave({ executorIsGone: false, deadMount: why }), { code: 'mountDead', why });
  });

  test('asks for the lock when all others are members, and that they be so in the very transaction', () => {
    const decision = decideLeaving(view());
    assert.deepEqual(decision.do === 'lock' && decision.members, [1, 2]);
    // Whether it is heard itself does not matter.
    assert.equal(decideLeaving(view({ cluster: { ...well, live: [1, 2] } })).do, 'lock');
  });

  test('waits for others that are no members, for the one that leaves, and for etcd', () => {
    for (const [cluster, reason] of [
      [{ ...well, live: [0, 2] }, /members first, and of node 1 nothing is heard/],
      [{ ...well, leaver: 2 }, /node 2 leaves first/],
      [undefined, /etcd has to answer/],
    ] as const) {
      const { cluster: _, ...rest } = view();
      const decision = decideLeaving(cluster === undefined ? rest : { ...rest, cluster });
      assert.equal(decision.do, 'wait');
      assert.match(decision.reason, reason);
    }
  });

  test('stays while the operator has the cluster paused, however long, and waits anew afterwards', () => {
    const cluster = { ...well, isPaused: true };
    for (const more of [{}, { waited: 10_000 }, { isMember: false }, { others: [] }]) {
      const decision = decideLeaving(view({ cluster, ...more }));
      assert.equal(decision.do, 'wait');
      assert.match(decision.reason, /paused/);
    }
    assert.deepEqual(afterTick(view({ cluster, waited: 7, freeFor: 5 })), { waited: 0, freeFor: 0 });
  });

  test('is the last when it holds the notebook', () => {
    const cluster = { ...well, isHolder: true };
    assert.match(decideLeaving(view({ cluster, freeFor: 9 })).reason, /others that are to leave go first/);
    assert.equal(decideLeaving(view({ cluster, freeFor: 10 })).do, 'lock');
  });

  test('counts its ticks, and those in a row in which it might have left', () => {
    const { cluster: _, ...silent } = view({ waited: 7, freeFor: 3 });
    assert.deepEqual(afterTick(silent), { waited: 8, freeFor: 0 });
    const holder = view({ waited: 7, freeFor: 3, cluster: { ...well, isHolder: true } });
    assert.deepEqual(afterTick(holder), { waited: 8, freeFor: 4 });
    assert.deepEqual(afterTick(view({ waited: 7, freeFor: 3, cluster: { ...well, leaver: 1 } })), {
      waited: 8,
      freeFor: 0,
    });
  });

  test('does not trust a lock that took so long to get that it may have run out before the node is gone', () => {
    assert.equal(lockCounts(3_999), true);
    assert.equal(lockCounts(4_000), false);
    // 4 s to get it, 6 s to leave, and a heartbeat's TTL.
    assert.equal(lockTtlS(5), 15);
  });

  test('ends without the lock when it has waited for 10 minutes, whatever the cluster is like', () => {
    const { cluster: _, ...silent } = view();
    assert.equal(decideLeaving({ ...silent, waited: 599 }).do, 'wait');
    assert.equal(decideLeaving({ ...silent, waited: 600 }).do, 'go');
    assert.equal(decideLeaving(view({ waited: 600, cluster: { ...well, leaver: 1 } })).do, 'go');
  });

  test('needs no lock when it is no voter, or alone', () => {
    assert.equal(decideLeaving(view({ isMember: false, cluster: { ...well, live: [] } })).do, 'go');
    assert.equal(decideLeaving(view({ others: [] })).do, 'go');
  });
});

describe('an orphan', () => {
  const ticked = (watch: ExecutorWatch, ticks: number): ExecutorWatch => {
    for (let tick = 0; tick < ticks; tick++) watch.tick();
    return watch;
  };

  test('is who has had no health check for 60 ticks, counted from the start', () => {
    assert.equal(ticked(new ExecutorWatch(true), orphanAfterTicks - 1).isGone, false);
    assert.equal(ticked(new ExecutorWatch(true), orphanAfterTicks).isGone, true);
  });

  test('is none any more when a check comes', () => {
    const watch = ticked(new ExecutorWatch(true), orphanAfterTicks + 5);
    watch.checked();
    assert.equal(watch.isGone, false);
    assert.equal(ticked(watch, orphanAfterTicks).isGone, true);
  });

  test('is nobody whose task has no health check', () => {
    const watch = new ExecutorWatch(false);
    watch.checked();
    assert.equal(ticked(watch, 10 * orphanAfterTicks).isGone, false);
  });

  test('is not kept in belief by requests from outside the container', () => {
    assert.ok(isHealthCheck('127.0.0.1'));
    for (const other of ['192.0.2.101', '127.0.0.2', undefined]) assert.equal(isHealthCheck(other), false);
  });
});
