/** The truth of the simulated world: which containers really run, where, and which of them are stunned. */
import type { Launch } from '../../framework/cluster/model.js';
import type { Host } from './mesos.js';
import { NodeAgent } from './node-agent.js';
import { Violation, type World } from './world.js';

/** For how long a container that goes on after a stun may answer before it finds out (DESIGN, Leadership). */
const afterStunMs = 50;

export class Container {
  running = true;
  /** Reported as ended while it runs: nobody watches it. */
  orphan = false;
  readonly agent: NodeAgent;
  readonly startedMs: number;
  /** The mount of the shared volume that it has for life. */
  readonly mount: number;
  #stuns = 0;
  #stunnedSinceMs = 0;
  /** In stuns that are over. */
  #stunnedMs = 0;
  #stunEndedMs = Number.NEGATIVE_INFINITY;
  readonly #world: World;

  constructor(
    world: World,
    readonly launch: Launch,
    readonly host: Host,
  ) {
    this.#world = world;
    this.startedMs = world.clock.nowMs;
    this.mount = world.volume.mountOf(host);
    this.agent = new NodeAgent(world, this);
  }

  get taskId(): string {
    return this.launch.task.id;
  }

  get node(): number {
    return this.launch.task.node;
  }

  get generation(): number {
    return this.launch.task.generation;
  }

  get incarnation(): number {
    return this.launch.task.incarnation;
  }

  get isStunned(): boolean {
    return this.#stuns > 0;
  }

  /** For how long it has lived, without the times that it was stunned. */
  get awakeMs(): number {
    const { nowMs } = this.#world.clock;
    return nowMs - this.startedMs - this.#stunnedMs - (this.isStunned ? nowMs - this.#stunnedSinceMs : 0);
  }

  /** Since when it has been awake. */
  get awakeSinceMs(): number {
    return this.isStunned ? Number.POSITIVE_INFINITY : Math.max(this.startedMs, this.#stunEndedMs);
  }

  get mountIsDead(): boolean {
    return this.#world.volume.isDead(this.host, this.mount);
  }

  /** Whether it is a voter of its cluster. */
  get voter(): boolean {
    const { process } = this.agent;
    return process?.cluster.isVoter(process) ?? false;
  }

  /** Stops all of it for a while, as a paused container or a host whose CPUs are taken away. */
  stun(forMs: number): void {
    this.#stuns += 1;
    if (this.#stuns === 1) this.#stunnedSinceMs = this.#world.clock.nowMs;
    this.#world.etcd.connectionsChanged();
    this.#world.clock.in(forMs, () => {
      this.#stuns -= 1;
      if (!this.running || this.isStunned) return;
      this.#stunEndedMs = this.#world.clock.nowMs;
      this.#stunnedMs += this.#stunEndedMs - this.#stunnedSinceMs;
      this.#world.etcd.connectionsChanged();
      this.agent.goesOn();
      this.#world.clock.in(afterStunMs + 1, () => this.#world.containers.checkJupyters());
    });
  }

  /** Whether a Jupyter of it can answer or write, but for the moment after a stun. */
  get runsJupyter(): boolean {
    return (
      this.running &&
      !this.isStunned &&
      this.agent.jupyter !== 'stopped' &&
      this.#world.clock.nowMs > this.#stunEndedMs + afterStunMs
    );
  }
}

export class Containers {
  readonly #running = new Set<Container>();
  /** Which container an address is assigned to, by node, where it is one for all hosts. */
  readonly #assigned = new Map<number, Container>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get running(): readonly Container[] {
    return [...this.#running];
  }

  at(node: number): Container[] {
    return this.running.filter((container) => container.node === node);
  }

  /** Starts one; undefined when its address is taken. */
  start(launch: Launch, host: Host): Container | undefined {
    const { node } = launch.task;
    const { isAddressTakenEverywhere } = this.#world;
    const isTaken = isAddressTakenEverywhere
      ? this.#assigned.has(node)
      : this.at(node).some((other) => other.host === host);
    if (isTaken) return undefined;
    const container = new Container(this.#world, launch, host);
    this.#running.add(container);
    this.#assigned.set(node, container);
    this.#world.etcd.connectionsChanged();
    container.agent.begin();
    return container;
  }

  /** @param withHost nobody was left to give its address back */
  end(container: Container, withHost = false): void {
    if (!container.running) return;
    container.running = false;
    this.#running.delete(container);
    const isKept = withHost && this.#world.keepsAddresses;
    if (!isKept && this.#assigned.get(container.node) === container) this.#assigned.delete(container.node);
    container.agent.isGone();
    this.#world.departures.ends(container);
    this.#world.etcd.connectionsChanged();
  }

  /** `calicoctl ipam release`. */
  release(address: string): void {
    this.#world.tell(`the operator's command releases ${address}`);
    this.#assigned.delete(this.#world.addresses.indexOf(address));
  }

  orphaned(container: Container): void {
    container.orphan = true;
    container.agent.losesExecutor();
    this.#world.departures.isDue(container);
  }

  /** Where packets to a node's address arrive that come from a host: at the newest container of it within reach. */
  atAddress(node: number, from: Host): Container | undefined {
    let newest: Container | undefined;
    for (const container of this.#running) {
      if (container.node !== node || !this.#world.network.areLinked(from.index, container.host.index))
        continue;
      if (newest === undefined || container.incarnation > newest.incarnation) newest = container;
    }
    return newest;
  }

  /** Whether the two exchange packets. */
  reach(a: Container, b: Container): boolean {
    if (a.isStunned || b.isStunned) return false;
    return this.atAddress(b.node, a.host) === b && this.atAddress(a.node, b.host) === a;
  }

  /** The one promise that matters most: never two Jupyters. Called whenever one begins, and after stuns. */
  checkJupyters(): void {
    let first: Container | undefined;
    for (const container of this.#running) {
      if (!container.runsJupyter) continue;
      if (first !== undefined) {
        throw new Violation(
          `two Jupyters: in ${first.taskId} of generation ${first.generation} and in ${container.taskId} of generation ${container.generation}`,
        );
      }
      first = container;
    }
  }
}
