/** The rules of leaving (DESIGN, *Leaving* is for one node at a time), checked on what really happens. */
import type { Container } from './containers.js';
import { heartbeatTtlMs } from './etcd.js';
import { Violation, type World } from './world.js';

/** An orphan needs a minute to notice, a node waits for its leave for 10 min, and the volume may hang meanwhile. */
const mostAwakeMs = 13 * 60_000;
/** Who has waited for so long may go whatever the others do: a little less than the rule has it, for clocks that are fast. */
const patienceMs = 590_000;
/** From the transaction to its answer. */
const lockTakesMs = 4_000;
/** Whoever may leave takes a free lock within so long. */
const takesLockWithinMs = 3_000;

interface Departure {
  readonly container: Container;
  endedMs?: number;
}

export class Departures {
  /** Those for which the others have to wait. */
  readonly #departures: Departure[] = [];
  readonly #due = new Set<Container>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** The container has to end now, with whose leave soever. */
  isDue(container: Container): void {
    if (!container.running || this.#due.has(container)) return;
    this.#due.add(container);
    this.#checkEnd(container, container.awakeMs + mostAwakeMs);
  }

  #checkEnd(container: Container, latestAwakeMs: number): void {
    this.#world.clock.in(Math.max(1_000, latestAwakeMs - container.awakeMs), () => {
      if (!container.running) return;
      if (container.awakeMs < latestAwakeMs) return this.#checkEnd(container, latestAwakeMs);
      // In a pause nobody leaves, and the waiting begins anew after it.
      if (this.#world.wasPausedWithin(mostAwakeMs))
        return this.#checkEnd(container, container.awakeMs + mostAwakeMs);
      throw new Violation(`${container.taskId} has to leave, and runs on`);
    });
  }

  /** A node agent goes of its own accord. */
  begins(container: Container): void {
    const { awakeMs, agent, voter } = container;
    const waitedMs = awakeMs - (agent.wantsToLeaveFromMs ?? awakeMs);
    if (!voter || waitedMs >= patienceMs || this.#world.addresses.length === 1) return;
    this.#checkAlone(container);
    this.#checkOthers(container);
    this.#checkHolderIsLast(container);
    this.#departures.push({ container });
  }

  ends(container: Container): void {
    this.#due.delete(container);
    const departure = this.#departures.find((one) => one.container === container);
    if (departure !== undefined) departure.endedMs = this.#world.clock.nowMs;
  }

  #checkAlone(container: Container): void {
    for (const { container: other, endedMs } of this.#departures) {
      if (other.generation !== container.generation) continue;
      if (this.#isFollowed(other, endedMs)) continue;
      throw new Violation(`${container.taskId} leaves while ${other.taskId} does`);
    }
  }

  /**
   * Whether it costs the cluster nothing any more: it has ended and its heartbeat has been missed, or a successor is a member,
   * as of one that was paused half-way and lives on.
   */
  #isFollowed(container: Container, endedMs = Number.POSITIVE_INFINITY): boolean {
    const { node, generation } = container;
    const others = this.#world.containers.at(node).filter((one) => one !== container);
    return (
      this.#world.clock.nowMs - endedMs >= heartbeatTtlMs ||
      others.some((one) => one.generation === generation && one.voter)
    );
  }

  #checkOthers({ taskId, node, agent: { process } }: Container): void {
    for (const other of this.#world.addresses.keys()) {
      if (other !== node && !process?.cluster.wasLive(other, lockTakesMs)) {
        throw new Violation(`${taskId} leaves while no member of node ${other} is heard`);
      }
    }
  }

  /** Another that is to leave, too, and could, goes before the holder. */
  #checkHolderIsLast(container: Container): void {
    const cluster = container.agent.process?.cluster;
    const { nowMs } = this.#world.clock;
    if (cluster?.notebook?.taskId !== container.taskId) return;
    // It may have come to hold it while it asked for the lock.
    if (nowMs - cluster.notebook.sinceMs < lockTakesMs) return;
    for (const other of this.#world.containers.running) {
      const { agent, awakeMs, awakeSinceMs } = other;
      const heardSinceMs = cluster.heardSinceMs(other);
      if (other === container || agent.wantsToLeaveFromMs === undefined || heardSinceMs === undefined)
        continue;
      const sinceMs = Math.max(heardSinceMs, awakeSinceMs, nowMs - awakeMs + agent.wantsToLeaveFromMs);
      if (nowMs - sinceMs < takesLockWithinMs) continue;
      throw new Violation(`${container.taskId} holds the notebook and leaves before ${other.taskId}`);
    }
  }
}
