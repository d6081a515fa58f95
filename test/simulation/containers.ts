/** The truth of the simulated world: which containers really run, and which of them make a quorum. */
import { exitCodes } from '../../executor-image/contract.js';
import type { World } from './world.js';

/** A node agent that is no voter ends when it has found no quorum for this long. */
const noQuorumMs = 120_000;
/** A container whose executor is gone ends by itself after this (DESIGN, An orphan). */
const orphanMs = 60_000;
/** From a container's start to its being a voter, where there is a quorum to join. */
const joinMs = 5_000;

export interface Container {
  readonly taskId: string;
  readonly node: number;
  readonly generation: number;
  readonly founder: boolean;
  readonly host: string;
  readonly startedMs: number;
  running: boolean;
  /** Reported as ended while it runs: nobody watches it. */
  orphan: boolean;
  voter: boolean;
  noQuorumSinceMs: number | undefined;
}

/**
 * Containers and their etcd clusters, one a generation. etcd here is no more than its quorum: enough to tell when a
 * generation is lost, which the scheduler has to find out from the outside.
 */
export class Containers {
  readonly all: Container[] = [];
  /** Voters by generation: task ids, as etcd's member list has them; a founder is one before it runs. */
  readonly #voters = new Map<number, Map<number, string>>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  get running(): Container[] {
    return this.all.filter((container) => container.running);
  }

  at(node: number): Container[] {
    return this.running.filter((container) => container.node === node);
  }

  /** Starts one; undefined when its address is taken. */
  start(task: {
    taskId: string;
    node: number;
    generation: number;
    founders: readonly string[];
    host: string;
  }): Container | undefined {
    if (this.at(task.node).length > 0) return undefined;
    const container: Container = {
      taskId: task.taskId,
      node: task.node,
      generation: task.generation,
      founder: task.founders.includes(task.taskId),
      host: task.host,
      startedMs: this.#world.clock.nowMs,
      running: true,
      orphan: false,
      voter: false,
      noQuorumSinceMs: undefined,
    };
    this.all.push(container);
    if (!this.#voters.has(task.generation)) {
      this.#voters.set(task.generation, new Map(task.founders.map((id, node) => [node, id])));
    }
    if (container.founder) container.voter = true;
    this.#watch(container);
    return container;
  }

  end(container: Container): void {
    container.running = false;
  }

  orphaned(container: Container): void {
    container.orphan = true;
    this.#world.clock.in(orphanMs, () => this.end(container));
  }

  /** Whether the generation's etcd has a quorum: a majority of its voters run. */
  hasQuorum(generation: number): boolean {
    const voters = this.#voters.get(generation);
    if (voters === undefined) return false;
    const up = [...voters.values()].filter((id) =>
      this.running.some((container) => container.taskId === id && !this.#world.isCutOff(container.host)),
    );
    return up.length * 2 > voters.size;
  }

  isWell(container: Container): boolean {
    return container.running && container.voter && this.hasQuorum(container.generation);
  }

  /** Its member takes the place of the node's former one, whose container, should it still run, has to join anew. */
  #join(container: Container): void {
    const voters = this.#voters.get(container.generation);
    const former = this.running.find(({ taskId }) => taskId === voters?.get(container.node));
    voters?.set(container.node, container.taskId);
    container.voter = true;
    if (former === undefined || former === container) return;
    former.voter = false;
    this.#watch(former);
  }

  /** A joiner's life: it becomes its node's voter where there is a quorum, or gives up. */
  #watch(container: Container): void {
    this.#world.clock.in(joinMs, () => {
      if (!container.running || container.voter) return;
      if (this.hasQuorum(container.generation) && !this.#world.isCutOff(container.host)) {
        this.#join(container);
        return;
      }
      container.noQuorumSinceMs ??= this.#world.clock.nowMs;
      if (this.#world.clock.nowMs - container.noQuorumSinceMs >= noQuorumMs) {
        this.#world.containerEnds(container, exitCodes.noQuorum);
        return;
      }
      this.#watch(container);
    });
  }
}
