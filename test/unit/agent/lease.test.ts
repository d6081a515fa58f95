import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, test } from 'node:test';
import type { ClientSource } from '../../../executor-image/agent/etcd/client.js';
import { Lease } from '../../../executor-image/agent/lease.js';

/** A call to etcd that was opened for keep-alives; a test answers it. */
class Call extends EventEmitter {
  readonly written: { ID: string }[] = [];
  isOver = false;

  write(request: { ID: string }): void {
    this.written.push(request);
  }

  end(): void {
    this.isOver = true;
  }

  cancel(): void {
    this.isOver = true;
    this.emit('error', new Error('cancelled'));
  }

  answer(term: string, TTL = '5'): void {
    this.emit('data', { ID: '7', TTL, header: { raft_term: term, revision: '42' } });
  }
}

class FakeEtcd {
  readonly calls: Call[] = [];
  source: ClientSource = this.another();

  another(): ClientSource {
    const leaseClient = {
      leaseGrant: async () => ({ ID: '7' }),
      leaseKeepAlive: async () => {
        const call = new Call();
        this.calls.push(call);
        return call;
      },
      leaseRevoke: async () => ({}),
    };
    return { client: { leaseClient } } as unknown as ClientSource;
  }

  get call(): Call {
    return this.calls.at(-1) ?? assert.fail('no call');
  }
}

describe('the renewals of a lease', () => {
  async function granted() {
    const etcd = new FakeEtcd();
    const source = {
      get client() {
        return etcd.source.client;
      },
    };
    const lease = await Lease.grant(source, 5);
    return { etcd, lease, renew: () => lease.keepAlive() };
  }
  const sent = () => new Promise((resolve) => setImmediate(resolve));

  test('go by one call that stays open', async () => {
    const { etcd, renew } = await granted();
    for (const term of ['3', '3', '4']) {
      const renewed = renew();
      await sent();
      etcd.call.answer(term);
      const { term: heard, revision } = await renewed;
      assert.deepEqual([heard, revision], [term, '42']);
    }
    assert.equal(etcd.calls.length, 1);
    assert.deepEqual(etcd.call.written, [{ ID: '7' }, { ID: '7' }, { ID: '7' }]);
  });

  test('take no late answer for that to a later one', async (t) => {
    const { etcd, renew } = await granted();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const late = renew();
    await sent();
    const first = etcd.call;
    t.mock.timers.tick(1000);
    await assert.rejects(late, /within 1000 ms/);
    assert.equal(first.isOver, true);
    const next = renew();
    await sent();
    first.answer('3');
    etcd.call.answer('4');
    assert.equal((await next).term, '4');
    assert.equal(etcd.calls.length, 2);
  });

  test('begin another call after an error, and with another client', async () => {
    const { etcd, renew } = await granted();
    const failed = renew();
    await sent();
    etcd.call.emit('error', new Error('no leader'));
    await assert.rejects(failed, /no leader/);
    for (const calls of [2, 3]) {
      const renewed = renew();
      await sent();
      assert.equal(etcd.calls.length, calls);
      etcd.call.answer('3');
      await renewed;
      etcd.source = etcd.another();
    }
    assert.equal(etcd.calls[1]?.isOver, true);
  });

  test('say that a lease is no more, and end with it', async () => {
    const { etcd, lease, renew } = await granted();
    const renewed = renew();
    await sent();
    etcd.call.answer('3', '0');
    await assert.rejects(renewed, { name: 'LeaseGone' });
    assert.equal(etcd.call.isOver, true);
    const pending = renew();
    await sent();
    await lease.revoke();
    await assert.rejects(pending, /over/);
    assert.equal(etcd.call.isOver, true);
  });
});
