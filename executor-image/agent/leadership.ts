/**
 * The notebook key: who holds it runs Jupyter. Only the node that etcd's leader is on may take a free one, or in a pause its last
 * holder. The holder's Jupyter is frozen before the key's lease can end elsewhere, and while the shared volume is not seen; it is
 * killed when the key is lost.
 */
import type { IRangeResponse } from 'etcd3';
import { renewalsPerTtl } from '../lease-times.js';
import { askNodeAgent } from './ask.js';
import { Alarm, bootClockMs, sleep } from './clock.js';
import { deadlineAfter } from './deadline.js';
import { type ClusterView, type Directory, keys, type NodeRecord } from './directory.js';
import { messageOf } from './errors.js';
import { listMembers, statusOf } from './etcd/client.js';
import type { EtcdMember } from './etcd/member.js';
import type { Fence } from './fence.js';
import { shouldHandBack } from './handback.js';
import {
  aboutFreeKey,
  declareUnfit,
  intendHandOver,
  intentKeys,
  noIntents,
  provisosOf,
  type Right,
} from './intents.js';
import { Lease, LeaseGone } from './lease.js';
import type { Log } from './log.js';
import type { Looks } from './looks.js';
import type { Notebook } from './notebook.js';
import { bestSuccessor, type Candidate, type Successor } from './successor.js';

const contendEveryMs = 1000;
/** A holder without a deadline ahead looks again soon: people wait. */
const renewSoonMs = 200;
/** What Jupyter's kernels get to end in. */
const stopGraceMs = 1500;
/** Before a node that goes stops Jupyter whether it found a successor or not. */
const findSuccessorWithinMs = 1000;
/** For so long a leader's node agent may be missing before another takes leadership from beside it. */
const relieveAfterMs = 2000;
/** Who gave the notebook away does not take it again at once, when the others are not quick. */
const restMs = 3000;

export interface HandOverOptions {
  /** The node that is to have it; the best one by default. */
  readonly to?: number;
  /** Why this node cannot serve for a while. */
  readonly unfitBecause?: string;
}

/** A hand-over that does not take place; the notebook stays where it is. */
export class HandOverRefused extends Error {
  override readonly name = 'HandOverRefused';
}

export class Leadership {
  readonly #alarm = new Alarm();
  #lease: Lease | undefined;
  #deadlineMs = 0;
  #handedBackAtMs: number[] = [];
  #leaving = false;
  #isGivingUp = false;
  #restsUntilMs = 0;
  /** Since when the node agent beside etcd's leader has not been heard. */
  #silentSinceMs: number | undefined;

  constructor(
    readonly self: NodeRecord,
    readonly ttlS: number,
    readonly etcd: EtcdMember,
    readonly directory: Directory,
    readonly notebook: Notebook,
    readonly looks: Looks,
    readonly fence: Fence,
    readonly log: Log,
  ) {}

  /** Whether this node holds the key, as far as it knows. */
  get holding(): boolean {
    return this.#lease !== undefined;
  }

