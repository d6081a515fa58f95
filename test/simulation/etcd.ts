/**
 * A simulated etcd, with no raft in it: one committed state a cluster, which changes only through a leader that reaches a
 * majority of the voters; with the refusals, the leases and the stunned leaders of the real one (FACTS, etcd).
 */
import { keys, type NodeRecord } from '../../executor-image/agent/directory.js';
import type { Member } from '../../executor-image/agent/etcd/client.js';
import { founderName } from '../../executor-image/agent/etcd/membership.js';
import { intentKeys } from '../../executor-image/agent/intents.js';
import type { Proviso } from '../../executor-image/agent/lease.js';
import type { Container } from './containers.js';
import { Violation, type World } from './world.js';

/** Least and most time without a leader before there is another, and until a leader without a majority gives up. */
const electionMs = [1_000, 2_000] as const;
/** etcd's HealthInterval: voters must have been connected for this long before a change of members. */
const healthMs = 5_000;

/** What etcd says when it refuses. */
export const refusals = {
  noLeader: 'etcdserver: no leader',
  unhealthy: 'etcdserver: unhealthy cluster',
  tooManyLearners: 'etcdserver: too many learner members in cluster',
  notEnoughStarted: 'etcdserver: re-configuration failed due to not enough started members',
  learnerNotReady: 'etcdserver: can only promote a learner member which is in sync with leader',
  notFound: 'etcdserver: member not found',
  exists: 'etcdserver: Peer URLs already exists',
} as const;

/** TTL of the heartbeats. */
export const heartbeatTtlMs = 5_000;
/** How often they are renewed. */
const heartbeatEveryMs = heartbeatTtlMs / 4;
/** TTL of the intent to hand over (executor-image/agent/intents.ts). */
const intentTtlMs = 10_000;

const newerHasSetOut = 'a newer incarnation of this node has set out to join';

export class Refused extends Error {
  override readonly name = 'Refused';
}

interface ClusterMember extends Member {
  readonly node: number;
  name: string;
  learner: boolean;
  process: EtcdProcess | undefined;
  /** Of the task that it was made for; a founder's is older than any. */
  readonly incarnation: number;
}

export interface Lease {
  readonly ttlMs: number;
  /** When the leader lets it run out, in virtual time. */
  untilMs: number;
  isGone: boolean;
}

/** A key on a lease that names a task. */
interface TaskKey {
  readonly sinceMs: number;
  readonly lease: Lease;
  readonly taskId: string;
  readonly node: number;
}

/** A node's heartbeat, which is there for as long as its lease. */
interface Heartbeat {
  readonly container: Container;
  /** Whether it is being renewed, and since when that has been so. */
  isRenewed: boolean;
  sinceMs: number;
  /** When it is missed, once it is renewed no more. */
  untilMs: number;
}

/** One running etcd. */
export class EtcdProcess {
  term = 0;
  /** Whether it takes itself for the leader: one that was stunned, or is cut off, may for a while be wrong. */
  leads = false;
  /** Whether it ever heard a leader: a learner goes on naming the last one. */
  everHeard = false;
  isAlive = true;
  /** The leases as this one had them when another came to lead. */
  leasesWhenDeposed = new Map<Lease, number>();
  doubtsSinceMs: number | undefined;

  constructor(
    readonly cluster: EtcdCluster,
    readonly memberId: string,
    readonly container: Container,
    readonly startedMs: number,
    /** Told when it ends, with its exit status. */
    readonly onEnd: (status: number) => void,
  ) {}

  get isUp(): boolean {
    return this.isAlive && this.container.running && !this.container.isStunned;
  }
}

export class EtcdCluster {
  readonly members: ClusterMember[] = [];
  fenced = false;
  notebook: TaskKey | undefined;
  /** Who has the lock to leave. */
  leaver: TaskKey | undefined;
  /** The intent that a task is to have the notebook. */
  handOverTo: TaskKey | undefined;
  /** Who took the notebook last. */
  lastHolder: Container | undefined;
  /** Whether the operator has the cluster paused. */
  isPaused = false;
  term = 0;
  leader: ClusterMember | undefined;
  /** Whether the leader is up and reaches a majority. */
  isQuorate = false;
  readonly processes = new Set<EtcdProcess>();
  readonly #leases = new Set<Lease>();
  /** Leases that would have run out, had there been a leader. */
  readonly #overdue = new Set<Lease>();
  readonly #heartbeats = new Map<number, Heartbeat>();
  /** When the heartbeats of nodes were missed. */
  readonly #missedAtMs = new Map<number, number>();
  /** Since when two members have been connected. */
  #connectedSince = new Map<string, number>();
  readonly #startedNew = new Set<string>();
  /** The newest incarnation of each node that set out to join, as the key of it says. */
  readonly newestIncarnations = new Map<number, number>();
  #isElecting = false;
  #ids = 0;
  readonly #world: World;

