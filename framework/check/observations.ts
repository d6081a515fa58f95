/** What a check has seen, before anybody judges it. Whatever could not be seen says why. */

import type { ErrorCode } from '../errors.js';
import type { StoreView } from '../store/store.js';
import type { ExecutorFlags } from './agents.js';
import type { MasterFlags, MasterState } from './master-state.js';

/** Something that was looked at, or why it could not be. */
export type Seen<T> =
  | { readonly kind: 'seen'; readonly value: T }
  | { readonly kind: 'unseen'; readonly why: string };

/** What a master says of itself. */
export type MasterAnswer =
  | { readonly kind: 'leads' }
  | { readonly kind: 'follows'; readonly leader: URL }
  | { readonly kind: 'electing'; readonly why: string }
  /** An answer that no master gives who lets us in: its status and words. */
  | { readonly kind: 'refuses'; readonly status: number; readonly why: string }
  | { readonly kind: 'silent'; readonly why: string };

export interface AskedMaster {
  /** `HOST:PORT`. */
  readonly host: string;
  readonly answer: MasterAnswer;
}

/** The answer to a call of a framework that does not exist, with our credentials and without any. */
export interface CredentialAnswers {
  readonly with: Seen<number>;
  /** Undefined where we have none. */
  readonly without: Seen<number> | undefined;
}

export interface LeaderView {
  readonly host: string;
  readonly state: Seen<MasterState>;
  readonly credentials: CredentialAnswers;
  readonly flags: Seen<MasterFlags>;
  /** Of the Mesos agents that were asked, by host name. */
  readonly executors: ReadonlyMap<string, Seen<ExecutorFlags>>;
}

export interface MastersView {
  /** Each address that was given, or that ZooKeeper named. */
  readonly asked: readonly AskedMaster[];
  /** Why ZooKeeper named none; undefined where it was not asked, or did. */
  readonly zookeeper?: string;
  readonly leader?: LeaderView;
}

/** Who answers at a node's address. */
export type AddressAnswer =
  | {
      readonly kind: 'node';
      /** Undefined for an answer that is no node agent's of any version. */
      readonly contractVersion: number | undefined;
      readonly taskId: string;
      readonly ready: boolean;
      readonly reason: string;
      /** Whether Jupyter answers there. */
      readonly isServing: boolean;
    }
  /**
   * Somebody takes connections at `port`, or refuses them. Over the default route that may be a gateway on the way, which answers in
   * the place of everybody.
   */
  | { readonly kind: 'other'; readonly port: number; readonly isByDefaultRoute: boolean }
  | { readonly kind: 'silent' };

export interface ImageView {
  /** Whether this machine's Docker engine has it. */
  readonly here: Seen<boolean>;
  /** Whether its registry has it. */
  readonly inRegistry: Seen<boolean>;
}

export interface Observations {
  readonly masters: MastersView;
  readonly store: StoreView | { readonly trouble: string; readonly code: ErrorCode };
  /** By node. */
  readonly addresses: readonly AddressAnswer[];
  readonly image: ImageView;
  /** Names and addresses of this machine. */
  readonly thisMachine: ReadonlySet<string>;
}
