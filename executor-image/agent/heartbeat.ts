/** Tells the cluster that this node lives: a key on a lease, renewed as long as it does. */
import { bootClockMs, sleep } from './clock.js';
import { keys, type NodeRecord } from './directory.js';
import { messageOf } from './errors.js';
import type { EtcdMember } from './etcd/member.js';
import { Lease, LeaseGone } from './lease.js';
import type { Log } from './log.js';

export class Heartbeat {
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

  async run(signal: AbortSignal): Promise<void> {
    const everyMs = (this.ttlS * 1000) / 4;
    while (!signal.aborted) {
      if (this.etcd.serves) {
        await this.#beat().catch((error) => {
          if (error instanceof LeaseGone) this.#lease = undefined;
          this.log.debug(`not heard: ${messageOf(error)}`);
        });
      }
      await sleep(this.heard ? everyMs : Math.min(200, everyMs), signal);
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
      this.#heardAtMs = (await this.#lease.keepAlive()).startedAtMs;
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
