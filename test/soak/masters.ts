/** Two masters of one election, each behind a network of its own that misbehaves. Who leads is ordered. */
import { setTimeout as delay } from 'node:timers/promises';
import { MasterEnsemble } from '../../framework/local/master/ensemble.js';
import { EmbeddedMaster, type MasterOptions } from '../../framework/local/master/master.js';
import { Registry } from '../../framework/local/master/registry.js';
import { FaultyProxy } from '../support/faulty-proxy.js';
import type { SeededRandom } from '../support/random.js';

/** A master, and the network between it and the scheduler. */
interface Seat {
  readonly master: EmbeddedMaster;
  readonly proxy: FaultyProxy;
}

export class Masters {
  /** What hosts follow. */
  readonly ensemble: MasterEnsemble;
  /** In the scheduler's words where the masters are: `http://…,http://…`. */
  readonly setting: string;
  readonly proxies: readonly FaultyProxy[];
  #leading: Seat;
  #following: Seat;

  static async start(options: Omit<MasterOptions, 'registry'>, random: SeededRandom): Promise<Masters> {
    const registry = new Registry();
    const seat = async (): Promise<Seat> => {
      const master = await EmbeddedMaster.start({ ...options, registry });
      return { master, proxy: await FaultyProxy.start({ upstreamPort: master.port, random }) };
    };
    return new Masters(await seat(), await seat());
  }

  private constructor(leading: Seat, following: Seat) {
    this.#leading = leading;
    this.#following = following;
    this.proxies = [leading.proxy, following.proxy];
    this.setting = this.proxies.map(({ url }) => url).join(',');
    this.ensemble = new MasterEnsemble([leading.master, following.master]);
    this.#announce();
  }

  get leader(): EmbeddedMaster {
    return this.#leading.master;
  }

  /** The networks that a fault is in: the leader's own, or all. */
  networks(random: SeededRandom): readonly FaultyProxy[] {
    return random.chance(0.5) ? this.proxies : [this.#leading.proxy];
  }

  /** The leader gives up, for a time nobody leads, then the other does. */
  async handOver(electionMs: number): Promise<void> {
    const former = this.#leading.master;
    former.setLeadership({ kind: 'electing' });
    this.#following.master.setLeadership({ kind: 'electing' });
    // A real master that leads no more ends itself, and is started again.
    await former.restart({ keepRegistry: true });
    await delay(electionMs);
    this.#swap();
    this.#announce();
  }

  /** The leader is killed; the other names it until it leads itself, and only later the first is back. */
  async succeed(sessionMs: number, awayMs: number): Promise<void> {
    const former = this.#leading.master;
    await former.stop();
    former.setLeadership({ kind: 'electing' });
    await delay(sessionMs);
    this.#swap();
    this.#leading.master.setLeadership({ kind: 'leading' });
    await delay(awayMs);
    await former.restart({ keepRegistry: true });
    this.#announce();
  }

  async stop(): Promise<void> {
    for (const { proxy, master } of [this.#leading, this.#following]) {
      await proxy.stop();
      await master.stop();
    }
  }

  #swap(): void {
    [this.#leading, this.#following] = [this.#following, this.#leading];
  }

  /** Who follows sends callers to where the scheduler reaches the leader: through the proxy. */
  #announce(): void {
    const leader = new URL(this.#leading.proxy.url).host;
    this.#following.master.setLeadership({ kind: 'following', leader });
    this.#leading.master.setLeadership({ kind: 'leading' });
  }
}
