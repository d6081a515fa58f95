/** The truth of the simulated world: which containers really run, and which of them make a quorum. */
import { exitCodes } from '../../executor-image/contract.js';
import type { World } from './world.js';

/** A node agent that is no voter ends when it has found no quorum for this long. */
const noQuorumMs = 120_000;
/** A container whose executor is gone ends by itself after this (DESIGN, An orphan). */
const orphanMs = 60_000;
/** Between two looks at the volume, and at whether there is a quorum to join. */
const lookMs = 5_000;

export interface Container {
  readonly taskId: string;
  readonly node: number;
  readonly generation: number;
  readonly founders: readonly string[];
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
  /** The generations' files on the shared volume: who founded each. */
  readonly #files = new Map<number, string>();
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
      founders: task.founders,
      founder: task.founders.includes(task.taskId),
      host: task.host,
      startedMs: this.#world.clock.nowMs,
      running: true,
      orphan: false,
      voter: false,
      noQuorumSinceMs: undefined,
    };
    this.all.push(container);
    // The node agent comes up, and looks at the volume before anything else.
    this.#world.clock.in(1_000, () => {
      if (!container.running) return;
      const code = this.#look(container);
      if (code !== undefined) return this.#world.containerEnds(container, code);
      if (!this.#voters.has(container.generation)) {
        this.#voters.set(container.generation, new Map(container.founders.map((id, node) => [node, id])));
      }
      // A founder that comes late, after another has taken its node's place, joins like any other.
      container.voter = this.#voters.get(container.generation)?.get(container.node) === container.taskId;
      this.#watch(container);
    });
    return container;
  }

  /** The exit code with which a node agent ends that sees another founding on the volume (DESIGN, Founding). */
  #look({ founder, founders, generation }: Container): number | undefined {
    if (Math.max(0, ...this.#files.keys()) > generation) {
      return founder ? exitCodes.numberTaken : exitCodes.generationPast;
    }
    if (!founder) return undefined;
    const name = founders.join();
    const there = this.#files.get(generation) ?? name;
    this.#files.set(generation, there);
    return there === name ? undefined : exitCodes.numberTaken;
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
    if (former !== undefined && former !== container) former.voter = false;
  }

  /** A node agent's life: it ends when the volume shows a later founding, joins where there is a quorum, or gives up. */
  #watch(container: Container): void {
    this.#world.clock.in(lookMs, () => {
      if (!container.running) return;
      const code = this.#look(container);
      if (code !== undefined) return this.#world.containerEnds(container, code);
      if (!container.voter) {
        if (this.hasQuorum(container.generation) && !this.#world.isCutOff(container.host)) {
          this.#join(container);
        } else {
          container.noQuorumSinceMs ??= this.#world.clock.nowMs;
          if (this.#world.clock.nowMs - container.noQuorumSinceMs >= noQuorumMs) {
            return this.#world.containerEnds(container, exitCodes.noQuorum);
          }
        }
      }
      this.#watch(container);
    });
  }
}
