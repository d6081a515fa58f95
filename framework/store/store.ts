/** What outlives the scheduler process, and who may write it. */
import type { ClusterRecord } from '../cluster/model.js';
import type { SchedulerKey } from './key-pair.js';

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
  /** Task ids of which the operator has said that their containers are gone, and which were not forgotten since. */
  confirmedDead(): Promise<readonly string[]>;
  /** The scheduler has taken note. */
  forgetConfirmed(taskId: string): Promise<void>;
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
export interface Confirmations {
  readonly place: string;
  /** The record as it was stored last. */
  record(): Promise<ClusterRecord | undefined>;
  /** Notes that the task's container is gone, for the scheduler to read. */
  confirmDead(taskId: string): Promise<void>;
  close(): void;
}
