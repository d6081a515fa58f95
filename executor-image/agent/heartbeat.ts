/** Tells the cluster that this node lives: a key on a lease, renewed as long as it does. */
import { Alarm, bootClockMs } from './clock.js';
import { keys, type NodeRecord } from './directory.js';
import { messageOf } from './errors.js';
import type { EtcdMember } from './etcd/member.js';
import { Lease, LeaseGone } from './lease.js';
import type { Log } from './log.js';

/** Between two keep-alives, also of a longer TTL: they tell of a new leader, too. */
const mostMs = 1250;

export class Heartbeat {
  readonly #alarm = new Alarm();
  #lease: Lease | undefined;
  #heardAtMs: number | undefined;
  #isFading = false;

  constructor(
    readonly self: NodeRecord,
    readonly ttlS: number,
    readonly etcd: EtcdMember,
    readonly log: Log,
  ) {}

  /** Whether the cluster has heard this node within its TTL. */
  get heard(): boolean {
    return this.#heardAtMs !== undefined && bootClockMs() - this.#heardAtMs < this.ttlS * 1000;
  }

  /** Is heard now, if it can be: the own member has just become one that serves, say. */
  nudge(): void {
    if (!this.heard) this.#alarm.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    const everyMs = Math.min((this.ttlS * 1000) / 4, mostMs);
    while (!signal.aborted) {
      if (this.etcd.serves) {
        await this.#beat().catch((error) => {
          if (error instanceof LeaseGone) {
            this.#lease = undefined;
            this.#heardAtMs = undefined;
          }
          this.etcd.nudge();
          this.log.debug(`not heard: ${messageOf(error)}`);
        });
      }
      await this.#alarm.wait(this.heard ? everyMs : Math.min(200, everyMs), signal);
    }
  }

  async #beat(): Promise<void> {
    if (this.#lease === undefined) {
      if (this.#isFading) return;
      const lease = await Lease.grant(this.etcd, this.ttlS);
      await lease.put(keys.heartbeat(this.self.node), JSON.stringify(this.self));
      this.#lease = lease;
      this.#heardAtMs = lease.grantedAtMs;
    } else {
      const kept = await this.#lease.keepAlive();
      this.#heardAtMs = kept.startedAtMs;
      this.etcd.heard(kept);
    }
  }

  /**
   * Once it is missed, it stays so: this node is about to go. Were it paused now and heard again afterwards, another would
   * take it for a member, and leave beside it.
   */
  fade(): void {
    this.#isFading = true;
  }

  /** Says that this node goes. */
  async leave(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#heardAtMs = undefined;
    await lease?.revoke();
  }
}
