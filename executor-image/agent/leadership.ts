/**
 * The notebook key: who holds it runs Jupyter. Only the node that etcd's leader is on may take a free one. The holder's Jupyter
 * is frozen before the key's lease can end elsewhere, and while the shared volume is not seen; it is killed when the key is lost.
 */
import { askNodeAgent } from './ask.js';
import { Alarm, bootClockMs, sleep } from './clock.js';
import { deadlineAfter } from './deadline.js';
import { type ClusterView, type Directory, keys, type NodeRecord } from './directory.js';
import { messageOf } from './errors.js';
import { listMembers, type Member, statusOf } from './etcd/client.js';
import type { EtcdMember } from './etcd/member.js';
import type { Fence } from './fence.js';
import { shouldHandBack } from './handback.js';
import { Lease, LeaseGone } from './lease.js';
import type { Log } from './log.js';
import type { Looks } from './looks.js';
import type { Notebook } from './notebook.js';
import { memberThatSees } from './sight.js';

const contendEveryMs = 1000;

export class Leadership {
  readonly #alarm = new Alarm();
  #lease: Lease | undefined;
  #deadlineMs = 0;
  #handedBackAtMs: number[] = [];
  #leaving = false;

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
        if (this.#lease !== undefined) await this.#renew(this.#lease);
        else await this.#contend();
        if (this.#lease !== undefined && this.looks.isTooOldToHold) await this.#handOver(this.#lease);
      } catch (error) {
        this.log.debug(`the notebook key: ${messageOf(error)}`);
      }
      await this.#alarm.wait(this.holding ? (this.ttlS * 1000) / 5 : contendEveryMs, signal);
    }
  }

  async #contend(): Promise<void> {
    const view = this.directory.view;
    if (view === undefined) return;
    if (this.etcd.standing.role === 'follower') await this.#relieveLeader(view);
    if (this.etcd.standing.role !== 'leader') return;
    if (view.holder !== undefined) {
      await this.#handBack(view.holder);
      return;
    }
    if (!(await this.fence.ensure())) return;
    if (!this.looks.fresh) {
      await this.#passLeadershipOn();
      return;
    }
    const lease = await Lease.grant(this.etcd, this.ttlS);
    const created = await lease
      .createKey(keys.notebook, JSON.stringify(this.self), keys.fenced)
      .catch((error: unknown) => {
        // Perhaps created, perhaps not: without its lease it is not.
        this.log.debug(`taking the notebook key: ${messageOf(error)}`);
        return false;
      });
    if (!created || this.#leaving) {
      await lease.revoke();
      return;
    }
    this.log.info('this node holds the notebook now: it leads etcd and the key was free');
    this.#lease = lease;
    await this.#renew(lease);
  }

  /** Where the leader's node agent is gone and its etcd lives on, nobody would take the key: leadership comes to a node that can. */
  async #relieveLeader(view: ClusterView): Promise<void> {
    const [first] = view.live;
    if (view.holder !== undefined || first?.taskId !== this.self.taskId || !this.looks.fresh) return;
    const { client, observer, standing } = this.etcd;
    const { leader } = await statusOf(client);
    const address = (await listMembers(client)).find(({ id }) => id === leader)?.address;
    if (address === undefined || view.live.some((node) => node.address === address)) return;
    if (standing.memberId === undefined) return;
    this.log.warn(`the node agent beside etcd's leader at ${address} is silent: leadership comes here`);
    await observer.client(address).maintenance.moveLeader({ targetID: standing.memberId });
  }

  async #renew(lease: Lease): Promise<void> {
    try {
      const { startedAtMs, term: keepAliveTerm } = await lease.keepAlive();
      const { header, kvs } = await this.etcd.client.kv.range({ key: Buffer.from(keys.notebook) });
      if (this.#lease !== lease) return;
      if (kvs[0]?.lease !== lease.id) throw new LeaseGone('the notebook key is not this task’s any more');
      const renewal = { startedAtMs, keepAliveTerm, readTerm: header.raft_term };
      this.#extend(deadlineAfter(this.#deadlineMs, renewal, this.ttlS * 1000));
    } catch (error) {
      if (!(error instanceof LeaseGone) || this.#lease !== lease) throw error;
      this.log.warn(`this node lost the notebook: ${error.message}`);
      this.#forget();
      // Not awaited: while the volume hangs, what is killed may stay for as long.
      void this.notebook.kill('the notebook key is lost');
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
    if (this.#lease === undefined || bootClockMs() >= this.#untilMs) return;
    this.notebook.runUntil(this.#untilMs);
  }

  #forget(): void {
    this.#lease = undefined;
    this.#deadlineMs = 0;
  }

  /** A holder that does not see the volume gives the notebook to a node that does, if there is one. */
  async #handOver(lease: Lease): Promise<void> {
    const memberId = await this.#memberThatSeesTheVolume();
    if (memberId === undefined || this.#lease !== lease) return;
    this.log.warn('the shared volume was not seen here for long: the notebook goes to a node that sees it');
    this.#forget();
    await this.notebook.kill('it goes to another node');
    await lease.revoke();
    if (this.etcd.standing.role === 'leader') await this.#moveLeader(memberId);
  }

  /** Who does not see the volume does not take the notebook; it makes one leader that does. */
  async #passLeadershipOn(): Promise<void> {
    const memberId = await this.#memberThatSeesTheVolume();
    if (memberId === undefined) return;
    this.log.warn('the shared volume is not seen here: leadership goes to a node that sees it');
    await this.#moveLeader(memberId);
  }

  /** The member id, in hexadecimal, of a voter whose last look is young. */
  async #memberThatSeesTheVolume(): Promise<string | undefined> {
    const others = (this.directory.view?.live ?? []).filter(({ taskId }) => taskId !== this.self.taskId);
    const statuses = await Promise.all(
      others.map(({ address }) => askNodeAgent(address, 500).catch(() => undefined)),
    );
    return memberThatSees(statuses);
  }

  async #moveLeader(memberId: string): Promise<void> {
    await this.etcd.client.maintenance.moveLeader({ targetID: BigInt(`0x${memberId}`).toString() });
  }

  /** Makes the holder's member leader, when the holder is well. */
  async #handBack(holder: NodeRecord): Promise<void> {
    const view = {
      nowMs: bootClockMs(),
      leading: true,
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
    this.#handedBackAtMs = [...this.#handedBackAtMs.slice(-9), view.nowMs];
    this.log.info(`handing etcd's leadership back to node ${holder.node}, which holds the notebook`);
    await this.#moveLeader(memberId);
  }

  /** Gives up the notebook in an orderly way: Jupyter stops, then the key is free, then another node leads. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#leaving = true;
    this.#forget();
    await this.notebook.stop(1500, 'this node leaves');
    await lease
      ?.revoke()
      .catch((error) => this.log.warn(`the notebook key stays until its lease ends: ${messageOf(error)}`));
    if (this.etcd.standing.role === 'leader') {
      await this.#moveLeaderAway().catch((error) =>
        this.log.warn(`leadership is not handed over: ${messageOf(error)}`),
      );
    }
  }

  async #moveLeaderAway(): Promise<void> {
    const members = await listMembers(this.etcd.client);
    const others = members.filter(({ learner, address }) => !learner && address !== this.self.address);
    const indexed = await Promise.all(others.map((member) => this.#indexOf(member)));
    const best = indexed.filter((one) => one !== undefined).sort((a, b) => (b.index > a.index ? 1 : -1))[0];
    if (best === undefined) return;
    await this.etcd.client.maintenance.moveLeader({ targetID: best.member.id });
    this.log.info(`leadership handed over to ${best.member.address}`);
    await sleep(50);
  }

  async #indexOf(member: Member): Promise<{ member: Member; index: bigint } | undefined> {
    const status = await statusOf(this.etcd.observer.client(member.address), 500).catch(() => undefined);
    return status === undefined ? undefined : { member, index: BigInt(status.raftIndex) };
  }
}
