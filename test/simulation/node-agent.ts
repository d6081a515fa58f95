/** A simulated node agent: the very decisions of `executor-image/agent`, over a simulated etcd, volume and Jupyter. */
import { afterEnd, noBackoff } from '../../executor-image/agent/backoff.js';
import { deadlineAfter } from '../../executor-image/agent/deadline.js';
import {
  type ClusterState,
  decideMembership,
  inVainSince,
  memberName,
  mostEnds,
  noQuorumLimitMs,
  quickEndsAfter,
  type Self,
  speaksForCluster,
} from '../../executor-image/agent/etcd/membership.js';
import { decideFence } from '../../executor-image/agent/fence.js';
import { renderFounders, sightOf } from '../../executor-image/agent/generation.js';
import { shouldHandBack } from '../../executor-image/agent/handback.js';
import { aboutFreeKey, provisosOf } from '../../executor-image/agent/intents.js';
import {
  afterTick,
  type Cause,
  causeToLeave,
  decideLeaving,
  type LeavingView,
  lockCounts,
  lockTtlS,
  noPatience,
} from '../../executor-image/agent/leaving.js';
import { ExecutorWatch } from '../../executor-image/agent/orphan.js';
import { bestSuccessor } from '../../executor-image/agent/successor.js';
import { type ExitCodeName, exitCodes } from '../../executor-image/contract.js';
import type { Container } from './containers.js';
import { type EtcdCluster, type EtcdProcess, heartbeatTtlMs, type Lease, Refused } from './etcd.js';
import type { World } from './world.js';

/** The decisions under test; a mutation takes the place of one when the checker itself is checked. */
export interface AgentRules {
  readonly decideMembership: typeof decideMembership;
  readonly speaksForCluster: typeof speaksForCluster;
  readonly inVainSince: typeof inVainSince;
  readonly decideFence: typeof decideFence;
  readonly deadlineAfter: typeof deadlineAfter;
  readonly shouldHandBack: typeof shouldHandBack;
  readonly aboutFreeKey: typeof aboutFreeKey;
  readonly provisosOf: typeof provisosOf;
  readonly sightOf: typeof sightOf;
  readonly causeToLeave: typeof causeToLeave;
  readonly decideLeaving: typeof decideLeaving;
  /** From when the age of a look counts. */
  readonly lookCountsFromMs: (startedAtMs: number, endedAtMs: number) => number;
}

export const agentRules: AgentRules = {
  decideMembership,
  speaksForCluster,
  inVainSince,
  decideFence,
  deadlineAfter,
  shouldHandBack,
  aboutFreeKey,
  provisosOf,
  sightOf,
  causeToLeave,
  decideLeaving,
  lookCountsFromMs: (startedAtMs) => startedAtMs,
};

const ttlMs = 5_000;
const lookLimitMs = 60_000;
const lookEveryMs = 3_000;
const membershipEveryMs = 500;
const leadershipEveryMs = 1_000;
const volumeLimitMs = 20_000;
/** How often the executor makes a health check. */
const checkEveryS = 10;

/** Since when something is so, by id. */
type Since = Map<string, number>;

interface View {
  readonly cluster?: ClusterState;
  readonly leads?: EtcdCluster;
  readonly silent: readonly string[];
}

export class NodeAgent {
  process: EtcdProcess | undefined;
  jupyter: 'stopped' | 'running' | 'stopping' = 'stopped';
  readonly #world: World;
  readonly #container: Container;
  readonly #rules: AgentRules;
  readonly #self: Self;
  /** What became due during a stun. */
  readonly #due: (() => void)[] = [];

  // etcd's disk, and what is known of it.
  #log: { readonly cluster: EtcdCluster; readonly memberId: string } | undefined;
  #everStarted = false;
  #removed = false;
  #quickEnds = 0;
  #backoff = noBackoff;
  #joins = 0;
  #endedAtMs = 0;
  #inVainSinceMs: number | undefined;
  #disconnectedSince: Since = new Map();
  #learnersSince: Since = new Map();

