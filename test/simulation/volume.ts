/** The shared volume's trusted directory, as each host's mount shows it: it may hang, fail, die, or show new names late. */
import { generationFileName } from '../../executor-image/contract.js';
import type { Host } from './mesos.js';
import type { World } from './world.js';

/** GlusterFS shows a new name at once; its caches may take a few seconds where they are on (FACTS, GlusterFS). */
const latestNameMs = 3_000;

/** What one host's mount does. */
interface Mount {
  hungUntilMs: number;
  /** ENOTCONN, as with two of three bricks gone. */
  failsUntilMs: number;
  /** New names are not listed before they are this old. */
  lateMs: number;
  /** How many times the volume was mounted here before: a container keeps the mount that it began with. */
  earlier: number;
  /** The process that serves the present mount has ended. */
  isDead: boolean;
}

export class Volume {
  /** The founders in each generation's file, and when it was linked to its name. */
  readonly #files = new Map<number, { readonly founders: string; readonly sinceMs: number }>();
  readonly #mounts = new Map<Host, Mount>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  #mount(host: Host): Mount {
    let mount = this.#mounts.get(host);
    if (mount === undefined) {
      mount = { hungUntilMs: 0, failsUntilMs: 0, lateMs: 0, earlier: 0, isDead: false };
      this.#mounts.set(host, mount);
    }
    return mount;
  }

  hang(host: Host, forMs: number): void {
    this.#mount(host).hungUntilMs = this.#world.clock.nowMs + forMs;
  }

  fail(host: Host, forMs: number): void {
    this.#mount(host).failsUntilMs = this.#world.clock.nowMs + forMs;
  }

  /** The mount's process ends; what the host mounts after a while is another mount. */
  kill(host: Host, forMs: number): void {
    const mount = this.#mount(host);
    if (mount.isDead) return;
    mount.isDead = true;
    const { earlier } = mount;
    this.#world.clock.in(forMs, () => {
      if (mount.earlier === earlier) this.mountAgain(host);
    });
  }

  /** The host mounts the volume. */
  mountAgain(host: Host): void {
    const mount = this.#mount(host);
    mount.earlier += 1;
    mount.isDead = false;
  }

  /** Which mount a container gets that is started on the host now. */
  mountOf(host: Host): number {
    return this.#mount(host).earlier;
  }

  isDead(host: Host, mount: number): boolean {
    const { earlier, isDead } = this.#mount(host);
    return mount < earlier || isDead;
  }

  showLate(host: Host): void {
    this.#mount(host).lateMs = this.#world.random.between(0, latestNameMs);
  }

  /** How long a call that begins now takes to be answered. */
  delayMs(host: Host): number {
    return Math.max(0, this.#mount(host).hungUntilMs - this.#world.clock.nowMs);
  }

  isFailing(host: Host): boolean {
    return this.#mount(host).failsUntilMs > this.#world.clock.nowMs;
  }

  /** The names that the host's mount lists now. */
  list(host: Host): string[] {
    const before = this.#world.clock.nowMs - this.#mount(host).lateMs;
    const names: string[] = [];
    for (const [generation, { sinceMs }] of this.#files) {
      if (sinceMs <= before) names.push(generationFileName(generation));
    }
    return names;
  }

  /** `link`: the first one wins. Says whose the file is. */
  claim(generation: number, founders: string): string {
    const there = this.#files.get(generation);
    if (there !== undefined) return there.founders;
    this.#files.set(generation, { founders, sinceMs: this.#world.clock.nowMs });
    return founders;
  }
}