  constructor(
    world: World,
    readonly generation: number,
    readonly founders: readonly string[],
    readonly addresses: readonly string[],
  ) {
    this.#world = world;
    for (const node of founders.keys()) this.#newMember(node, founderName(node), false, 0);
  }

  #newMember(node: number, name: string, learner: boolean, incarnation: number): ClusterMember {
    this.#ids += 1;
    const member: ClusterMember = {
      id: `${this.#ids}`,
      node,
      name,
      address: this.addresses[node] ?? '',
      learner,
      process: undefined,
      incarnation,
    };
    this.members.push(member);
    return member;
  }

  #member(id: string): ClusterMember | undefined {
    return this.members.find((member) => member.id === id);
  }

  get voters(): ClusterMember[] {
    return this.members.filter(({ learner }) => !learner);
  }

  // Processes.

  /** Starts a member with `new`, as a founder. */
  found(container: Container, onEnd: (status: number) => void): EtcdProcess {
    const name = founderName(container.node);
    if (this.#startedNew.has(name)) {
      throw new Violation(`${name} of generation ${this.generation} starts etcd \`new\` a second time`);
    }
    this.#startedNew.add(name);
    const id = this.members.find((member) => member.name === name)?.id ?? 'removed';
    return this.start(id, name, container, onEnd);
  }

  /** Starts a member: one that was added, or one that has a log. */
  start(memberId: string, name: string, container: Container, onEnd: (status: number) => void): EtcdProcess {
    const process = new EtcdProcess(this, memberId, container, this.#world.clock.nowMs, onEnd);
    this.processes.add(process);
    const member = this.#member(memberId);
    if (member !== undefined) {
      member.process = process;
      member.name = name;
    }
    this.connectionsChanged();
    return process;
  }

  stop(process: EtcdProcess): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    process.leads = false;
    this.processes.delete(process);
    const member = this.#member(process.memberId);
    if (member?.process === process) member.process = undefined;
    this.connectionsChanged();
  }

  #end(process: EtcdProcess, status: number): void {
    if (!process.isUp) return;
    this.stop(process);
    process.onEnd(status);
  }

  // Who reaches whom, and so who leads.

  #reach(a: EtcdProcess | undefined, b: EtcdProcess | undefined): boolean {
    if (a === undefined || b === undefined || !a.isUp || !b.isUp) return false;
    return a === b || this.#world.containers.reach(a.container, b.container);
  }

  #hasMajority(process: EtcdProcess | undefined): boolean {
    if (process === undefined || !process.isUp) return false;
    const { voters } = this;
    return voters.filter((voter) => this.#reach(process, voter.process)).length * 2 > voters.length;
  }

  /** To be called after whatever decides who reaches whom has changed. */
  connectionsChanged(): void {
    const { nowMs } = this.#world.clock;
    this.#dropHeartbeats();
    const since = new Map<string, number>();
    for (const a of this.members) {
      for (const b of this.members) {
        if (a.id >= b.id || !this.#reach(a.process, b.process)) continue;
        since.set(`${a.id}-${b.id}`, this.#connectedSince.get(`${a.id}-${b.id}`) ?? nowMs);
      }
    }
    this.#connectedSince = since;
    const wasQuorate = this.isQuorate;
    this.isQuorate =
      this.leader !== undefined &&
      this.leader.process?.leads === true &&
      this.#hasMajority(this.leader.process);
    if (!this.isQuorate) this.#electLater();
    else if (!wasQuorate) {
      for (const lease of this.#overdue) this.#expireLater(lease);
      this.#overdue.clear();
    }
    for (const process of this.processes) this.#listen(process);
    this.#hearNodes();
  }

  /** For how long the two have been connected; undefined when they are not. */
  #connectedForMs(a: ClusterMember, b: ClusterMember): number | undefined {
    if (a === b) return Number.POSITIVE_INFINITY;
    const since = this.#connectedSince.get(a.id < b.id ? `${a.id}-${b.id}` : `${b.id}-${a.id}`);
    return since === undefined ? undefined : this.#world.clock.nowMs - since;
  }

  /** What a process learns of the others. */
  #listen(process: EtcdProcess): void {
    if (!process.isUp) return;
    const { clock, random } = this.#world;
    if (this.#member(process.memberId) === undefined) {
      if (this.members.some((member) => this.#reach(process, member.process))) {
        clock.in(random.between(10, 200), () => {
          if (this.#member(process.memberId) === undefined) this.#end(process, 0);
        });
      }
      return;
    }
    if (process.leads && (process.term < this.term || !this.#hasMajority(process))) {
      // It hears of its successor, sooner or later, or gives up for want of a majority (CheckQuorum).
      if (process.doubtsSinceMs !== undefined) return;
      process.doubtsSinceMs = clock.nowMs;
      const { doubtsSinceMs } = process;
      const isSoon = this.#reach(process, this.leader?.process) && random.chance(0.6);
      clock.in(isSoon ? random.between(10, 150) : random.between(...electionMs), () => {
        if (process.doubtsSinceMs !== doubtsSinceMs) return;
        process.doubtsSinceMs = undefined;
        if (!process.isUp || !process.leads) return;
        if (process.term === this.term && this.#hasMajority(process)) return;
        process.leads = false;
        this.connectionsChanged();
      });
      return;
    }
    if (process.leads) process.doubtsSinceMs = undefined;
    else if (this.isQuorate && this.#reach(process, this.leader?.process)) {
      process.term = this.term;
      process.everHeard = true;
    }
  }

  #electLater(): void {
    if (this.#isElecting || this.processes.size === 0) return;
    this.#isElecting = true;
    this.#world.clock.in(this.#world.random.between(...electionMs), () => {
      this.#isElecting = false;
      if (this.isQuorate) return;
      const candidates = this.voters.filter((voter) => this.#hasMajority(voter.process));
      const next = candidates[this.term % Math.max(1, candidates.length)];
      // Tried again when connections have changed.
      if (next !== undefined) this.#lead(next);
    });
  }

  #lead(next: ClusterMember): void {
    const former = this.leader?.process;
    if (former !== undefined && former !== next.process && former.leads) {
      former.leasesWhenDeposed = new Map([...this.#leases].map((lease) => [lease, lease.untilMs]));
    }
    this.term += 1;
    this.leader = next;
    const { process } = next;
    if (process === undefined) return;
    process.leads = true;
    process.everHeard = true;
    process.term = this.term;
    process.doubtsSinceMs = undefined;
    process.container.agent.leads();
    // Every lease to its full TTL and an election timeout, dead nodes' too.
    for (const lease of this.#leases) this.#extend(lease, lease.ttlMs + electionMs[0]);
    this.#dropHeartbeats();
    for (const heartbeat of this.#heartbeats.values()) {
      heartbeat.untilMs = this.#world.clock.nowMs + heartbeatTtlMs + electionMs[0];
    }
    this.#world.count('etcd elects a leader');
    this.connectionsChanged();
  }

  /** What the member is, as its own status has it. */
  role(process: EtcdProcess): 'none' | 'learner' | 'follower' | 'leader' {
    const member = this.#member(process.memberId);
    if (member === undefined || !process.isUp) return 'none';
    if (member.learner) return process.everHeard ? 'learner' : 'none';
    if (process.leads) return 'leader';
    return this.commits(process) ? 'follower' : 'none';
  }

  /** Whether what is asked of this process is committed, or read linearizably: it reaches a leader with a majority. */
  commits(process: EtcdProcess): boolean {
    if (!this.isQuorate || !process.isUp || process.term !== this.term) return false;
    return this.#reach(process, this.leader?.process);
  }

  isVoter(process: EtcdProcess): boolean {
    return this.#member(process.memberId)?.learner === false;
  }

  // Heartbeats: each voter renews its own while it reaches the leader, unless it goes and was missed already.

  #hearNodes(): void {
    const { nowMs } = this.#world.clock;
    for (const heartbeat of this.#heartbeats.values()) {
      const { process } = heartbeat.container.agent;
      if (!heartbeat.isRenewed || (process !== undefined && this.#isHeard(process))) continue;
      heartbeat.isRenewed = false;
      heartbeat.untilMs = nowMs + heartbeatTtlMs - this.#world.random.between(0, heartbeatEveryMs);
    }
    for (const process of this.processes) {
      const { container } = process;
      if (!this.#isHeard(process)) continue;
      const heartbeat = this.#heartbeats.get(container.node);
      if (heartbeat?.container === container) {
        if (!heartbeat.isRenewed) heartbeat.sinceMs = nowMs;
        heartbeat.isRenewed = true;
      } else if (!container.agent.isLeaving) {
        this.#heartbeats.set(container.node, { container, isRenewed: true, sinceMs: nowMs, untilMs: 0 });
      }
    }
  }

  #isHeard(process: EtcdProcess): boolean {
    return this.isVoter(process) && this.commits(process);
  }

  /** Those whose leases have run out; without a leader none does. */
  #dropHeartbeats(): void {
    if (!this.isQuorate) return;
    for (const [node, { isRenewed, untilMs }] of this.#heartbeats) {
      if (isRenewed || untilMs > this.#world.clock.nowMs) continue;
      this.#heartbeats.delete(node);
      this.#missedAtMs.set(node, untilMs);
    }
  }

  /** The nodes that have a heartbeat now. */
  get live(): NodeRecord[] {
    this.#dropHeartbeats();
    return [...this.#heartbeats.values()].map(({ container }) => this.recordOf(container));
  }

  /** What a node says of itself in its keys. */
  recordOf({ node, taskId, incarnation }: Container): NodeRecord {
    return { node, address: this.addresses[node] ?? '', taskId, incarnation };
  }

  /** Since when the container's heartbeat has been renewed without a break; undefined when it is not. */
  heardSinceMs(container: Container): number | undefined {
    const heartbeat = this.#heartbeats.get(container.node);
    return heartbeat?.container === container && heartbeat.isRenewed ? heartbeat.sinceMs : undefined;
  }

  /** Whether the node has, or had until a moment ago, a heartbeat. */
  wasLive(node: number, withinMs: number): boolean {
    this.#dropHeartbeats();
    const missedAtMs = this.#missedAtMs.get(node) ?? Number.NEGATIVE_INFINITY;
    return this.#heartbeats.has(node) || this.#world.clock.nowMs - missedAtMs <= withinMs;
  }

  /** The node says that it goes. */
  farewell(process: EtcdProcess): void {
    const { container } = process;
    if (!this.commits(process) || this.#heartbeats.get(container.node)?.container !== container) return;
    this.#heartbeats.delete(container.node);
    this.#missedAtMs.set(container.node, this.#world.clock.nowMs);
  }

  // Changes of members, sent to the leader.

  /** For how long each member has been out of the leader's reach is for the asker to count: this says which are. */
  outOfReach(): string[] {
    return this.members
      .filter(
        (member) => this.leader !== undefined && this.#connectedForMs(this.leader, member) === undefined,
      )
      .map(({ id }) => id);
  }

  #connectedVoters(leader: ClusterMember): number {
    return this.voters.filter((voter) => (this.#connectedForMs(leader, voter) ?? 0) >= healthMs).length;
  }

  #leaderThatCommits(): ClusterMember {
    if (this.leader === undefined || !this.isQuorate) throw new Refused(refusals.noLeader);
    return this.leader;
  }

  /** Says that an incarnation sets out to join; throws when a newer one has. */
  claimIncarnation({ node, incarnation }: Pick<Container, 'node' | 'incarnation'>): void {
    this.#leaderThatCommits();
    if ((this.newestIncarnations.get(node) ?? 0) > incarnation) throw new Refused(newerHasSetOut);
    this.newestIncarnations.set(node, incarnation);
  }

  addLearner({
    node,
    taskId,
    generation,
    incarnation,
  }: Pick<Container, 'node' | 'taskId' | 'generation' | 'incarnation'>): string {
    const leader = this.#leaderThatCommits();
    if (generation !== this.generation) {
      throw new Violation(
        `${taskId} of generation ${generation} joins the cluster of generation ${this.generation}`,
      );
    }
    if (this.#connectedVoters(leader) < this.voters.length) throw new Refused(refusals.unhealthy);
    if (this.members.some((member) => member.node === node)) throw new Refused(refusals.exists);
    if (this.members.some(({ learner }) => learner)) throw new Refused(refusals.tooManyLearners);
    const { id } = this.#newMember(node, '', true, incarnation);
    this.connectionsChanged();
    return id;
  }

  /** @param asker whose node agent asks for it */
  remove(id: string, asker: Pick<Container, 'node' | 'taskId' | 'incarnation'>): void {
    const leader = this.#leaderThatCommits();
    const member = this.#member(id);
    if (member === undefined) throw new Refused(refusals.notFound);
    if (!member.learner) {
      const left = this.voters.filter((voter) => voter !== member);
      const started = left.filter(({ name }) => name !== '').length;
      if (left.length === 0 || started < Math.floor(left.length / 2) + 1) {
        throw new Refused(refusals.notEnoughStarted);
      }
      const isConnected = this.#connectedForMs(leader, member) !== undefined;
      if (isConnected && this.#connectedVoters(leader) - 1 < 1 + Math.floor((this.voters.length - 1) / 2)) {
        throw new Refused(refusals.unhealthy);
      }
    }
    if (member.node === asker.node && member.incarnation > asker.incarnation) {
      throw new Violation(
        `${asker.taskId} removes the member of incarnation ${member.incarnation}, which is newer`,
      );
    }
    this.members.splice(this.members.indexOf(member), 1);
    if (member === this.leader) {
      if (member.process !== undefined) member.process.leads = false;
      this.leader = undefined;
    }
    this.connectionsChanged();
  }

  promote(id: string): void {
    const leader = this.#leaderThatCommits();
    const member = this.#member(id);
    if (member === undefined) throw new Refused(refusals.notFound);
    const { process } = member;
    // Its log has to be transferred first.
    const readyMs = 200 + (Number(id) % 7) * 400;
    if (process === undefined || (this.#connectedForMs(leader, member) ?? 0) < readyMs) {
      throw new Refused(refusals.learnerNotReady);
    }
    const started = this.voters.filter(({ name }) => name !== '').length + 1;
    if (started < Math.floor((this.voters.length + 1) / 2) + 1) throw new Refused(refusals.notEnoughStarted);
    member.learner = false;
    this.connectionsChanged();
  }

  /** @returns whether the target leads now */
  moveLeader(asked: EtcdProcess, taskId: string): boolean {
    if (!this.commits(asked) || this.leader?.process !== asked) return false;
    const target = this.voters.find((voter) => voter.process?.container.taskId === taskId);
    if (target === undefined || !this.#hasMajority(target.process)) return false;
    asked.leads = false;
    this.#lead(target);
    return true;
  }

  // Keys and leases, asked of the own member.

  grant(process: EtcdProcess, ttlMs: number): Lease | undefined {
    if (!this.commits(process)) return undefined;
    const lease: Lease = { ttlMs, untilMs: 0, isGone: false };
    this.#leases.add(lease);
    this.#extend(lease, ttlMs);
    this.#expireLater(lease);
    return lease;
  }

  #extend(lease: Lease, forMs: number): void {
    const rate = this.leader?.process?.container.host.clockRate ?? 1;
    lease.untilMs = this.#world.clock.nowMs + forMs / rate;
  }

  #expireLater(lease: Lease): void {
    this.#world.clock.in(Math.max(50, lease.untilMs - this.#world.clock.nowMs), () => {
      if (lease.isGone) return;
      if (this.#world.clock.nowMs < lease.untilMs) this.#expireLater(lease);
      else if (this.isQuorate) this.#drop(lease);
      else this.#overdue.add(lease);
    });
  }

  #drop(lease: Lease): void {
    lease.isGone = true;
    this.#leases.delete(lease);
    if (this.notebook?.lease === lease) this.notebook = undefined;
    if (this.leaver?.lease === lease) this.leaver = undefined;
    if (this.handOverTo?.lease === lease) this.handOverTo = undefined;
  }

  /**
   * The term in the answer; `gone` when the lease is no more; undefined without an answer. A leader that does not know
   * better renews by itself, asking nobody.
   */
  keepAlive(process: EtcdProcess, lease: Lease): number | 'gone' | undefined {
    if (!process.isUp) return undefined;
    if (process.leads && process !== this.leader?.process) {
      const untilMs = process.leasesWhenDeposed.get(lease) ?? 0;
      if (untilMs <= this.#world.clock.nowMs) return undefined;
      process.leasesWhenDeposed.set(lease, this.#world.clock.nowMs + lease.ttlMs);
      this.#world.count('a deposed leader renews a lease');
      return process.term;
    }
    if (!process.leads && !this.commits(process)) return undefined;
    if (lease.isGone) return 'gone';
    this.#extend(lease, lease.ttlMs);
    return process.term;
  }

  /** A linearizable read: the term in the answer, and what is there. */
  read(
    process: EtcdProcess,
  ): { readonly term: number; readonly notebook: EtcdCluster['notebook'] } | undefined {
    return this.commits(process) ? { term: process.term, notebook: this.notebook } : undefined;
  }

  putFenced(process: EtcdProcess): boolean {
    if (!this.commits(process)) return false;
    this.fenced = true;
    return true;
  }

  #key(lease: Lease, { taskId, node }: Container): TaskKey {
    return { sinceMs: this.#world.clock.nowMs, lease, taskId, node };
  }

  /** Creates the notebook key if it is absent and the provisos hold. */
  takeNotebook(process: EtcdProcess, lease: Lease, provisos: readonly Proviso[]): boolean {
    const { container } = process;
    if (!this.commits(process) || lease.isGone || this.notebook !== undefined) return false;
    if (!provisos.every((proviso) => this.#holds(proviso))) return false;
    const hasRight = [this.lastHolder?.taskId, this.handOverTo?.taskId].includes(container.taskId);
    if (this.isPaused && !hasRight) throw new Violation(`${container.taskId} takes the notebook in a pause`);
    this.notebook = this.#key(lease, container);
    this.lastHolder = container;
    return true;
  }

  #holds(proviso: Proviso): boolean {
    const value = this.#valueOf(proviso.key);
    switch (proviso.is) {
      case 'there':
        return value !== undefined;
      case 'absent':
        return value === undefined;
      case 'value':
        return value === proviso.value;
    }
  }

  /** Of the keys that the notebook's transaction asks for. */
  #valueOf(key: string): string | undefined {
    switch (key) {
      case keys.fenced:
        return this.fenced ? '' : undefined;
      case keys.paused:
        return this.isPaused ? '' : undefined;
      case keys.lastHolder:
        return this.lastHolder && JSON.stringify(this.recordOf(this.lastHolder));
      case intentKeys.handOver:
        return this.handOverTo?.taskId;
      default:
        throw new Error(`${key} is not simulated`);
    }
  }

  /** A node agent writes that the cluster is paused, or that it is not. */
  setPaused(process: EtcdProcess, isPaused: boolean): void {
    if (this.commits(process)) this.isPaused = isPaused;
  }

  /** Creates the key of the lock to leave if it is absent and the members have heartbeats. */
  takeLeaver(process: EtcdProcess, lease: Lease, members: readonly number[]): boolean {
    if (!this.commits(process) || lease.isGone || this.leaver !== undefined) return false;
    const { live } = this;
    if (!members.every((member) => live.some(({ node }) => node === member))) return false;
    this.leaver = this.#key(lease, process.container);
    return true;
  }

  /** Writes that a task is to have the notebook. */
  intendHandOver(process: EtcdProcess, successor: Container): boolean {
    const lease = this.grant(process, intentTtlMs);
    if (lease === undefined) return false;
    this.handOverTo = this.#key(lease, successor);
    return true;
  }

  /** Ends the lease of the notebook key when it names the task; says whether it did. */
  revokeOf(process: EtcdProcess, taskId: string): boolean {
    const { notebook } = this;
    if (notebook?.taskId !== taskId || !this.commits(process)) return false;
    this.#drop(notebook.lease);
    return true;
  }

  revoke(process: EtcdProcess, lease: Lease): void {
    if (this.commits(process)) this.#drop(lease);
  }
}

/** All clusters that were ever founded, by generation: the generation is in the token that tells them apart. */
export class Etcd {
  readonly #clusters = new Map<number, EtcdCluster>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  cluster(generation: number): EtcdCluster | undefined {
    return this.#clusters.get(generation);
  }

  /** The cluster that the founders of a generation begin, or have begun. */
  found(generation: number, founders: readonly string[]): EtcdCluster {
    const there = this.#clusters.get(generation);
    if (there !== undefined) {
      if (there.founders.join() === founders.join()) return there;
      throw new Violation(
        `generation ${generation} is founded by ${founders.join(', ')} and by ${there.founders.join(', ')}`,
      );
    }
    const cluster = new EtcdCluster(this.#world, generation, founders, this.#world.addresses);
    this.#clusters.set(generation, cluster);
    return cluster;
  }

  connectionsChanged(): void {
    for (const cluster of this.#clusters.values()) {
      if (cluster.processes.size > 0) cluster.connectionsChanged();
    }
  }
}