  /** Looks at the situation now: leadership or the key has changed. */
  nudge(): void {
    this.#alarm.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#leaving) {
      try {
        if (this.#isGivingUp) await sleep(renewSoonMs, signal);
        else if (this.#lease !== undefined) await this.#hold(this.#lease);
        else await this.#contend();
      } catch (error) {
        this.log.debug(`the notebook key: ${messageOf(error)}`);
      }
      await this.#alarm.wait(this.#patienceMs, signal);
    }
  }

  get #patienceMs(): number {
    if (this.#lease === undefined) return contendEveryMs;
    return bootClockMs() >= this.#deadlineMs ? renewSoonMs : (this.ttlS * 1000) / renewalsPerTtl;
  }

  async #hold(lease: Lease): Promise<void> {
    await this.#renew(lease);
    if (this.#lease !== lease || this.#isPaused) return;
    if (this.looks.isTooOldToHold) await this.handOver('the shared volume was not seen here for long');
    else if (this.notebook.cannotStart) {
      const why = 'Jupyter cannot be started here';
      await this.handOver(why, { unfitBecause: why });
    }
  }

  async #contend(): Promise<void> {
    const view = this.directory.view;
    if (view === undefined || !this.etcd.serves || bootClockMs() < this.#restsUntilMs) return;
    if (this.etcd.standing.role === 'follower') await this.#relieveLeader(view);
    const leads = this.etcd.standing.role === 'leader';
    if (view.holder !== undefined) {
      if (leads) await this.#handBack(view.holder, view);
      return;
    }
    const decision = aboutFreeKey({
      ...view,
      selfTaskId: this.self.taskId,
      leads,
      seesVolume: this.looks.fresh,
    });
    if (decision.do === 'leave' || !(await this.fence.ensure())) return;
    if (decision.do === 'take') return this.#take(decision.by);
    const { toTaskId, why } = decision;
    if ((await this.#passLeadershipOn(why, toTaskId)) || decision.else === 'wait') return;
    await this.#take('notPaused');
  }

  get #isPaused(): boolean {
    return this.directory.view?.isPaused ?? false;
  }

  async #take(by: Right): Promise<void> {
    const lease = await Lease.grant(this.etcd, this.ttlS);
    const created = await lease
      .createKey(keys.notebook, JSON.stringify(this.self), provisosOf(by, this.self), keys.lastHolder)
      .catch((error: unknown) => {
        // Perhaps created, perhaps not: without its lease it is not.
        this.log.debug(`taking the notebook key: ${messageOf(error)}`);
        return false;
      });
    if (!created || this.#leaving) {
      await lease.revoke();
      return;
    }
    this.log.info(`this node holds the notebook now: the key was free, and ${reasonOf(by)}`);
    this.#lease = lease;
    await this.#renew(lease);
  }

  /** Where the leader's node agent is gone and its etcd lives on, nobody would take the key: leadership comes to a node that can. */
  async #relieveLeader(view: ClusterView): Promise<void> {
    const [first] = view.live;
    const { handOverTo } = view.intents;
    if (view.isPaused || (handOverTo !== undefined && handOverTo !== this.self.taskId)) return;
    if (view.holder !== undefined || first?.taskId !== this.self.taskId || !this.looks.fresh) {
      this.#silentSinceMs = undefined;
      return;
    }
    const { client, observer, standing } = this.etcd;
    const { leader } = await statusOf(client);
    const address = (await listMembers(client)).find(({ id }) => id === leader)?.address;
    if (address === undefined || view.live.some((node) => node.address === address)) {
      this.#silentSinceMs = undefined;
      return;
    }
    // At a cluster's start it has only not been heard yet.
    this.#silentSinceMs ??= bootClockMs();
    if (standing.memberId === undefined || bootClockMs() - this.#silentSinceMs < relieveAfterMs) return;
    this.log.warn(`the node agent beside etcd's leader at ${address} is silent: leadership comes here`);
    await observer.client(address).maintenance.moveLeader({ targetID: standing.memberId });
  }

  async #renew(lease: Lease): Promise<void> {
    try {
      const kept = await lease.keepAlive();
      this.etcd.heard(kept);
      const { header, kvs } = await this.#readKey(kept.startedAtMs);
      if (this.#lease !== lease) return;
      if (kvs[0]?.lease !== lease.id) throw new LeaseGone('the notebook key is not this task’s any more');
      const renewal = {
        startedAtMs: kept.startedAtMs,
        keepAliveTerm: kept.term,
        readTerm: header.raft_term,
      };
      this.#extend(deadlineAfter(this.#deadlineMs, renewal, this.ttlS * 1000));
    } catch (error) {
      if (!(error instanceof LeaseGone) || this.#lease !== lease) throw error;
      this.log.warn(`this node lost the notebook: ${error.message}`);
      this.#forget();
      // Not awaited: while the volume hangs, what is killed may stay for as long.
      void this.notebook.kill('the notebook key is lost');
    }
  }

  /** Linearizable, and so answered by a majority: after a renewal, that of the lease's present keeper. */
  async #readKey(renewedAtMs: number): Promise<IRangeResponse> {
    try {
      return await this.etcd.client.kv.range({ key: Buffer.from(keys.notebook) });
    } catch (error) {
      throw new Error(
        `etcd acknowledged a renewal, begun at ${renewedAtMs} ms on the boot clock, that does not count: no read came after it (${messageOf(error)})`,
      );
    }
  }

  #extend(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs;
    this.runIfAllowed();
  }

