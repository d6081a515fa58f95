/** One simulated cluster: Mesos, hosts, containers, a store, and the very core that the scheduler runs, under faults from a seed. */
import { contractVersion, exitCodes } from '../../executor-image/contract.js';
import { decide, initialState, nextTickMs } from '../../framework/cluster/decide.js';
import { quorumLostForGood } from '../../framework/cluster/founding.js';
import type {
  Action,
  ClusterEvent,
  ClusterRecord,
  ClusterSpec,
  ClusterState,
  Recipient,
} from '../../framework/cluster/model.js';
import { withoutFramework } from '../../framework/cluster/record.js';
import { clusterSpec } from '../support/cluster-spec.js';
import { SeededRandom } from '../support/random.js';
import { VirtualClock } from './clock.js';
import { type Container, Containers } from './containers.js';
import { Departures } from './departures.js';
import { Etcd } from './etcd.js';
import { type Host, Mesos } from './mesos.js';
import { Network } from './network.js';
import { type AgentRules, agentRules } from './node-agent.js';
import { Volume } from './volume.js';

/** A connection with no heartbeat is given up after this (framework/mesos/subscription.ts). */
const heartbeatsMs = 75_000;
/** How long a task must live to take back what an earlier one of its node said. */
const noQuorumLapseMs = 4 * 60_000;

export interface Faults {
  /** Probabilities, of each single message. */
  readonly lostUpdate: number;
  readonly repeatedUpdate: number;
  readonly crashBetweenActions: number;
  /** Mean time between faults, in milliseconds. */
  readonly everyMs: number;
}

export const noFaults: Faults = {
  lostUpdate: 0,
  repeatedUpdate: 0,
  crashBetweenActions: 0,
  everyMs: Number.POSITIVE_INFINITY,
};

export class Violation extends Error {
  override readonly name = 'Violation';
}

/** The decision function under test; a mutation of it takes its place when the checker itself is checked. */
export type Decide = typeof decide;

/** What goes to the master. */
type Call = Exclude<
  Action,
  { kind: 'log' | 'store' | 'explain' | 'tellDeath' | 'tellPause' | 'greet' | 'releaseAddress' }
>;

export interface WorldOptions {
  /** Faults of this kind alone: for what takes very many lives to meet among all kinds. */
  readonly only?: 'pauses' | 'departures';
  readonly seed: number;
  /** Makes everything but the faults another: for the same faults at other moments of the rest. Default 0. */
  readonly salt?: number;
  /** Of the seed's faults, those that happen, by their number. Default: all. */
  readonly keep?: readonly number[];
  readonly nodes: number;
  readonly hosts: number;
  readonly faults: Faults;
  readonly decide?: Decide;
  /** Decisions of the node agents that are to be others. */
  readonly agentRules?: Partial<AgentRules>;
  /** Whether a container keeps its address from another on any host (Calico's IPAM), or on its own host only. */
  readonly isAddressTakenEverywhere: boolean;
  /** Calico keeps an address for a container that its host's death ended, until the operator's command releases it. Default: neither. */
  readonly canReleaseAddress?: boolean;
  /** The operator tears the framework down in the middle of it all. Default: does not. */
  readonly tearsDown?: boolean;
  /** The operator pauses the cluster, and ends the pause, now and then. Default: does not. */
  readonly pauses?: boolean;
  /** Told what happens, as a story: faults, what the scheduler and the node agents say, ends of containers. */
  readonly tell?: (line: string) => void;
  /** Told of every message, too. */
  readonly detail?: (line: string) => void;
}

interface Process {
  readonly id: number;
  state: ClusterState;
  stream: number | undefined;
  frameworkId: string | undefined;
  /** Since when each task runs, as far as it was told. */
  readonly runningSince: Map<string, number>;
  /** How many subscriptions it was told of, and how many of those it has decided upon. */
  subscriptions: number;
  subscriptionsDecidedOn: number;
  /** What arrives while it is stunned, in order. */
  readonly waiting: { readonly event: ClusterEvent; readonly arrivedMs: number }[];
}

