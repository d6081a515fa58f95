/**
 * Leaving: a node that cannot stay as it is (its mount is dead, its executor is gone) ends, so that another task takes its place.
 * One node at a time, under a lock in etcd, the holder last, and only while all others are members: who leaves costs the
 * cluster a member until its successor has joined.
 */
import type { ExitCodeName } from '../contract.js';
import { bootClockMs, sleep } from './clock.js';
import { type Directory, keys, type NodeRecord } from './directory.js';
import { messageOf, NodeEnd } from './errors.js';
import type { EtcdMember } from './etcd/member.js';
import { Lease } from './lease.js';
import type { Log } from './log.js';
import { orphanAfterTicks } from './orphan.js';

/** Why a node is to leave, and the exit code that says so. */
export interface Cause {
  readonly code: ExitCodeName;
  readonly why: string;
}

/** For how long a node has been waiting for its leave, in ticks of a second each. */
export interface Patience {
  /** Since it had a cause. */
  readonly waited: number;
  /** Ticks in a row in which nothing but the holder's patience stood in the way. */
  readonly freeFor: number;
}

export const noPatience: Patience = { waited: 0, freeFor: 0 };

export interface LeavingView extends Patience {
  /** Whether its etcd member votes, as far as is known. */
  readonly isMember: boolean;
  /** Numbers of the other nodes. */
  readonly others: readonly number[];
  /** What etcd says; absent while it does not answer. */
  readonly cluster?: {
    /** Numbers of the nodes whose heartbeat is there; only a voter has one. */
    readonly live: readonly number[];
    /** The node that has the lock. */
    readonly leaver?: number;
    readonly isHolder: boolean;
    /** Whether the operator has it paused. */
    readonly isPaused: boolean;
  };
}

export type LeavingDecision =
  | { readonly do: 'go' | 'wait'; readonly reason: string }
  /** It leaves if it gets the lock, in one transaction with `members` having heartbeats. */
  | { readonly do: 'lock'; readonly members: readonly number[]; readonly reason: string };

/** What this node knows of itself that may be a cause to leave. */
export interface Condition {
  readonly executorIsGone: boolean;
  /** What the last look said of a mount that is dead. */
  readonly deadMount?: string;
}

/** Why a node in this condition cannot stay; undefined when it can. */
export function causeToLeave({ executorIsGone, deadMount }: Condition): Cause | undefined {
  if (executorIsGone) {
    const why = `no health check came for ${orphanAfterTicks} s, so that nobody watches this container`;
    return { code: 'orphan', why };
  }
  return deadMount === undefined ? undefined : { code: 'mountDead', why: deadMount };
}

/** Who has not got the lock for so many ticks ends anyway: what it waits for may need its very address. */
const mostTicks = 600;
/** Any other node that wants to leave takes a free lock within a few ticks; then the holder is the last. */
const holderYieldsTicks = 10;
/** How long it may take to get the lock, once asked for; and to leave, with a hand-over. */
const lockAnswersWithinMs = 4_000;
const leavesWithinS = 6;

/**
 * TTL of the lock's lease, which nobody ends: for as long as it takes to leave, and then until the leaver's heartbeat is
 * missed. After that its absence keeps the others.
 */
export function lockTtlS(leaseTtlS: number): number {
  return lockAnswersWithinMs / 1000 + leavesWithinS + leaseTtlS;
}

/**
 * Whether a lock that was had is good for leaving. To a node that was paused while it asked, its lock may be one that has run
 * out since, and that another has had.
 * @param tookMs how long it took, from before its lease was granted, on the boot clock
 */
export function lockCounts(tookMs: number): boolean {
  return tookMs < lockAnswersWithinMs;
}

/** What to do next; the first rule that fits. */
export function decideLeaving(view: LeavingView): LeavingDecision {
  const { waited, freeFor, isMember, others, cluster } = view;
  if (cluster?.isPaused) return { do: 'wait', reason: 'the operator has the cluster paused' };
  if (waited >= mostTicks) {
    return {
      do: 'go',
      reason: `the others gave no leave for ${mostTicks} s, and to wait longer mends nothing`,
    };
  }
  if (!isMember) return { do: 'go', reason: 'it is no voter, so that the cluster loses nothing' };
  if (others.length === 0) return { do: 'go', reason: 'there is no other node' };
  const obstacle = obstacleTo(view);
  if (obstacle !== undefined) return { do: 'wait', reason: obstacle };
  if (cluster?.isHolder && freeFor < holderYieldsTicks) {
    return { do: 'wait', reason: 'it holds the notebook: others that are to leave go first' };
  }
  return { do: 'lock', members: others, reason: 'all others are members, and none of them leaves' };
}

