/** What outlives the scheduler process, and who may write it. */
import type { ClusterRecord } from '../cluster/model.js';
import type { SchedulerKey } from './key-pair.js';
import type { GivenOrder, Order, OrderAnswer } from './orders.js';

/** A place that one scheduler at a time keeps its cluster's record in. It is locked from when it is opened until it is closed. */
export interface Store {
  /** What messages call it: a path, or etcd's URL. */
  readonly place: string;
  /**
   * Fires when another scheduler has, or may have, the lock; its reason is a CodedError STORE_LOST. Never for a file, whose
   * lock lasts as long as the process.
   */
  readonly lost: AbortSignal;
  /**
   * What was kept, or undefined where nothing ever was; read now, while the lock is held.
   * @throws CodedError STORE_LOST when it is not
   */
  load(): Promise<ClusterRecord | undefined>;
  /**
   * Returns once the record would survive a power cut.
   * @throws CodedError STORE_LOST when the lock is no longer held: nothing was written then, nor will be
   */
  save(record: ClusterRecord): Promise<void>;
  /** The scheduler's own key pair; made, and stored, when it is asked for the first time ever. */
  keyPair(): Promise<SchedulerKey>;
  /** The operator's orders that were not answered yet, the earliest first. */
  orders(): Promise<readonly GivenOrder[]>;
  /** Puts the answer in the order's place, or in that of an earlier answer. */
  answerOrder(id: string, answer: OrderAnswer): Promise<void>;
  /** Lets another process have it. Never rejects. */
  close(): Promise<void>;
}

/** A store as it looks from beside it. */
export interface StoreView {
  /** What messages call it. */
  readonly place: string;
  /** Undefined where nothing was ever kept. */
  readonly record: ClusterRecord | undefined;
  /** Who has its lock, in words; undefined where nobody has. */
  readonly holder: string | undefined;
}

/** What the operator may do to a store while a scheduler has its lock. */
export interface OrderBook {
  readonly place: string;
  /** The record as it was stored last. */
  record(): Promise<ClusterRecord | undefined>;
  /** Who has the store's lock, in words; undefined where no scheduler works with it. */
  holder(): Promise<string | undefined>;
  /** Leaves an order for the scheduler to read. */
  give(id: string, order: Order): Promise<void>;
  /** What became of it; undefined as long as nobody has taken it. */
  answerTo(id: string): Promise<OrderAnswer | undefined>;
  /** Takes back the order, and its answer. */
  withdraw(id: string): Promise<void>;
  close(): void;
}