  /** Until when Jupyter may run, as the lease and the last look have it. */
  get #untilMs(): number {
    return Math.min(this.#deadlineMs, this.looks.freshUntilMs);
  }

  /** Tells the keeper of a new deadline: after each renewal, and after each look. */
  runIfAllowed(): void {
    if (this.#lease === undefined || this.#isGivingUp || bootClockMs() >= this.#untilMs) return;
    this.notebook.runUntil(this.#untilMs);
  }

  #forget(): void {
    this.#lease?.stopRenewing();
    this.#lease = undefined;
    this.#deadlineMs = 0;
  }

  /**
   * Gives the notebook to another node: the intent first, then etcd's leadership, then Jupyter's end, then the key. For an
   * operator, and for a holder that cannot serve.
   * @returns what was done
   * @throws HandOverRefused when this node does not hold the notebook, or no node can take it
   */
  async handOver(why: string, options: HandOverOptions = {}): Promise<string> {
    const lease = this.#lease;
    if (lease === undefined) throw new HandOverRefused('this node does not hold the notebook');
    if (this.#isGivingUp) throw new HandOverRefused('a hand-over is under way');
    this.#isGivingUp = true;
    try {
      const successor = await this.#makeWayForSuccessor(why, options);
      await this.#giveUp(why);
      return `node ${successor.node} takes the notebook`;
    } finally {
      this.#isGivingUp = false;
    }
  }

  /** Has the intent written and leadership moved; Jupyter runs on meanwhile. */
  async #makeWayForSuccessor(why: string, options: HandOverOptions): Promise<Successor> {
    const unfit = this.directory.view?.intents.unfit ?? noIntents.unfit;
    const wish = { unfit, ...(options.to === undefined ? {} : { node: options.to }) };
    const successor = bestSuccessor(await this.#candidates(), wish);
    if (successor === undefined) {
      const whom = options.to === undefined ? 'no other node can' : `node ${options.to} cannot`;
      throw new HandOverRefused(
        `${whom} take the notebook: it has to be ready, to see the volume, and not unfit`,
      );
    }
    this.log.warn(`the notebook goes to node ${successor.node}: ${why}`);
    if (options.unfitBecause !== undefined) {
      await declareUnfit(this.etcd, this.self.taskId, options.unfitBecause);
    }
    await intendHandOver(this.etcd, successor.taskId);
    if (this.etcd.standing.role === 'leader') {
      // One that stays passes leadership on itself, when it finds the key free.
      await this.#moveLeader(successor.memberId).catch((error) => this.log.warn(messageOf(error)));
    }
    return successor;
  }

  /** Jupyter stops, then the key is free. */
  async #giveUp(why: string): Promise<void> {
    const lease = this.#lease;
    this.#forget();
    this.#restsUntilMs = bootClockMs() + restMs;
    await this.notebook.stop(stopGraceMs, why);
    await lease
      ?.revoke()
      .catch((error) => this.log.warn(`the notebook key stays until its lease ends: ${messageOf(error)}`));
  }

  /** @returns whether leadership went to another node: to `toTaskId`, or to the best one. */
  async #passLeadershipOn(why: string, toTaskId?: string): Promise<boolean> {
    const unfit = this.directory.view?.intents.unfit ?? noIntents.unfit;
    const candidates = await this.#candidates();
    const successor =
      toTaskId === undefined
        ? bestSuccessor(candidates, { unfit })
        : bestSuccessor(
            candidates.filter(({ status }) => status.taskId === toTaskId),
            { unfit: [] },
          );
    if (successor === undefined) return false;
    this.log.warn(`etcd's leadership goes to node ${successor.node}: ${why}`);
    await this.#moveLeader(successor.memberId);
    return true;
  }

