/** This node's etcd: started as membership decides, watched while it runs, promoted when it is a learner. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import type { Etcd3, IStatusResponse } from 'etcd3';
import type { NodeStatus, TaskEnvironment } from '../../contract.js';
import { afterEnd, type Backoff, noBackoff } from '../backoff.js';
import { Alarm, bootClockMs, sleep } from '../clock.js';
import { messageOf, NodeEnd } from '../errors.js';
import type { Log } from '../log.js';
import { describeEnd, Program } from '../program.js';
import type { Credentials } from '../trust/credentials.js';
import { etcdArguments, peerUrl } from './arguments.js';
import { type ClientSource, connect, hexId, type Member, memberOf, statusOf } from './client.js';
import { claimIncarnation } from './incarnation.js';
import {
  type Decision,
  decideMembership,
  founderName,
  inVainSince,
  memberName,
  mostEnds,
  noQuorumLimitMs,
  type Observation,
  quickEndsAfter,
  type Self,
  waitingFor,
} from './membership.js';
import { Observer, type View } from './observer.js';
import { Space } from './space.js';

const home = '/var/lib/mesos-jupyter';
const dataDirectory = `${home}/etcd`;
const marker = `${home}/etcd-was-started`;

const lookEveryMs = 500;
/** How often the own member is asked: while it is none that serves, when it is, and while keep-alives confirm what it is. */
const askEveryMs = { starting: 100, settled: 500, confirmed: 5000 };
/** Longer than from one keep-alive of the heartbeat to the next. */
const confirmedForMs = 1500;

/** What the own member was last heard to be. */
export interface Standing {
  readonly role: NodeStatus['etcd']['role'];
  /** Decimal. */
  readonly memberId?: string;
  readonly term?: string;
  readonly raftIndex?: number;
}

/** How long calls that are under way through a former client may still take. */
const formerClientMs = 10_000;

export class EtcdMember implements ClientSource {
  standing: Standing = { role: 'none' };
  #inRoleSinceMs = bootClockMs();
  start: NodeStatus['etcd']['start'];
  /** One sentence about why the member is as it is. */
  reason = 'etcd is not started yet';
  /** Called when `standing` is another. */
  onChange: () => void = () => {};
  /** Called with the revision that the member has, each time that it was asked. */
  onRevision: (revision: string) => void = () => {};

  readonly observer: Observer;
  readonly #space = new Space();
  readonly #asking = new Alarm();
  readonly #self: Self;
  #client: Etcd3 | undefined;
  #program: Program | undefined;
  #everStarted = false;
  #removed = false;
  #quickEnds = 0;
  #backoff: Backoff = noBackoff;
  /** Joins since this container last had a voter, and when etcd ended the last time, on the boot clock. */
  #joins = 0;
  #endedAtMs = 0;
  /** Whether the own member is a voter, as far as is known: a founder's is one from the start, nobody's is without a log. */
  #isVoter = false;
  #inVainSinceMs: number | undefined;
  /** When a keep-alive last said that the own member's role is what it was, on the boot clock. */
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #isMakingRoom = false;

