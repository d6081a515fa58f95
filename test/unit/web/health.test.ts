import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PendingOperations } from '../../../framework/store/pending.js';
import { EventLoopWatch } from '../../../framework/web/event-loop.js';
import { healthOf, loopLagLimitMs, storeLimitMs } from '../../../framework/web/health.js';
import { waitFor } from '../../support/wait.js';

const well = { loopLagMs: 0, pending: undefined, doing: 'subscribed at 10.0.0.1:5050' };

describe('the health of a scheduler', () => {
  it('is well whatever it is doing, and says what that is', () => {
    for (const doing of ['subscribed at 10.0.0.1:5050', 'standing by: …', '10.0.0.1: away; trying again']) {
      assert.deepEqual(healthOf({ ...well, doing }), { healthy: true, reason: doing });
    }
  });

  it('is not when the event loop stood still', () => {
    assert.equal(healthOf({ ...well, loopLagMs: loopLagLimitMs }).healthy, true);
    assert.deepEqual(healthOf({ ...well, loopLagMs: 12_345 }), {
      healthy: false,
      reason: 'the event loop stood still for 12 s',
    });
  });

  it('is not when an operation of the store has not ended for long', () => {
    const pending = { what: 'writing /srv/state.json', forMs: storeLimitMs };
    assert.equal(healthOf({ ...well, pending }).healthy, true);
    assert.deepEqual(healthOf({ ...well, pending: { ...pending, forMs: 95_000 } }), {
      healthy: false,
      reason: 'writing /srv/state.json has not ended for 95 s',
    });
  });
});

describe('what it is judged by', () => {
  it('names the operation that has been pending for longest, until it ends in whichever way', async () => {
    const pending = new PendingOperations();
    assert.equal(pending.oldest(), undefined);
    let fail: (error: Error) => void = () => {};
    const first = pending.during('first', () => new Promise<void>((_, reject) => (fail = reject)));
    let end: () => void = () => {};
    const second = pending.during('second', () => new Promise<void>((resolve) => (end = resolve)));
    assert.equal(pending.oldest()?.what, 'first');
    fail(new Error('disk'));
    await assert.rejects(first, /disk/);
    assert.equal(pending.oldest()?.what, 'second');
    end();
    await second;
    assert.equal(pending.oldest(), undefined);
  });

  it('tells of a blocked event loop as soon as it goes on', async () => {
    const watch = new EventLoopWatch();
    try {
      const until = performance.now() + 1_600;
      while (performance.now() < until);
      const lag = watch.lagMs();
      assert.ok(lag > 400, `${lag} ms`);
      // Also later, when timers have come again.
      await waitFor('a tick', 5_000, () => performance.now() > until + 1_200);
      assert.ok(watch.lagMs() >= lag, `${watch.lagMs()} ms`);
    } finally {
      watch.stop();
    }
  });
});