  /** The other live nodes that answer. */
  async #candidates(): Promise<Candidate[]> {
    const others = (this.directory.view?.live ?? []).filter(({ taskId }) => taskId !== this.self.taskId);
    const candidates = await Promise.all(
      others
        .map(async ({ address }) => {
          const [status, { raftIndex }] = await Promise.all([
            askNodeAgent(address, 500),
            statusOf(this.etcd.observer.client(address), 500),
          ]);
          return { status, raftIndex: BigInt(raftIndex) };
        })
        .map((candidate) => candidate.catch(() => undefined)),
    );
    return candidates.filter((candidate) => candidate !== undefined);
  }

  async #moveLeader(memberId: string): Promise<void> {
    await this.etcd.client.maintenance.moveLeader({ targetID: BigInt(`0x${memberId}`).toString() });
    this.etcd.nudge();
  }

  /** Makes the holder's member leader, when the holder is well. */
  async #handBack(holder: NodeRecord, { intents, isPaused }: ClusterView): Promise<void> {
    const view = {
      nowMs: bootClockMs(),
      leading: true,
      isPaused,
      isGivenAway: intents.handOverTo !== undefined || intents.unfit.includes(holder.taskId),
      handedBackAtMs: this.#handedBackAtMs,
      ...(holder.taskId === this.self.taskId ? {} : { holderAddress: holder.address }),
    };
    if (!shouldHandBack(view)) return;
    // A member that is dead would cost the cluster an election timeout. And at the address of a dead holder the node's next
    // task may live already: only the holder itself gets leadership.
    const status = await askNodeAgent(holder.address, 300).catch(() => undefined);
    if (status?.taskId !== holder.taskId || status.etcd.role !== 'follower') return;
    const { memberId } = status.etcd;
    if (memberId === undefined) return;
    // Who became leader by a hand-over may not have heard of the intent yet.
    const { kvs } = await this.etcd.client.kv.range({ key: Buffer.from(intentKeys.handOver) });
    if (kvs.length > 0) return;
    this.#handedBackAtMs = [...this.#handedBackAtMs.slice(-9), view.nowMs];
    this.log.info(`handing etcd's leadership back to node ${holder.node}, which holds the notebook`);
    await this.#moveLeader(memberId);
  }

  /** This node goes: another has the notebook, and leads. */
  async leave(): Promise<void> {
    this.#leaving = true;
    const why = 'this node leaves';
    if (this.#lease !== undefined && this.#isPaused && !this.#isGivingUp) {
      // Jupyter ends with the node, and comes up nowhere until the pause is over.
      await this.#giveUp(why);
    } else if (this.#lease !== undefined && !this.#isGivingUp) {
      this.#isGivingUp = true;
      const found = this.#makeWayForSuccessor(why, {}).catch((error) => this.log.warn(messageOf(error)));
      const over = new AbortController();
      await Promise.race([found, sleep(findSuccessorWithinMs, over.signal)]);
      over.abort();
      await this.#giveUp(why);
    } else {
      await this.notebook.stop(stopGraceMs, why);
      if (this.etcd.standing.role !== 'leader') return;
      await this.#passLeadershipOn(why).catch((error) =>
        this.log.warn(`leadership is not handed over: ${messageOf(error)}`),
      );
    }
  }
}

function reasonOf(by: Right): string {
  switch (by) {
    case 'notPaused':
      return 'it leads etcd';
    case 'lastHolder':
      return 'it was its last holder, in a pause';
    case 'handedOver':
      return 'the operator hands it over, in a pause';
  }
}