  constructor(
    readonly task: TaskEnvironment,
    readonly address: string,
    readonly credentials: Credentials,
    readonly log: Log,
  ) {
    this.observer = new Observer(
      task.addresses.filter((peer) => peer !== address),
      task,
      credentials,
    );
    credentials.onRenewed(() => {
      const former = this.#client;
      this.#client = undefined;
      setTimeout(() => former?.close(), formerClientMs).unref();
    });
    this.#self = {
      node: task.node,
      address,
      incarnation: task.incarnation,
      founder: task.founders[task.node] === task.taskId,
    };
  }

  /** The own member's client; to be asked for each time. */
  get client(): Etcd3 {
    this.#client ??= this.connect();
    return this.#client;
  }

  /** Another client of the own member, to be closed. */
  connect(): Etcd3 {
    return connect(this.address, this.credentials);
  }

  /** Whether this member votes and knows a leader. */
  get serves(): boolean {
    return this.standing.role === 'leader' || this.standing.role === 'follower';
  }

  /** Whether this member votes, as far as is known: also while there is no leader. */
  get isVoter(): boolean {
    return this.#isVoter;
  }

  /** What `/status` says of it. */
  get status(): NodeStatus['etcd'] {
    const { role, memberId, raftIndex } = this.standing;
    return {
      role,
      reason: this.reason,
      ...(memberId === undefined ? {} : { memberId: hexId(memberId) }),
      ...(this.start === undefined ? {} : { start: this.start }),
      forS: (bootClockMs() - this.#inRoleSinceMs) / 1000,
      ...(raftIndex === undefined ? {} : { raftIndex }),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { observation, view } = await this.#observe();
      const decision = decideMembership(this.#self, observation);
      this.#say(decision.reason);
      await this.#carryOut(decision, view, signal);
    }
  }

  /**
   * What the answer to a keep-alive says besides. A lease is renewed through the leader, and a term has one leader: in the term of
   * the last status the own member is what it was.
   */
  heard({ term, revision }: { readonly term: string; readonly revision: string }): void {
    this.onRevision(revision);
    if (term === this.standing.term) this.#confirmedAtMs = bootClockMs();
    else this.nudge();
  }

  /** Asks the own member now: its role may be another. */
  nudge(): void {
    this.#confirmedAtMs = Number.NEGATIVE_INFINITY;
    this.#asking.ring();
  }

  async stop(): Promise<void> {
    // First, since etcd waits for its clients' streams to end.
    this.observer.close();
    this.#client?.close();
    await this.#program?.stop(2500);
  }

  async #observe(): Promise<{ observation: Observation; view: View }> {
    const known = {
      removed: this.#removed,
      quickEnds: this.#quickEnds,
      hasLog: await hasLog(),
      everStarted: this.#everStarted || existsSync(marker),
      failedJoins: { count: this.#joins, sinceMs: bootClockMs() - this.#endedAtMs },
    };
    if (!known.hasLog) this.#isVoter = false;
    const view: View =
      known.hasLog || (this.#self.founder && !known.everStarted) ? { silent: [] } : await this.#look();
    return { observation: { ...known, ...view }, view };
  }

  async #carryOut(decision: Decision, view: View, signal: AbortSignal): Promise<void> {
    switch (decision.do) {
      case 'wipe':
        await rm(dataDirectory, { recursive: true, force: true });
        this.#removed = false;
        this.#quickEnds = 0;
        return;
      case 'start':
        await sleep(this.#backoff.waitMs, signal);
        if (!signal.aborted) await this.#runEtcd('log', 'existing', [], signal);
        return;
      case 'found': {
        await this.#leaveMarker();
        this.#isVoter = true;
        const founders = this.task.addresses.map((address, node) => ({ name: founderName(node), address }));
        return this.#runEtcd('founder', 'new', founders, signal);
      }
      case 'end':
        throw new NodeEnd(decision.code, decision.reason);
      case 'remove':
        await this.#change(view, (leader) => leader.cluster.memberRemove({ ID: decision.member.id }));
        return sleep(lookEveryMs / 5, signal);
      case 'add': {
        const added = await this.#change(view, async (leader) => {
          await claimIncarnation(leader, this.#self.node, this.#self.incarnation);
          return leader.cluster.memberAdd({ peerURLs: [peerUrl(this.address)], isLearner: true });
        });
        if (added === undefined) return sleep(lookEveryMs, signal);
        this.#joins += 1;
        await this.#leaveMarker();
        return this.#runEtcd('join', 'existing', this.#initialMembers(added.members.map(memberOf)), signal);
      }
      case 'wait':
        return sleep(lookEveryMs, signal);
    }
  }

  /** Kept in memory, too: who wipes the directory in a living container may take the marker along. */
  async #leaveMarker(): Promise<void> {
    this.#everStarted = true;
    await mkdir(home, { recursive: true, mode: 0o700 });
    await writeFile(marker, '');
  }

  /** Changes the cluster's members through its leader. A refusal that only means "later" is a reason to wait. */
  async #change<T>(view: View, change: (leader: Etcd3) => Promise<T>): Promise<T | undefined> {
    if (view.leaderAddress === undefined) return undefined;
    try {
      return await change(this.observer.client(view.leaderAddress));
    } catch (error) {
      const words = messageOf(error);
      this.#say(`etcd refuses a change of its members for now: ${waitingFor(words) ?? words}`);
      return undefined;
    }
  }

  #initialMembers(members: readonly Member[]): { name: string; address: string }[] {
    return members.map(({ id, name, address }) => ({
      // etcd finds the others by their URLs; the names must only be there and differ.
      name: address === this.address ? memberName(this.#self) : name === '' ? `unnamed-${hexId(id)}` : name,
      address,
    }));
  }

  async #runEtcd(
    start: 'founder' | 'log' | 'join',
    state: 'new' | 'existing',
    members: readonly { name: string; address: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    const name = memberName(this.#self);
    const program = new Program(
      'etcd',
      '/usr/bin/etcd',
      etcdArguments({
        name,
        address: this.address,
        generation: this.task.generation,
        dataDirectory,
        state,
        members: members.length > 0 ? members : [{ name, address: this.address }],
      }),
      {},
      this.log,
    );
    this.#program = program;
    // A log may be that of a founder or of one that joined: what it was first stays true.
    this.start ??= start;
    if (start !== 'log') this.start = start;
    const over = new AbortController();
    const watching = this.#watch(AbortSignal.any([signal, over.signal]));
    const end = await Promise.race([program.ended, watching.then(() => program.ended)]);
    over.abort();
    this.#stand({ role: 'none' });
    if (signal.aborted) return;
    this.#endedAtMs = bootClockMs();
    // A member that was removed starts, hears of it, and ends with 0 (FACTS, etcd 6).
    this.#removed = end.status === 0;
    this.#quickEnds = quickEndsAfter(this.#quickEnds, end.livedMs);
    this.#backoff = afterEnd(this.#backoff, end.livedMs);
    const words = `etcd ended with ${describeEnd(end)}${this.#removed ? ' (its member was removed)' : ''}`;
    this.#say(words);
    this.log.warn(`etcd's last words: ${program.lastWords}`);
    if (this.#backoff.ends >= mostEnds) {
      throw new NodeEnd(
        'dutyFailed',
        `${words}, ${mostEnds} ends without a healthy minute between: ${program.lastWords}`,
      );
    }
  }

  /** Asks the own member what it is, again and again, and promotes it when it is a learner. */
  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const status = await statusOf(this.client, 800).catch(() => undefined);
      if (signal.aborted) return;
      if (status !== undefined) this.#isVoter = !status.isLearner;
      if (status !== undefined && this.#isVoter) this.#joins = 0;
      if (status === undefined || status.leader === '0') {
        this.#stand({ role: 'none' });
        if (!this.#isVoter) await this.#look();
      } else {
        const memberId = status.header.member_id;
        const role = status.isLearner ? 'learner' : status.leader === memberId ? 'leader' : 'follower';
        this.#stand({ role, memberId, term: status.raftTerm, raftIndex: Number(status.raftIndex) });
        this.onRevision(status.header.revision);
        if (role === 'learner') await this.#promote(memberId);
        else {
          const trouble = await this.#tendSpace(status, role);
          this.#isMakingRoom = trouble !== undefined;
          this.#say(trouble ?? `etcd is a ${role}`);
        }
      }
      await this.#pause(signal);
    }
  }

  /** Until the own member is to be asked again. */
  async #pause(signal: AbortSignal): Promise<void> {
    if (!this.serves) return this.#asking.wait(askEveryMs.starting, signal);
    const askedAtMs = bootClockMs();
    do {
      await this.#asking.wait(this.#isConfirmed ? confirmedForMs : askEveryMs.settled, signal);
    } while (!signal.aborted && this.#isConfirmed && bootClockMs() - askedAtMs < askEveryMs.confirmed);
  }

  /** Whether there is nothing to ask the own member: to make room takes several answers. */
  get #isConfirmed(): boolean {
    return !this.#isMakingRoom && bootClockMs() - this.#confirmedAtMs < confirmedForMs;
  }

  /** @returns what there is to say of etcd's space, when there is little. */
  async #tendSpace(status: IStatusResponse, role: 'leader' | 'follower'): Promise<string | undefined> {
    try {
      return await this.#space.tend(this.client, status, role === 'leader');
    } catch (error) {
      return `its database is full, and to make room failed: ${messageOf(error)}`;
    }
  }

  async #promote(memberId: string): Promise<void> {
    const view = await this.#look();
    this.#say('a learner that catches up, to be promoted');
    if (view.leaderAddress === undefined) return;
    await this.observer
      .client(view.leaderAddress)
      .cluster.memberPromote({ ID: memberId })
      .catch((error) => this.log.debug(`not promoted yet: ${messageOf(error)}`));
  }

  /** @throws NodeEnd `noQuorum` when too many looks in a row, of a node that is no voter, found none. */
  async #look(): Promise<View> {
    const view = await this.observer.look();
    const now = bootClockMs();
    const look = { isVoter: this.#isVoter, foundQuorum: view.cluster !== undefined };
    this.#inVainSinceMs = inVainSince(this.#inVainSinceMs, look, now);
    if (this.#inVainSinceMs !== undefined && now - this.#inVainSinceMs >= noQuorumLimitMs) {
      throw new NodeEnd(
        'noQuorum',
        `no quorum to join was found for ${noQuorumLimitMs / 1000} s: ${this.reason}`,
      );
    }
    return view;
  }

  #stand(standing: Standing): void {
    const before = this.standing;
    this.standing = standing;
    if (before.role !== standing.role) this.#inRoleSinceMs = bootClockMs();
    if (before.role !== standing.role || before.term !== standing.term) this.onChange();
  }

  #say(reason: string): void {
    if (reason !== this.reason) this.log.info(reason);
    this.reason = reason;
  }
}

async function hasLog(): Promise<boolean> {
  const files = await readdir(`${dataDirectory}/member/wal`).catch(() => []);
  return files.some((file) => file.endsWith('.wal'));
}