/** A node's patience after another tick with a cause to leave. After a pause the waiting begins anew. */
export function afterTick(view: LeavingView): Patience {
  if (view.cluster?.isPaused) return noPatience;
  return { waited: view.waited + 1, freeFor: obstacleTo(view) === undefined ? view.freeFor + 1 : 0 };
}

/** What keeps any node from leaving now. */
function obstacleTo({ others, cluster }: LeavingView): string | undefined {
  if (cluster === undefined) return 'etcd has to answer first';
  if (cluster.leaver !== undefined) return `node ${cluster.leaver} leaves first: one at a time`;
  const missing = others.filter((node) => !cluster.live.includes(node));
  return missing.length === 0
    ? undefined
    : `all others have to be members first, and of node ${missing.join(', ')} nothing is heard`;
}

export class Leaving {
  #patience = noPatience;
  #cause: Cause | undefined;
  #reason = '';

  /** @param causeNow why this node is to leave; asked at each tick, a second after the last */
  constructor(
    readonly self: NodeRecord,
    readonly size: number,
    /** TTL of the heartbeats. */
    readonly leaseTtlS: number,
    readonly etcd: EtcdMember,
    readonly directory: Directory,
    readonly causeNow: () => Cause | undefined,
    readonly log: Log,
  ) {}

  /** One sentence about what it waits for; empty while the node is not to leave. */
  get reason(): string {
    return this.#cause === undefined ? '' : `this node is to leave (${this.#cause.why}): ${this.#reason}`;
  }

  /** Resolves when the node may leave, with its end; never when `signal` is aborted before. */
  async run(signal: AbortSignal): Promise<NodeEnd> {
    for (;;) {
      await sleep(1000, signal);
      if (signal.aborted) return new Promise(() => {});
      const end = await this.#tick();
      if (end !== undefined) return end;
    }
  }

  async #tick(): Promise<NodeEnd | undefined> {
    const cause = this.causeNow();
    if (cause === undefined) {
      if (this.#cause !== undefined) this.log.info('this node stays after all');
      this.#cause = undefined;
      this.#patience = noPatience;
      return undefined;
    }
    this.#cause = cause;
    const view = this.#view();
    const decision = decideLeaving(view);
    this.#patience = afterTick(view);
    const before = this.reason;
    this.#reason = decision.reason;
    if (this.reason !== before) this.log.warn(this.reason);
    if (decision.do === 'wait' || (decision.do === 'lock' && !(await this.#lock(decision.members))))
      return undefined;
    return new NodeEnd(cause.code, `${cause.why}: this node leaves, since ${decision.reason}`);
  }

  get #others(): number[] {
    return Array.from({ length: this.size }, (_, node) => node).filter((node) => node !== this.self.node);
  }

  #view(): LeavingView {
    const view = this.etcd.serves ? this.directory.view : undefined;
    const leaver = view?.leaver?.node;
    return {
      ...this.#patience,
      isMember: this.etcd.isVoter,
      others: this.#others,
      ...(view === undefined
        ? {}
        : {
            cluster: {
              live: view.live.map(({ node }) => node),
              ...(leaver === undefined ? {} : { leaver }),
              isHolder: view.holder?.taskId === this.self.taskId,
              isPaused: view.isPaused,
            },
          }),
    };
  }

  /** Whether the lock is this node's now: in one transaction with `members` being there. */
  async #lock(members: readonly number[]): Promise<boolean> {
    try {
      const lease = await Lease.grant(this.etcd, lockTtlS(this.leaseTtlS));
      const record = JSON.stringify(this.self);
      const created = await lease.createKey(keys.leaver, record, [
        { key: keys.paused, is: 'absent' },
        ...members.map((node) => ({ key: keys.heartbeat(node), is: 'there' }) as const),
      ]);
      if (created && lockCounts(bootClockMs() - lease.grantedAtMs)) return true;
      await lease.revoke();
    } catch (error) {
      this.log.debug(`the leaver's lock: ${messageOf(error)}`);
    }
    return false;
  }
}
