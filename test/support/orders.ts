/** What every store must do with an operator's orders. */
import assert from 'node:assert/strict';
import { newOrderId, type Order } from '../../framework/store/orders.js';
import type { OrderBook, Store } from '../../framework/store/store.js';

/** Asserts that `store` keeps what is given beside its lock, in the order of the ids, until it is answered or withdrawn. */
export async function keepsOrders(store: Store, beside: OrderBook): Promise<void> {
  const order: Order = { kind: 'confirmDead', taskId: 'node0.1.abc' };
  const [first, second] = [newOrderId(1_000), newOrderId(2_000)];
  await beside.give(second, order);
  await beside.give(first, order);
  assert.deepEqual(await store.orders(), [
    { id: first, order },
    { id: second, order },
  ]);
  assert.equal(await beside.answerTo(first), undefined);
  for (const answer of [{ kind: 'underWay' }, { kind: 'done', words: 'so it is' }] as const) {
    await store.answerOrder(first, answer);
    assert.deepEqual(await beside.answerTo(first), answer);
    assert.deepEqual(await store.orders(), [{ id: second, order }]);
  }
  await beside.withdraw(first);
  await beside.withdraw(second);
  assert.deepEqual([await store.orders(), await beside.answerTo(first)], [[], undefined]);
}