  // The notebook.
  #lease: Lease | undefined;
  #leaseOf: EtcdCluster | undefined;
  #isRenewing = false;
  #deadlineMs = 0;
  #isArmed = false;
  #wantsJupyter = false;
  #handedBackAtMs: number[] = [];
  #isFenced = false;
  #isIdle = false;

  // Leaving.
  readonly #executor = new ExecutorWatch(true);
  #patience = noPatience;
  #isTicking = false;
  /** It is going, and takes nothing up any more. */
  isLeaving = false;
  /** How long the container had lived when the node agent first knew that it had to leave. */
  wantsToLeaveFromMs: number | undefined;

  // Looks.
  #lookedAtMs: number | undefined;
  #firstSeenAtMs: number | undefined;

  constructor(world: World, container: Container) {
    this.#world = world;
    this.#container = container;
    this.#rules = world.agentRules;
    const { task, founders } = container.launch;
    this.#self = {
      node: task.node,
      address: world.addresses[task.node] ?? '',
      incarnation: task.incarnation,
      founder: founders[task.node] === task.id,
    };
  }

  // Time, as the container has it.

  /** CLOCK_BOOTTIME of its host, to 10 ms. */
  get #bootMs(): number {
    return Math.floor(this.#container.host.bootMs(this.#world.clock.nowMs) / 10) * 10;
  }

  #in(delayMs: number, what: () => void): void {
    this.#world.clock.in(delayMs, () => {
      if (!this.#container.running) return;
      if (this.#container.isStunned) this.#due.push(what);
      else what();
    });
  }

  /** After `delayMs`, or at once. */
  #after(delayMs: number, what: () => void): void {
    if (delayMs > 0) this.#in(delayMs, what);
    else what();
  }

  /** A stun is over: what became due in it happens now, soon. */
  goesOn(): void {
    const due = this.#due.splice(0);
    this.#in(this.#world.random.between(0, 20), () => {
      for (const what of due) if (this.#container.running) what();
    });
  }

  #tell(line: string): void {
    this.#world.tell(`    ${this.#container.taskId}: ${line}`);
  }

  #end(code: ExitCodeName, why: string): void {
    this.#world.count(`node agent ends: ${code}`);
    this.#tell(why);
    // Jupyter does not outlive the node agent, nor the container it.
    this.#world.containerEnds(this.#container, exitCodes[code]);
  }

  /** The container is no more, and etcd with it. */
  isGone(): void {
    const { process } = this;
    this.process = undefined;
    if (process !== undefined) process.cluster.stop(process);
  }

  begin(): void {
    this.#in(this.#world.random.between(300, 1_500), () => this.#prepare());
  }

  /** A call on the shared volume; `then` hears whether it was answered in time. */
  #onVolume(limitMs: number, then: (isAnswered: boolean) => void): void {
    const { volume } = this.#world;
    const { host } = this.#container;
    const delayMs = volume.delayMs(host);
    this.#after(Math.min(delayMs, limitMs), () =>
      then(delayMs <= limitMs && !volume.isFailing(host) && !this.#container.mountIsDead),
    );
  }

  #prepare(): void {
    this.#onVolume(volumeLimitMs, (isAnswered) => {
      if (!isAnswered) return this.#end('volumeUnusable', 'the shared volume cannot be used');
      if (this.#self.founder) this.#claim();
      else this.#runDuties();
    });
  }

  #claim(): void {
    const { volume } = this.#world;
    const { host, generation, launch } = this.#container;
    const mine = renderFounders(launch.founders);
    const delayMs = volume.delayMs(host);
    // What was given up may land all the same.
    if (delayMs > volumeLimitMs && this.#world.random.chance(0.5)) {
      this.#world.clock.in(delayMs, () => volume.claim(generation, mine));
    }
    this.#onVolume(volumeLimitMs, (isAnswered) => {
      if (!isAnswered) return this.#end('volumeUnusable', "the generation's file cannot be made");
      if (volume.claim(generation, mine) !== mine) {
        return this.#end('numberTaken', `generation ${generation} was founded by other tasks`);
      }
      // Its own name is seen at once where it was made.
      const names = volume.list(host);
      if (this.#rules.sightOf(names, generation).kind === 'past') {
        return this.#end('numberTaken', `a generation after ${generation} is there already`);
      }
      this.#runDuties();
    });
  }

  #runDuties(): void {
    this.#membership();
    this.#look();
    this.#in(this.#world.random.between(1, leadershipEveryMs), () => this.#leadership());
  }

  // Looks at the volume.

  #look(): void {
    const startedAtMs = this.#bootMs;
    const { volume } = this.#world;
    const { host, generation } = this.#container;
    // What a look that hangs comes to see may be as old as its start.
    const early = volume.delayMs(host) > 0 && this.#world.random.chance(0.5) ? volume.list(host) : undefined;
    this.#onVolume(lookLimitMs / 3, (isAnswered) => {
      if (isAnswered) {
        const sight = this.#rules.sightOf(early ?? volume.list(host), generation);
        if (sight.kind === 'past') {
          return this.#end('generationPast', `generation ${sight.higher} was founded`);
        }
        if (sight.kind === 'present') {
          this.#lookedAtMs = this.#rules.lookCountsFromMs(startedAtMs, this.#bootMs);
          this.#firstSeenAtMs ??= this.#bootMs;
          this.#runJupyterIfAllowed();
        }
      }
      if (this.#container.mountIsDead) this.#tickFromNowOn();
      this.#in(lookEveryMs, () => this.#look());
    });
  }

  get #freshUntilMs(): number {
    return this.#lookedAtMs === undefined ? 0 : this.#lookedAtMs + lookLimitMs;
  }

  get seesVolume(): boolean {
    return this.#bootMs < this.#freshUntilMs;
  }

  // Membership.

  #membership(): void {
    if (this.process !== undefined) return;
    const known = {
      removed: this.#removed,
      quickEnds: this.#quickEnds,
      hasLog: this.#log !== undefined,
      everStarted: this.#everStarted,
      failedJoins: { count: this.#joins, sinceMs: this.#bootMs - this.#endedAtMs },
    };
    const view: View =
      known.hasLog || (this.#self.founder && !known.everStarted) ? { silent: [] } : this.#view();
    const decision = this.#rules.decideMembership(this.#self, {
      ...known,
      silent: view.silent,
      ...(view.cluster !== undefined && { cluster: view.cluster }),
    });
    this.#world.count(`membership: ${decision.do}`);
    const isLooking = !known.hasLog && decision.do !== 'found';
    if (isLooking && !this.#isWorthwhile(view)) return;
    if (decision.do !== 'wait') this.#tell(decision.reason);
    switch (decision.do) {
      case 'wipe':
        this.#log = undefined;
        this.#removed = false;
        this.#quickEnds = 0;
        return this.#in(1, () => this.#membership());
      case 'start':
        return this.#after(this.#backoff.waitMs, () =>
          this.#runEtcd(() => {
            const log = this.#log;
            return log?.cluster.start(log.memberId, memberName(this.#self), this.#container, this.#onEtcdEnd);
          }),
        );
      case 'found': {
        this.#everStarted = true;
        const { generation, launch } = this.#container;
        const cluster = this.#world.etcd.found(generation, launch.founders);
        return this.#runEtcd(() => cluster.found(this.#container, this.#onEtcdEnd));
      }
      case 'end':
        return this.#end(decision.code, decision.reason);
      case 'remove':
        this.#change(() => view.leads?.remove(decision.member.id, this.#container));
        return this.#in(membershipEveryMs / 5, () => this.#membership());
      case 'add': {
        const cluster = view.leads;
        const added = this.#change(() => {
          cluster?.claimIncarnation(this.#container);
          return cluster?.addLearner(this.#container);
        });
        if (cluster === undefined || added === undefined) {
          return this.#in(membershipEveryMs, () => this.#membership());
        }
        this.#everStarted = true;
        this.#joins += 1;
        return this.#in(this.#world.random.between(50, 1_000), () =>
          this.#runEtcd(() => cluster.start(added, memberName(this.#self), this.#container, this.#onEtcdEnd)),
        );
      }
      case 'wait':
        return this.#in(membershipEveryMs, () => this.#membership());
    }
  }

  #runEtcd(start: () => EtcdProcess | undefined): void {
    this.process = start();
    if (this.process === undefined) return;
    this.#log = { cluster: this.process.cluster, memberId: this.process.memberId };
    this.#watch();
  }

  readonly #onEtcdEnd = (status: number): void => {
    const { process } = this;
    if (process === undefined) return;
    this.process = undefined;
    const livedMs = this.#world.clock.nowMs - process.startedMs;
    this.#removed = status === 0;
    this.#quickEnds = quickEndsAfter(this.#quickEnds, livedMs);
    this.#backoff = afterEnd(this.#backoff, livedMs);
    this.#endedAtMs = this.#bootMs;
    this.#tell(`etcd ended with status ${status}`);
    if (this.#backoff.ends >= mostEnds) return this.#end('dutyFailed', 'etcd will not run here');
    this.#in(1, () => this.#membership());
  };

  /** etcd's process is killed in the container: it has its log. */
  killEtcd(): void {
    const { process } = this;
    if (process === undefined) return;
    process.cluster.stop(process);
    this.#onEtcdEnd(137);
  }

  /** A learner asks to be promoted, again and again. */
  #watch(): void {
    const { process } = this;
    if (process === undefined) return;
    if (process.cluster.isVoter(process)) {
      this.#joins = 0;
      return;
    }
    const view = this.#view();
    if (!this.#isWorthwhile(view)) return;
    if (process.cluster.role(process) === 'learner') {
      this.#change(() => view.leads?.promote(process.memberId));
    }
    this.#in(membershipEveryMs, () => {
      if (this.process === process) this.#watch();
    });
  }

  #change<T>(change: () => T): T | undefined {
    try {
      return change();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#world.count(error.message);
      return undefined;
    }
  }

  /** Whether it goes on to look for a quorum; otherwise the node has ended. */
  #isWorthwhile(view: View): boolean {
    const look = { isVoter: this.#container.voter, foundQuorum: view.cluster !== undefined };
    const now = this.#bootMs;
    this.#inVainSinceMs = this.#rules.inVainSince(this.#inVainSinceMs, look, now);
    if (this.#inVainSinceMs === undefined || now - this.#inVainSinceMs < noQuorumLimitMs) return true;
    this.#end('noQuorum', 'no quorum to join was found');
    return false;
  }

  /** What the peers say of the cluster, as etcd/observer.ts has it. */
  #view(): View {
    const silent: string[] = [];
    const { containers, addresses } = this.#world;
    let found: EtcdCluster | undefined;
    for (const [node, address] of addresses.entries()) {
      if (node === this.#self.node) continue;
      const peer = containers.atAddress(node, this.#container.host);
      const process =
        peer !== undefined && containers.reach(this.#container, peer) ? peer.agent.process : undefined;
      const role = process?.cluster.role(process) ?? 'none';
      const status = role === 'none' ? undefined : { leader: 'known', isLearner: role === 'learner' };
      const answer = { status, generation: peer?.generation };
      const cluster = process?.cluster;
      // Members are listed by a linearizable read.
      const isOfUse =
        this.#rules.speaksForCluster(answer, this.#container.generation) &&
        cluster?.commits(process as EtcdProcess);
      if (cluster === undefined || !isOfUse) {
        silent.push(address);
        continue;
      }
      const leader = cluster.leader?.process?.container;
      if (found === undefined && leader !== undefined && containers.reach(this.#container, leader))
        found = cluster;
      else if (found === undefined) silent.push(address);
    }
    if (found === undefined) return { silent };
    const now = this.#bootMs;
    const learners = found.members.filter(({ learner }) => learner).map(({ id }) => id);
    this.#disconnectedSince = sinceOf(this.#disconnectedSince, found.outOfReach(), now);
    this.#learnersSince = sinceOf(this.#learnersSince, learners, now);
    return {
      cluster: {
        members: found.members.map(({ id, name, address, learner }) => ({ id, name, address, learner })),
        disconnectedForMs: forMs(this.#disconnectedSince, now),
        learnerForMs: forMs(this.#learnersSince, now),
        newestIncarnation: found.newestIncarnations.get(this.#self.node) ?? 0,
      },
      leads: found,
      silent,
    };
  }

  // The fence, the notebook key, and Jupyter.

  #ensureFence(process: EtcdProcess): boolean {
    if (this.#isFenced) return true;
    const { cluster } = process;
    if (!cluster.commits(process)) return false;
    if (cluster.fenced) {
      this.#isFenced = true;
      return true;
    }
    const { write } = this.#rules.decideFence({
      isFounder: this.#self.founder,
      unproven: this.#container.launch.unproven,
      lookLimitMs,
      ...(this.#firstSeenAtMs !== undefined && { seenForMs: this.#bootMs - this.#firstSeenAtMs }),
    });
    if (!write || !cluster.putFenced(process)) return false;
    this.#isFenced = true;
    this.#world.count(
      `fence: ${this.#container.launch.unproven.length === 0 ? 'at once or by a joiner' : 'after a wait'}`,
    );
    this.#tell('the fence stands');
    return true;
  }

  #leadership(): void {
    const { process } = this;
    if (process !== undefined && !this.isLeaving) {
      if (process.cluster.isVoter(process)) this.#ensureFence(process);
      if (this.#lease !== undefined) this.#renew(process, this.#lease);
      else if (process.cluster.isVoter(process)) this.#contend(process);
      if (this.#lease !== undefined && !this.#isPaused && this.#bootMs >= this.#freshUntilMs + lookLimitMs)
        this.#handOver(process);
    }
    // Who neither leads nor holds has nothing to do until it leads.
    this.#isIdle = this.#isFenced && this.#lease === undefined && !this.#isRenewing && !process?.leads;
    if (!this.#isIdle) this.#in(leadershipEveryMs, () => this.#leadership());
  }

  /** The etcd beside it has come to lead. */
  leads(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#in(this.#world.random.between(1, leadershipEveryMs), () => this.#leadership());
  }

  #contend(process: EtcdProcess): void {
    const { cluster } = process;
    const view = cluster.read(process);
    if (view === undefined || this.#isRenewing) return;
    const leads = cluster.role(process) === 'leader';
    if (view.notebook !== undefined) {
      if (leads) this.#handBack(process, view.notebook);
      return;
    }
    const decision = this.#rules.aboutFreeKey({
      selfTaskId: this.#container.taskId,
      leads,
      seesVolume: this.seesVolume,
      live: cluster.live,
      intents: { unfit: [], ...(cluster.handOverTo && { handOverTo: cluster.handOverTo.taskId }) },
      isPaused: this.#isPaused,
      ...(cluster.lastHolder && { lastHolderTaskId: cluster.lastHolder.taskId }),
    });
    if (decision.do === 'leave' || !this.#ensureFence(process)) return;
    if (decision.do === 'passOn') {
      const other = this.#successor(decision.toTaskId);
      if (other !== undefined && cluster.moveLeader(process, other.taskId)) {
        this.#world.count(`leadership passed on: ${decision.why}`);
        return;
      }
      if (decision.else === 'wait') return;
    }
    const lease = cluster.grant(process, ttlMs);
    if (lease === undefined) return;
    const by = decision.do === 'take' ? decision.by : 'notPaused';
    const provisos = this.#rules.provisosOf(by, cluster.recordOf(this.#container));
    const { random } = this.#world;
    this.#isRenewing = true;
    this.#after(random.chance(0.2) ? random.between(1, 900) : 0, () => {
      this.#isRenewing = false;
      if (!cluster.takeNotebook(process, lease, provisos) || this.isLeaving)
        return cluster.revoke(process, lease);
      this.#world.count(by === 'notPaused' ? 'notebook: taken' : `notebook: taken in a pause, ${by}`);
      this.#tell('holds the notebook');
      this.#lease = lease;
      this.#leaseOf = cluster;
      this.#renew(process, lease);
    });
  }

  /** Whether the cluster is paused, as etcd says; undefined while it does not answer. */
  get heardPaused(): boolean | undefined {
    const { process } = this;
    return process?.cluster.commits(process) ? process.cluster.isPaused : undefined;
  }

  get #isPaused(): boolean {
    return this.heardPaused ?? false;
  }

  #handBack(process: EtcdProcess, holder: { readonly taskId: string; readonly node: number }): void {
    const nowMs = this.#bootMs;
    const isOwn = holder.taskId === this.#container.taskId;
    const view = {
      nowMs,
      leading: true,
      isGivenAway: process.cluster.handOverTo !== undefined,
      isPaused: this.#isPaused,
      handedBackAtMs: this.#handedBackAtMs,
      ...(!isOwn && { holderAddress: this.#world.addresses[holder.node] ?? '' }),
    };
    if (!this.#rules.shouldHandBack(view)) return;
    const { containers } = this.#world;
    const other = containers.atAddress(holder.node, this.#container.host);
    if (other?.taskId !== holder.taskId || !containers.reach(this.#container, other)) return;
    const its = other.agent.process;
    if (its === undefined || its.cluster.role(its) !== 'follower') return;
    this.#handedBackAtMs = [...this.#handedBackAtMs.slice(-9), nowMs];
    if (process.cluster.moveLeader(process, other.taskId)) this.#world.count('leadership handed back');
  }

  /** A renewal in its steps: keep-alive, then a linearizable read. Anything may happen between them. */
  #renew(process: EtcdProcess, lease: Lease): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const { random } = this.#world;
    // Where a leader was stunned, packets may wait for a while, too.
    const isSlow = random.chance(process.doubtsSinceMs === undefined ? 0.05 : 0.7);
    const step = (): number => (isSlow ? random.between(1, 330) : 0);
    const startedAtMs = this.#bootMs;
    const { cluster } = process;
    const over = (): void => {
      this.#isRenewing = false;
    };
    this.#after(step(), () => {
      const keepAlive = cluster.keepAlive(process, lease);
      if (keepAlive === undefined) return over();
      if (keepAlive === 'gone') {
        over();
        return this.#lose(lease);
      }
      this.#after(step(), () => {
        const read = cluster.read(process);
        if (read === undefined) return over();
        this.#after(step(), () => {
          over();
          if (this.#lease !== lease) return;
          if (read.notebook?.lease !== lease) return this.#lose(lease);
          const renewal = { startedAtMs, keepAliveTerm: `${keepAlive}`, readTerm: `${read.term}` };
          if (keepAlive !== read.term) this.#world.count('notebook: a renewal that does not count');
          this.#deadlineMs = this.#rules.deadlineAfter(this.#deadlineMs, renewal, ttlMs);
          this.#runJupyterIfAllowed();
        });
      });
    });
  }

  #lose(lease: Lease): void {
    if (this.#lease !== lease) return;
    this.#forget();
    this.#kill('notebook: lost');
  }

  #forget(): void {
    this.#lease = undefined;
    this.#leaseOf = undefined;
    this.#deadlineMs = 0;
  }

  get #untilMs(): number {
    return Math.min(this.#deadlineMs, this.#freshUntilMs);
  }

  #runJupyterIfAllowed(): void {
    if (this.#lease === undefined || this.#bootMs >= this.#untilMs) return;
    this.#armDeadline();
    this.#wantsJupyter = true;
    this.#startJupyter();
  }

  #armDeadline(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    // A timer is late by a little, never early.
    const leftMs = Math.max(0, (this.#untilMs - this.#bootMs) / this.#container.host.clockRate);
    this.#in(leftMs + this.#world.random.between(0, 20), () => {
      this.#isArmed = false;
      if (this.#lease === undefined) return;
      const now = this.#bootMs;
      if (now < this.#untilMs) this.#armDeadline();
      else
        this.#kill(
          now >= this.#deadlineMs ? 'notebook: killed at its deadline' : 'notebook: killed without sight',
        );
    });
  }

  #startJupyter(): void {
    if (this.jupyter !== 'stopped') return;
    this.jupyter = 'running';
    this.#tell('Jupyter runs');
    this.#world.containers.checkJupyters();
  }

  /** All of it is gone a little later. */
  #kill(why: string): void {
    this.#wantsJupyter = false;
    if (this.jupyter !== 'running') return;
    this.#world.count(why);
    this.#tell(why);
    this.jupyter = 'stopping';
    this.#in(this.#world.random.between(0, 25), () => {
      this.jupyter = 'stopped';
      if (this.#wantsJupyter) this.#startJupyter();
    });
  }

  /** The best one to have the notebook next, of those that answer. */
  #successor(taskId?: string): Container | undefined {
    const { containers, addresses } = this.#world;
    const able = new Map<string, Container>();
    const candidates = [];
    for (const node of addresses.keys()) {
      if (node === this.#self.node) continue;
      const other = containers.atAddress(node, this.#container.host);
      const process = other?.agent.process;
      if (other === undefined || process === undefined || !containers.reach(this.#container, other)) continue;
      if (taskId !== undefined && other.taskId !== taskId) continue;
      able.set(other.taskId, other);
      candidates.push({ status: other.agent.statusOf(process), raftIndex: 0n });
    }
    return able.get(bestSuccessor(candidates, { unfit: [] })?.taskId ?? '');
  }

  /** What its node agent says when it is asked. */
  statusOf({ cluster, memberId }: EtcdProcess) {
    const { taskId, node } = this.#container;
    const lookAgeS =
      this.#lookedAtMs === undefined ? Number.POSITIVE_INFINITY : (this.#bootMs - this.#lookedAtMs) / 1000;
    return {
      taskId,
      node,
      ready: !this.isLeaving && this.process !== undefined && cluster.role(this.process) === 'follower',
      ...(this.wantsToLeaveFromMs !== undefined && { leaving: 'it waits for its leave' }),
      etcd: { memberId },
      volume: { fresh: this.seesVolume, lookAgeS },
    };
  }

  /** Has the intent written and leadership moved. */
  #makeWay(process: EtcdProcess): boolean {
    const successor = this.#successor();
    if (successor === undefined) return false;
    const { cluster } = process;
    if (this.#lease !== undefined) cluster.intendHandOver(process, successor);
    if (cluster.role(process) === 'leader') cluster.moveLeader(process, successor.taskId);
    return true;
  }

  #handOver(process: EtcdProcess): void {
    if (this.jupyter !== 'stopped') return;
    const lease = this.#lease;
    if (lease === undefined || !this.#makeWay(process)) return;
    this.#world.count('notebook: handed over without sight');
    this.#forget();
    process.cluster.revoke(process, lease);
  }

  /**
   * SIGTERM, or an end of its own accord: another node has the notebook and leads, then Jupyter ends, then the key.
   * @param afterMs until it hears of the signal; who has decided so itself is leaving from that moment on
   */
  leave(then: () => void = () => {}, afterMs = this.#world.random.between(0, 300)): void {
    const { random } = this.#world;
    this.#after(afterMs, () => {
      if (this.isLeaving) return;
      this.isLeaving = true;
      const staysAway = this.#lease !== undefined && this.#isPaused;
      if (this.process !== undefined && !staysAway) this.#makeWay(this.process);
      const lease = this.#lease;
      const cluster = this.#leaseOf;
      this.#forget();
      this.#kill('notebook: given up at the end');
      this.#in(30, () => {
        if (lease !== undefined && this.process !== undefined) cluster?.revoke(this.process, lease);
        this.#in(random.between(0, 3_000), () => {
          this.process?.cluster.farewell(this.process);
          then();
        });
      });
    });
  }

  // Leaving.

  /** Its executor has gone: health checks come no more. */
  losesExecutor(): void {
    for (let tick = this.#world.random.between(0, checkEveryS - 1); tick > 0; tick--) this.#executor.tick();
    this.#isWatched = false;
    this.#tickFromNowOn();
  }
  #isWatched = true;

  /** Ticks are of no effect before there is a cause to leave. */
  #tickFromNowOn(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#tickLater();
  }

  #tickLater(): void {
    this.#in(1_000, () => this.#tick());
  }

  #tick(): void {
    if (this.isLeaving) return;
    if (!this.#isWatched) this.#executor.tick();
    const cause = this.#rules.causeToLeave({
      executorIsGone: this.#executor.isGone,
      ...(this.#container.mountIsDead && { deadMount: 'the mount is dead' }),
    });
    if (cause === undefined) return this.#tickLater();
    const view = this.#leavingView();
    if (view.cluster?.isPaused) this.wantsToLeaveFromMs = undefined;
    this.wantsToLeaveFromMs ??= this.#container.awakeMs;
    const decision = this.#rules.decideLeaving(view);
    this.#patience = afterTick(view);
    switch (decision.do) {
      case 'wait':
        this.#world.count('leaving: waits');
        return this.#tickLater();
      case 'go':
        return this.#goFor(cause, decision.reason);
      case 'lock':
        return this.#lock(decision.members, (isLocked) => {
          if (isLocked) this.#goFor(cause, decision.reason);
          else this.#tickLater();
        });
    }
  }

  #leavingView(): LeavingView {
    const { process } = this;
    const cluster = process?.cluster;
    const others = [...this.#world.addresses.keys()].filter((node) => node !== this.#self.node);
    return {
      ...this.#patience,
      isMember: this.#container.voter,
      others,
      ...(process !== undefined &&
        cluster?.commits(process) && {
          cluster: {
            live: cluster.live.map(({ node }) => node),
            ...(cluster.leaver && { leaver: cluster.leaver.node }),
            isHolder: cluster.notebook?.taskId === this.#container.taskId,
            isPaused: cluster.isPaused,
          },
        }),
    };
  }

  /** The lock in its steps: a lease, a transaction, its answer. Anything may happen between them. */
  #lock(members: readonly number[], then: (isLocked: boolean) => void): void {
    const { process } = this;
    const startedAtMs = this.#bootMs;
    const lease = process?.cluster.grant(process, lockTtlS(heartbeatTtlMs / 1000) * 1000);
    if (process === undefined || lease === undefined) return then(false);
    const { random } = this.#world;
    this.#in(random.between(1, 300), () => {
      const isLocked = process.cluster.takeLeaver(process, lease, members);
      this.#in(random.between(1, 300), () => {
        if (isLocked && lockCounts(this.#bootMs - startedAtMs)) return then(true);
        process.cluster.revoke(process, lease);
        then(false);
      });
    });
  }

  #goFor({ code, why }: Cause, reason: string): void {
    this.#world.count(`leaving: goes, ${reason}`);
    this.#tell(`${why}: this node leaves, since ${reason}`);
    this.#world.departures.begins(this.#container);
    this.leave(() => this.#end(code, 'gone'), 0);
  }
}

function sinceOf(before: Since, present: readonly string[], now: number): Since {
  return new Map(present.map((id) => [id, before.get(id) ?? now]));
}

const forMs = (since: Since, now: number): Map<string, number> =>
  new Map([...since].map(([id, at]) => [id, now - at]));