export class World {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly addresses: readonly string[];
  readonly agentRules: AgentRules;
  readonly isAddressTakenEverywhere: boolean;
  /** Whether Calico keeps the addresses of containers that died with their hosts. */
  readonly keepsAddresses: boolean;
  readonly network = new Network(() => this.etcd.connectionsChanged());
  readonly etcd = new Etcd(this);
  readonly volume = new Volume(this);
  readonly departures = new Departures(this);
  readonly containers: Containers;
  readonly mesos: Mesos;
  faults: Faults;
  /** Events and faults that happened. */
  steps = 0;
  /** How many faults have come, those that were not kept included. */
  faultCount = 0;
  /** When the last of the faults that last for a while is over. */
  #faultsEndMs = 0;
  readonly #kept: ReadonlySet<number> | undefined;
  readonly transitions = new Map<string, number>();
  readonly #options: WorldOptions;
  readonly #spec: ClusterSpec;
  readonly #decide: Decide;
  /** What survives a crash of the scheduler. */
  #stored: ClusterRecord | undefined;
  /** Copies that somebody may put back. */
  readonly #backups: ClusterRecord[] = [];
  /** Nodes of which a task ever ended saying that it found no quorum. */
  readonly #saidNoQuorum = new Set<number>();
  /** Then the store knows neither all tasks nor the last generation. */
  #wasRestored = false;
  #process: Process | undefined;
  #processes = 0;
  /** How many faults stun the scheduler now, and when the last of them was over. */
  #stuns = 0;
  #stunEndedMs = 0;
  /** When what the scheduler now decides upon arrived: it knows nothing later. */
  #knowsUntilMs = 0;
  /** A stream on which nothing arrives any more, on either side, and since when. */
  #silent: { readonly stream: number; readonly sinceMs: number } | undefined;
  /** The operator wants everything gone, and asks for it again whenever the scheduler dies over it. */
  #isTearingDown = false;
  /** Mesos has removed the framework. */
  #isTornDown = false;
  /** The operator's order about a pause, as long as what follows from it is not stored. */
  #ordered: 'pause' | 'resume' | undefined;
  /** When a pause was last ordered to end. A scheduler that is stunned carries that out late, when the next one may be ordered. */
  #resumeOrderedMs = Number.NEGATIVE_INFINITY;
  /** When the cluster was last seen to be paused, by the scheduler or by a node. */
  #pausedMs = Number.NEGATIVE_INFINITY;
  #streams = 0;
  /** Messages that travel on a stream arrive in order. */
  #lastDeliveryMs = 0;
  #lastCallMs = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#decide = options.decide ?? decide;
    this.random = new SeededRandom((options.seed + Math.imul(options.salt ?? 0, 0x51ed270b)) >>> 0);
    this.#kept = options.keep === undefined ? undefined : new Set(options.keep);
    this.faults = options.faults;
    this.agentRules = { ...agentRules, ...options.agentRules };
    this.isAddressTakenEverywhere = options.isAddressTakenEverywhere;
    this.keepsAddresses = options.canReleaseAddress ?? false;
    this.addresses = Array.from({ length: options.nodes }, (_, node) => `address-${node}`);
    this.#spec = {
      ...clusterSpec,
      addresses: this.addresses,
      canReleaseAddress: options.canReleaseAddress ?? false,
    };
    this.containers = new Containers(this);
    this.mesos = new Mesos(this, options.hosts);
    this.#startScheduler();
    this.#faultLater(0);
    if (options.pauses) {
      this.#pauseLater(0);
      this.#hearOfPauses();
    }
  }

  tell(line: string): void {
    this.#options.tell?.(this.#at(line));
  }

  detail(line: string): void {
    this.#options.detail?.(this.#at(line));
  }

  #at(line: string): string {
    return `${(this.clock.nowMs / 1000).toFixed(3).padStart(10)} s  ${line}`;
  }

  /** Lets time pass, faults and all. */
  runFor(ms: number, mostSteps = Number.POSITIVE_INFINITY): void {
    const until = this.clock.nowMs + ms;
    while (this.steps < mostSteps) {
      const next = this.clock.nextMs;
      if (next === undefined || next > until) {
        if (Number.isFinite(until)) this.clock.nowMs = until;
        return;
      }
      this.clock.step();
    }
  }

  /** Lets no fault begin and the last one end, and waits until all is well; a violation when that takes too long. */
  converge(withinMs: number): void {
    this.faults = noFaults;
    if (this.#options.pauses) this.#order('resume');
    const until = Math.max(this.clock.nowMs, this.#faultsEndMs) + withinMs;
    this.tell('— no more faults —');
    while (this.clock.nowMs < until) {
      if (this.#isWell()) return;
      this.runFor(5_000);
    }
    if (!this.#isWell()) {
      const nodes = this.#process?.state.nodes.map(({ phase, reason }) => `${phase.kind}: ${reason}`) ?? [
        'no scheduler',
      ];
      const containers = this.containers.running.map(
        (one) =>
          `${one.taskId} on ${one.host.name}${one.voter ? '' : ', no voter'}${one.orphan ? ', an orphan' : ''}, Jupyter ${one.agent.jupyter}`,
      );
      throw new Violation(
        `not all is well ${withinMs / 1000} s after the last fault: ${nodes.join(' | ')}; containers: ${containers.join(' | ')}`,
      );
    }
  }

  #isWell(): boolean {
    if (this.#isTearingDown) return this.#isTornDown && this.containers.running.length === 0;
    const state = this.#process?.state;
    if (state === undefined || !state.connected || state.record.paused !== undefined) return false;
    const { running } = this.containers;
    const generation = state.record.generation.number;
    return (
      running.filter(({ runsJupyter }) => runsJupyter).length === 1 &&
      state.nodes.every(({ phase }, node) => {
        const [container, ...more] = this.containers.at(node);
        return (
          phase.kind === 'running' &&
          container !== undefined &&
          more.length === 0 &&
          container.taskId === state.record.nodes[node]?.task?.id &&
          container.generation === generation &&
          !container.agent.heardPaused &&
          this.#serves(container)
        );
      })
    );
  }

  /** Whether it is a voter that hears its cluster. */
  #serves({ agent: { process }, generation }: Container): boolean {
    if (process === undefined || process.cluster.generation !== generation) return false;
    return process.cluster.isVoter(process) && process.cluster.commits(process);
  }

  // The scheduler's process.

  #startScheduler(): void {
    this.#processes += 1;
    const id = this.#processes;
    const suffix = `p${id}`;
    const process: Process = {
      id,
      state: initialState(this.#spec, this.#stored, suffix),
      stream: undefined,
      frameworkId: this.#stored?.frameworkId,
      waiting: [],
      runningSince: new Map(),
      subscriptions: 0,
      subscriptionsDecidedOn: 0,
    };
    this.#process = process;
    this.tell(`scheduler process ${id} starts`);
    if (this.#isTearingDown) this.#take(process, { kind: 'teardown' });
    this.#takeOrder();
    if (this.#process === process) this.#subscribeLater(process);
  }

  #crash(why: string): void {
    const process = this.#process;
    if (process === undefined) return;
    this.tell(`scheduler process ${process.id} dies ${why}`);
    this.#process = undefined;
    this.clock.in(this.random.between(500, 60_000), () => this.#startScheduler());
  }

  /** The process, or whatever it waits for, stands still; what arrives meanwhile is found afterwards. */
  #stun(forMs: number): void {
    this.#stuns += 1;
    this.clock.in(forMs, () => {
      this.#stuns -= 1;
      if (this.#stuns > 0) return;
      this.#stunEndedMs = this.clock.nowMs;
      const process = this.#process;
      while (this.#stuns === 0 && process !== undefined && this.#process === process) {
        const next = process.waiting.shift();
        if (next === undefined) return;
        this.#decideOn(process, next.event, next.arrivedMs);
      }
    });
  }

  /** Packets are lost on the way, with no word of it: both sides find out when heartbeats have been missed. */
  #goSilent(forMs: number): void {
    const { stream } = this.mesos;
    if (stream === undefined || this.#silent?.stream === stream) return;
    this.#silent = { stream, sinceMs: this.clock.nowMs };
    this.clock.in(forMs, () => {
      if (this.mesos.stream === stream) this.mesos.cutConnection();
    });
  }

  #tearDown(): void {
    if (this.#isTearingDown) return;
    this.tell('the operator wants the framework torn down');
    this.#isTearingDown = true;
    if (this.#process !== undefined) this.#take(this.#process, { kind: 'teardown' });
  }

  #subscribeLater(process: Process): void {
    this.clock.in(this.random.between(10, 5_000), () => {
      if (this.#process !== process || process.stream !== undefined) return;
      const id = this.mesos.subscribe(process.frameworkId);
      if (id === undefined) return this.#subscribeLater(process);
      process.frameworkId = id;
      process.stream = this.mesos.stream;
    });
  }

  newStream(): number {
    this.#streams += 1;
    return this.#streams;
  }

  /** An event on a stream, in order, unless the stream is gone before it arrives. */
  deliver(stream: number, event: ClusterEvent): void {
    const atMs = Math.max(this.#lastDeliveryMs, this.clock.nowMs + this.random.between(1, 50));
    this.#lastDeliveryMs = atMs;
    this.clock.in(atMs - this.clock.nowMs, () => {
      const process = this.#process;
      if (this.#silent?.stream === stream) return;
      if (process?.stream === stream && this.mesos.stream === stream) this.#take(process, event);
    });
  }

  streamEnds(stream: number): void {
    const process = this.#process;
    if (process?.stream !== stream) return;
    process.stream = undefined;
    this.#take(process, { kind: 'disconnected' });
    if (this.#process === process) this.#subscribeLater(process);
  }

  #take(process: Process, event: ClusterEvent): void {
    const arrivedMs = this.clock.nowMs;
    if (event.kind === 'subscribed') process.subscriptions += 1;
    if (this.#stuns > 0 || process.waiting.length > 0) process.waiting.push({ event, arrivedMs });
    else this.#decideOn(process, event, arrivedMs);
  }

  #decideOn(process: Process, event: ClusterEvent, arrivedMs: number): void {
    this.steps += 1;
    if (event.kind === 'subscribed') process.subscriptionsDecidedOn += 1;
    if (event.kind === 'update' && event.update.state === 'TASK_RUNNING') {
      const { taskId } = event.update;
      if (!process.runningSince.has(taskId)) process.runningSince.set(taskId, this.clock.nowMs);
    }
    const isSilent = this.#silent !== undefined && this.#silent.stream === process.stream;
    this.#knowsUntilMs = isSilent ? (this.#silent?.sinceMs ?? arrivedMs) : arrivedMs;
    const before = process.state;
    const { state, actions } = this.#decide(before, event, this.clock.nowMs);
    process.state = state;
    this.#count(before, state, event);
    if (event.kind !== 'tick') this.detail(`event ${describe(event)}`);
    for (const action of actions) {
      if (this.random.chance(this.faults.crashBetweenActions)) return this.#crash(`before ${action.kind}`);
      this.#perform(process, action);
    }
    this.#checkSteadily(state);
    this.#tickLater(process);
  }

  #tickLater(process: Process): void {
    const next = nextTickMs(process.state);
    if (next === undefined) return;
    const { state } = process;
    this.clock.in(Math.max(1, Math.ceil(next - this.clock.nowMs)), () => {
      // Any event since then has asked for a tick of its own.
      if (this.#process === process && process.state === state) this.#take(process, { kind: 'tick' });
    });
  }

  #perform(process: Process, action: Action): void {
    switch (action.kind) {
      case 'log':
        return this.tell(`scheduler: ${action.message}`);
      case 'store':
        this.#checkStore(action.record);
        this.#stored = action.record;
        if ((action.record.paused === undefined) === (this.#ordered === 'resume')) this.#ordered = undefined;
        if (this.random.chance(0.05)) this.#backups.push(action.record);
        return;
      case 'explain':
        return this.#explain(process, action.taskId, action.agentId);
      case 'greet':
        return;
      case 'tellDeath':
        this.#checkPause(action.kind);
        return this.#tellDeath(action.taskId, action.survivors);
      case 'tellPause':
        return this.#tellPause(action.paused !== undefined, action.nodes);
      case 'releaseAddress':
        this.#checkPause(action.kind);
        return this.clock.in(this.random.between(50, 2_000), () => this.containers.release(action.address));
      default:
        this.detail(`  → ${describe(action)}`);
        this.#checkSend(action);
        return this.#call(process, action);
    }
  }

  /** A call on its way: in order, lost when the connection breaks before it arrives. */
  #call(process: Process, action: Call): void {
    const { stream } = process;
    // As in the shell: nothing goes to a connection that the core does not know of yet.
    if (process.subscriptionsDecidedOn !== process.subscriptions) return;
    const atMs = Math.max(this.#lastCallMs, this.clock.nowMs + this.random.between(1, 50));
    this.#lastCallMs = atMs;
    this.clock.in(atMs - this.clock.nowMs, () => {
      if (stream === undefined || this.mesos.stream !== stream || !this.mesos.up) return;
      if (this.#silent?.stream === stream) return;
      switch (action.kind) {
        case 'accept':
          return this.mesos.accept(action.offerIds, action.launches);
        case 'decline':
          return this.mesos.decline(action.offerIds, action.refuseMs);
        case 'suppress':
          return this.mesos.suppress();
        case 'revive':
          return this.mesos.revive();
        case 'kill':
          return this.mesos.kill(action.taskId, action.agentId);
        case 'acknowledge':
          return this.mesos.acknowledge(action.taskId, action.agentId, action.uuid);
        case 'reconcile':
          return this.mesos.reconcile(action.tasks);
        case 'teardown':
          return this.#tornDown();
      }
    });
  }

  /** Rule 11. The word reaches some survivors, or none, and whoever hears it ends the lease. */
  #tellDeath(taskId: string, survivors: readonly Recipient[]): void {
    if (this.containers.running.some((container) => container.taskId === taskId))
      throw new Violation(`survivors are told that ${taskId} is dead, whose container runs`);
    for (const { taskId: survivor } of survivors) {
      if (this.random.chance(0.3)) continue;
      this.clock.in(this.random.between(10, 5_000), () => {
        const { process } = this.containers.running.find((one) => one.taskId === survivor)?.agent ?? {};
        if (process?.cluster.revokeOf(process, taskId)) this.count('a dead holder’s lease is ended by word');
      });
    }
  }

  // The operator's pauses.

  #order(what: 'pause' | 'resume'): void {
    this.tell(`the operator orders: ${what}`);
    this.#ordered = what;
    if (what === 'resume') this.#resumeOrderedMs = this.clock.nowMs;
    this.#takeOrder();
  }

  /** Left beside the store, it is read by whichever process runs, and before that subscribes. */
  #takeOrder(): void {
    const process = this.#process;
    if (process === undefined || this.#ordered === undefined) return;
    const since = new Date(this.clock.nowMs).toISOString();
    this.#take(process, this.#ordered === 'pause' ? { kind: 'pause', since } : { kind: 'resume' });
  }

  /** With a stream of its own, so that a life without pauses is the same as ever. */
  #pauseLater(index: number): void {
    const random = new SeededRandom((this.#options.seed ^ Math.imul(index + 1, 0x7f4a7c15)) >>> 0);
    const waitMs = index % 2 === 0 ? random.between(20_000, 600_000) : random.between(5_000, 300_000);
    this.clock.in(waitMs, () => {
      if (this.faults.everyMs === Number.POSITIVE_INFINITY) return;
      this.#order(index % 2 === 0 ? 'pause' : 'resume');
      this.#pauseLater(index + 1);
    });
  }

  /** Every 5 s the scheduler asks the nodes; those that know otherwise than it does are all that matters here. */
  #hearOfPauses(): void {
    this.clock.in(5_000, () => {
      const process = this.#process;
      const isPaused = process?.state.record.paused !== undefined;
      if (isPaused) this.#pausedMs = this.clock.nowMs;
      for (const { agent, taskId, host, isStunned } of this.containers.running) {
        const paused = agent.heardPaused;
        if (paused) this.#pausedMs = this.clock.nowMs;
        if (process === undefined || isStunned || paused === undefined || paused === isPaused) continue;
        if (this.random.chance(0.3)) continue;
        this.#take(process, { kind: 'nodeTold', taskId, bootId: host.bootId, contractVersion, paused });
      }
      this.#hearOfPauses();
    });
  }

  wasPausedWithin(ms: number): boolean {
    return this.clock.nowMs - this.#pausedMs <= ms;
  }

  /** It reaches some nodes, or none, sooner or later: a word that was overtaken by the next may arrive after it. */
  #tellPause(isPaused: boolean, nodes: readonly Recipient[]): void {
    for (const { taskId } of nodes) {
      if (this.random.chance(0.3)) continue;
      this.clock.in(this.random.between(10, 5_000), () => {
        const container = this.containers.running.find((one) => one.taskId === taskId);
        const { process } = container?.agent ?? {};
        if (process !== undefined && !container?.isStunned) process.cluster.setPaused(process, isPaused);
      });
    }
  }

  /** The last words of a container that Docker did not start, where they can be had. */
  #explain(process: Process, taskId: string, agentId: string): void {
    const stderr = this.mesos.host(agentId)?.stderrOf(taskId);
    if (stderr === undefined || this.random.chance(0.2)) return;
    this.clock.in(this.random.between(10, 5_000), () => {
      if (this.#process === process) this.#take(process, { kind: 'explained', taskId, stderr });
    });
  }

  #tornDown(): void {
    this.tell('Mesos removes the framework');
    this.#isTornDown = true;
    this.mesos.tearDown();
    // The shell ends now, and forgets the id.
    this.#process = undefined;
    if (this.#stored !== undefined) this.#stored = withoutFramework(this.#stored);
  }

  // Faults.

  containerEnds(container: Container, status: number): void {
    this.tell(`container of ${container.taskId} ends with status ${status}`);
    if (status === exitCodes.noQuorum) this.#saidNoQuorum.add(container.node);
    this.mesos.containerEnds(container, status);
  }

  /**
   * Whether the scheduler was told that there is no quorum, and cannot know better: half of the nodes said so or have no
   * task, and what runs of them has not lived long enough since to take it back (DESIGN, Founding).
   */
  #isLostByWord(serving: readonly Container[]): boolean {
    const told = this.#process?.runningSince;
    const hasLived = (node: number): boolean =>
      serving.some((one) => {
        const sinceMs = told?.get(one.taskId);
        return one.node === node && sinceMs !== undefined && this.clock.nowMs - sinceMs >= noQuorumLapseMs;
      });
    const said = [...this.#saidNoQuorum].filter((node) => !hasLived(node));
    const without = new Set(said);
    for (let node = 0; node < this.#spec.addresses.length; node++) {
      if (!serving.some((one) => one.node === node)) without.add(node);
    }
    return said.length > 0 && without.size * 2 >= this.#spec.addresses.length;
  }

  /** Each fault draws from a stream of its own, so that the others stay what they are when it is left out. */
  #faultLater(index: number): void {
    if (this.faults.everyMs === Number.POSITIVE_INFINITY) return;
    const random = new SeededRandom((this.#options.seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0);
    this.clock.in(random.between(1, Math.round(2 * this.faults.everyMs)), () => {
      if (this.faults.everyMs === Number.POSITIVE_INFINITY) return;
      this.faultCount = index + 1;
      if (this.#kept?.has(index) !== false) {
        this.steps += 1;
        this.#fault(random);
      }
      this.#faultLater(index + 1);
    });
  }

  #fault(random: SeededRandom): void {
    const { mesos } = this;
    const host = random.pickIfAny(mesos.hosts);
    const container = random.pickIfAny(this.containers.running);
    switch (this.#options.only) {
      case 'pauses':
        return this.#pauseOne(random, container);
      case 'departures':
        return this.#giveCauseToLeave(random, host, container);
    }
    // Every other fault is one that only node agents notice.
    if (random.chance(0.5)) return this.#faultAmongNodes(random, host, container);
    if (random.chance(0.1)) return this.#rareFault(random, host);
    switch (random.between(0, 9)) {
      case 0:
      case 1:
        if (container !== undefined) this.containerEnds(container, 137);
        return;
      case 2:
        return this.#loseSight(container);
      case 3:
        if (container !== undefined) {
          this.tell(`the health check of ${container.taskId} fails`);
          mesos.fail(container);
        }
        return;
      case 4:
        if (host !== undefined) this.#cutOff(random, host, longTimeMs(random));
        return;
      case 5:
        if (host !== undefined) {
          const forMs = random.between(5_000, 300_000);
          this.tell(`${host.name} loses power for ${forMs / 1000} s`);
          this.#lasts(forMs);
          mesos.crashHost(host, forMs);
        }
        return;
      case 6: {
        const forMs = random.between(500, 60_000);
        this.tell(`the master fails over, ${forMs / 1000} s without one`);
        return mesos.failover(forMs);
      }
      case 7:
        return this.#crash('by a signal');
      case 8:
        this.tell('the connection to the master breaks');
        return mesos.cutConnection();
      case 9:
        return mesos.rescindOne();
    }
  }

  /** The scheduler hears from the nodes that it reaches. */
  #nodesTell(random: SeededRandom): void {
    for (const container of this.containers.running) {
      const process = this.#process;
      if (process === undefined || container.isStunned || random.chance(0.3)) continue;
      this.#take(process, {
        kind: 'nodeTold',
        taskId: container.taskId,
        bootId: container.host.bootId,
        contractVersion,
      });
    }
  }

  /** The operator looks where Mesos cannot, and says so, one way or the other. */
  #operatorLooks(random: SeededRandom): void {
    const { process, stored } = { process: this.#process, stored: this.#stored };
    if (process === undefined || stored === undefined) return;
    const doubtful = [...stored.unproven, ...stored.nodes.flatMap(({ task }) => task ?? [])].filter(
      ({ id, end }) => end === undefined && !this.containers.running.some(({ taskId }) => taskId === id),
    );
    const task = random.pickIfAny(doubtful);
    const host = task === undefined ? undefined : this.mesos.host(task.agentId);
    // A container that is still to start is not dead.
    if (task === undefined || (host?.up && host.mayStart(task.id))) return;
    this.tell(`the operator confirms that ${task.id} is dead`);
    this.#take(process, { kind: 'confirmedDead', taskId: task.id });
  }

  #rareFault(random: SeededRandom, host: Host | undefined): void {
    switch (random.between(0, 6)) {
      case 6:
        return this.#operatorLooks(random);
      case 5:
        if (this.#options.tearsDown) this.#tearDown();
        return;
      case 0: {
        const backup = random.pickIfAny(this.#backups);
        if (backup === undefined) return;
        this.#crash('and its store is put back from a copy');
        this.#stored = backup;
        this.#wasRestored = true;
        return;
      }
      case 1: {
        const forMs = random.between(1_000, heartbeatsMs);
        this.tell(`no packets between the scheduler and the master, and neither hears of it`);
        return this.#goSilent(forMs);
      }
      case 2: {
        const forMs = random.pick([random.between(100, 5_000), random.between(5_000, 200_000)]);
        this.tell(`the scheduler is stunned, or its store is, for ${forMs / 1000} s`);
        this.#lasts(forMs);
        return this.#stun(forMs);
      }
      case 3:
        if (host === undefined) return;
        {
          const forMs = longTimeMs(random);
          this.tell(`${host.name} cannot pull the image for ${forMs / 1000} s`);
          this.#lasts(forMs);
          return this.mesos.spoilImage(host, forMs);
        }
      case 4:
        if (host === undefined || host.up) return;
        this.tell(`the operator tells Mesos that ${host.name} is gone for ever`);
        return this.mesos.markGone(host);
    }
  }

  /** No packets between the host and the master, or the other hosts, or any. */
  #cutOff(random: SeededRandom, host: Host, forMs: number): void {
    const whom = random.pick(['everybody', 'the master', 'the other hosts', 'everybody and the volume']);
    this.tell(`${host.name} is cut off from ${whom} for ${forMs / 1000} s`);
    this.#lasts(forMs);
    if (whom !== 'the other hosts') this.mesos.cutHost(host, forMs);
    if (whom !== 'the master') for (const other of this.mesos.hosts) this.#cutPair(host, other, forMs);
    if (whom === 'everybody and the volume') this.volume.fail(host, forMs);
  }

  #lasts(forMs: number): void {
    this.#faultsEndMs = Math.max(this.#faultsEndMs, this.clock.nowMs + forMs);
  }

  #cutPair(a: Host, b: Host, forMs: number): void {
    this.#lasts(forMs);
    this.network.cut(a.index, b.index);
    this.clock.in(forMs, () => this.network.mend(a.index, b.index));
  }

  /** Above all the holder's, for about a TTL: then it has lost the notebook, or has not, and does not know. */
  #pauseOne(random: SeededRandom, container: Container | undefined): void {
    const holder = this.containers.running.find(({ runsJupyter }) => runsJupyter);
    const whose = random.chance(0.5) ? (holder ?? container) : container;
    if (whose === undefined) return;
    const forMs = random.pick([
      random.between(100, 12_000),
      random.between(3_500, 6_500),
      random.between(10_000, 200_000),
    ]);
    this.tell(`the container of ${whose.taskId} is paused for ${forMs / 1000} s`);
    this.#lasts(forMs);
    if (random.chance(0.3)) {
      // It hears of its successor, or does not, and nothing more.
      this.clock.in(forMs + random.between(10, 800), () => {
        for (const other of this.mesos.hosts) this.#cutPair(whose.host, other, 20_000);
      });
    }
    whose.stun(forMs);
  }

  #loseSight(container: Container | undefined): void {
    if (container === undefined) return;
    this.tell(`Mesos loses sight of the container of ${container.taskId}`);
    this.mesos.loseSight(container);
  }

  /** The process that serves the volume ends, on one host or on all, and each mounts it again after a while. */
  #killMounts(random: SeededRandom, hosts: readonly Host[]): void {
    for (const host of hosts) {
      const forMs = random.between(500, 60_000);
      this.tell(`the volume's mount on ${host.name} dies, and there is another after ${forMs / 1000} s`);
      this.#lasts(forMs);
      this.volume.kill(host, forMs);
    }
    for (const container of this.containers.running) {
      if (hosts.includes(container.host)) this.departures.isDue(container);
    }
  }

  /** Several nodes have to leave, and other things happen meanwhile. */
  #giveCauseToLeave(random: SeededRandom, host: Host | undefined, container: Container | undefined): void {
    if (host === undefined) return;
    switch (random.between(0, 3)) {
      case 0:
        return this.#killMounts(random, this.mesos.hosts);
      case 1:
        return this.#loseSight(container);
      case 2:
        return this.#cutOff(random, host, longTimeMs(random));
      case 3:
        return this.#pauseOne(random, container);
    }
  }

  #faultAmongNodes(random: SeededRandom, host: Host | undefined, container: Container | undefined): void {
    if (host === undefined) return;
    switch (random.between(0, 8)) {
      case 8:
        return this.#killMounts(random, random.chance(0.4) ? this.mesos.hosts : [host]);
      case 7:
        return this.#nodesTell(random);
      case 0:
        return this.#pauseOne(random, container);
      case 1: {
        const forMs = random.between(100, 100_000);
        this.tell(`${host.name} is stunned for ${forMs / 1000} s`);
        this.#lasts(forMs);
        this.mesos.cutHost(host, forMs);
        for (const other of this.mesos.hosts) this.#cutPair(host, other, forMs);
        for (const each of this.containers.running) if (each.host === host) each.stun(forMs);
        return;
      }
      case 2: {
        const forMs = longTimeMs(random);
        const other = random.pick(this.mesos.hosts);
        this.tell(`no packets between ${host.name} and ${other.name} for ${forMs / 1000} s`);
        return this.#cutPair(host, other, forMs);
      }
      case 3: {
        // Two sides, of which the master may reach one or both.
        const forMs = longTimeMs(random);
        const side = this.mesos.hosts.filter(() => random.chance(0.5));
        this.#lasts(forMs);
        const isSeenByMaster = random.chance(0.5);
        const isVolumeSeen = random.chance(0.7);
        this.tell(`${side.map(({ name }) => name).join(', ')} apart from the others for ${forMs / 1000} s`);
        for (const a of side) {
          if (!isSeenByMaster) this.mesos.cutHost(a, forMs);
          if (!isVolumeSeen) this.volume.fail(a, forMs);
          for (const b of this.mesos.hosts) if (!side.includes(b)) this.#cutPair(a, b, forMs);
        }
        return;
      }
      case 4: {
        const forMs = random.pick([49_000, random.between(1_000, 70_000)]);
        const hosts = random.chance(0.3) ? this.mesos.hosts : [host];
        this.tell(`the volume hangs on ${hosts.map(({ name }) => name).join(', ')} for ${forMs / 1000} s`);
        this.#lasts(forMs);
        for (const each of hosts) this.volume.hang(each, forMs);
        return this.volume.showLate(host);
      }
      case 5: {
        const forMs = random.between(1_000, 300_000);
        this.#lasts(forMs);
        this.tell(`the volume is not connected on ${host.name} for ${forMs / 1000} s`);
        return this.volume.fail(host, forMs);
      }
      case 6:
        if (container === undefined) return;
        this.tell(`etcd of ${container.taskId} is killed`);
        return container.agent.killEtcd();
    }
  }

  // The rules, checked on what really happens.

  /** From the moment in which a pause is stored, nothing is done that is not the operator's order. */
  #checkPause(what: string): void {
    if (this.#stored?.paused !== undefined && !this.#isTearingDown)
      throw new Violation(`in a pause the scheduler does this: ${what}`);
  }

  #checkStore(record: ClusterRecord): void {
    const before = this.#stored;
    if (before === undefined) return;
    const pausedMs = before.paused === undefined ? undefined : Date.parse(before.paused.since);
    if (pausedMs !== undefined && record.paused === undefined && this.#resumeOrderedMs < pausedMs)
      throw new Violation('a pause ends without an order');
    if (record.generation.number !== before.generation.number && record.paused !== undefined)
      this.#checkPause('founding');
    if (record.generation.number > before.generation.number + 1 && !this.#wasRestored) {
      throw new Violation(
        `the generation jumps from ${before.generation.number} to ${record.generation.number}`,
      );
    }
    for (const [node, { incarnation }] of record.nodes.entries()) {
      if (incarnation < (before.nodes[node]?.incarnation ?? 0))
        throw new Violation(`node ${node}'s incarnation went back`);
    }
    this.#checkProofs(before, record);
    if (record.generation.number === before.generation.number) return;
    // Rule 10: founding anew while a quorum of the old generation lives would throw a working cluster away.
    const known = this.containers.running.filter(
      (container) =>
        container.generation === before.generation.number &&
        !container.orphan &&
        !container.host.cutOff &&
        container.host.registeredMs <= this.#knowsUntilMs - 1_000 &&
        this.#serves(container) &&
        record.nodes[container.node]?.task?.id === container.taskId,
    );
    if (known.length * 2 > record.nodes.length && !this.#isLostByWord(known)) {
      throw new Violation(
        `generation ${record.generation.number} is founded while ${before.generation.number} has a quorum`,
      );
    }
  }

  /** What is said to be proven dead is dead. */
  #checkProofs(before: ClusterRecord, record: ClusterRecord): void {
    for (const { taskId } of this.containers.running) {
      const last = record.nodes.find(({ task }) => task?.id === taskId)?.task;
      const wasInDoubt = before.unproven.some(({ id }) => id === taskId);
      const isInDoubt = record.unproven.some(({ id }) => id === taskId);
      const isProven = last?.end?.provenDead === true || (wasInDoubt && !isInDoubt && last === undefined);
      if (isProven) throw new Violation(`${taskId} counts as proven dead, and its container runs`);
    }
  }

  #checkSend(action: Call): void {
    const stored = this.#stored;
    switch (action.kind) {
      case 'kill':
        return this.#checkPause(`kill ${action.taskId}`);
      case 'accept':
        this.#checkPause('accept');
        for (const { task, founders } of action.launches) {
          // Rule 2.
          if (stored?.frameworkId === undefined)
            throw new Violation('ACCEPT before the framework id is stored');
          if (stored.nodes[task.node]?.task?.id !== task.id)
            throw new Violation(`ACCEPT before ${task.id} is stored`);
          if (stored.generation.number !== task.generation)
            throw new Violation('ACCEPT for another generation');
          if (founders.length !== stored.nodes.length) throw new Violation('ACCEPT without the founders');
          // Rule 1.
          for (const container of this.containers.at(task.node)) this.#checkSecond(container, task.id);
        }
        return;
      case 'acknowledge': {
        // Rule 3: an end that is acknowledged is stored, or about a task that a newer one has followed.
        const host = this.mesos.host(action.agentId);
        const told = host?.tasks.get(action.taskId)?.updates[0];
        const task = stored?.nodes.find((node) => node.task?.id === action.taskId)?.task;
        if (told?.uuid === action.uuid && task !== undefined && task.end === undefined && isEnd(told.state)) {
          throw new Violation(`the end of ${action.taskId} is acknowledged before it is stored`);
        }
        return;
      }
      default:
        return;
    }
  }

  /** A node gets another task while a container of it runs: only where nobody could know, or the grace has passed. */
  #checkSecond(container: Container, taskId: string): void {
    const { host } = container;
    const wordIsOnItsWay = host.registeredMs > this.#knowsUntilMs - 1_000;
    const excused = container.orphan || host.cutOff || !host.registered || wordIsOnItsWay;
    if (!excused)
      throw new Violation(`${taskId} is launched while the container of ${container.taskId} runs`);
  }

  #checkSteadily(state: ClusterState): void {
    // Rule 4: no offer is held beyond the window (and the time that a decline travels).
    if (!state.connected) return;
    for (const offer of state.offers) {
      const open = this.mesos.offers.get(offer.id);
      if (open === undefined) continue;
      const heldMs = this.clock.nowMs - Math.max(open.sinceMs, this.#stunEndedMs);
      if (heldMs > this.#spec.offerHoldMs + 1_000)
        throw new Violation(`${offer.id} has been held for ${heldMs} ms`);
    }
    // Rule 10, the other way: a generation that is lost is not kept.
    if (
      state.refoundingSinceMs === undefined &&
      state.tearingDownSinceMs === undefined &&
      state.record.paused === undefined &&
      quorumLostForGood(state) &&
      state.reconciliation.kind === 'settled' &&
      state.nodes.every((node) => node.phase.kind !== 'unconfirmed')
    ) {
      throw new Violation(`generation ${state.record.generation.number} is lost, and nothing is done`);
    }
  }

  #count(before: ClusterState, after: ClusterState, event: ClusterEvent): void {
    this.count(`event ${event.kind}`);
    after.nodes.forEach((node, index) => {
      const from = before.nodes[index]?.phase.kind;
      if (from !== node.phase.kind) this.count(`${from} → ${node.phase.kind}`);
    });
  }

  /** For the histogram. */
  count(what: string): void {
    this.transitions.set(what, (this.transitions.get(what) ?? 0) + 1);
  }
}

/** Sometimes long enough for the next generation to be founded and to serve. */
function longTimeMs(random: SeededRandom): number {
  return random.chance(0.2) ? random.between(400_000, 1_200_000) : random.between(1_000, 400_000);
}

const isEnd = (state: string): boolean =>
  !['TASK_STAGING', 'TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLING', 'TASK_UNREACHABLE'].includes(state);

function describe(what: ClusterEvent | Call): string {
  switch (what.kind) {
    case 'update':
      return `${what.update.taskId} ${what.update.state} ${what.update.source ?? ''} ${what.update.reason ?? what.update.message ?? ''}`;
    case 'offers':
      return `offers ${what.offers.map(({ id, hostname }) => `${id} of ${hostname}`).join(', ')}`;
    case 'accept':
      return `accept ${what.offerIds.join(', ')} for ${what.launches.map(({ task }) => task.id).join(', ')}`;
    case 'kill':
      return `kill ${what.taskId}`;
    case 'acknowledge':
      return `acknowledge ${what.taskId}`;
    case 'reconcile':
      return `reconcile ${what.tasks.map(({ taskId }) => taskId).join(', ') || 'all'}`;
    case 'decline':
      return `decline ${what.offerIds.join(', ')}`;
    default:
      return what.kind;
  }
}
