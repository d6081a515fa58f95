/** A lease on the own member, renewed by calls of our own: etcd3 tells of a lost one after up to twice its TTL only. */
import type { ICompare, IRequestOp } from 'etcd3';
import { bootClockMs } from './clock.js';
import type { ClientSource } from './etcd/client.js';

const answerWithinMs = 1000;

export interface KeptAlive {
  readonly startedAtMs: number;
  readonly term: string;
}

/** Asked of a lease that is no more. */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone';
}

export class Lease {
  private constructor(
    readonly source: ClientSource,
    readonly id: string,
    readonly grantedAtMs: number,
  ) {}

  static async grant(source: ClientSource, ttlS: number): Promise<Lease> {
    const startedAtMs = bootClockMs();
    const { ID } = await source.client.leaseClient.leaseGrant({ TTL: ttlS });
    return new Lease(source, ID, startedAtMs);
  }

  /**
   * Renews it once.
   * @throws LeaseGone when it has run out or was revoked.
   */
  async keepAlive(): Promise<KeptAlive> {
    const startedAtMs = bootClockMs();
    const stream = await this.source.client.leaseClient.leaseKeepAlive({
      deadline: Date.now() + answerWithinMs,
    });
    try {
      return await new Promise<KeptAlive>((resolve, reject) => {
        stream.on('data', (response) => {
          if (response.TTL === '0') reject(new LeaseGone(`lease ${this.id} is no more`));
          else resolve({ startedAtMs, term: response.header.raft_term });
        });
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('etcd ended the keep-alive without an answer')));
        stream.write({ ID: this.id });
      });
    } finally {
      stream.end();
    }
  }

  /** Creates `key` on this lease unless it is there, and only if all of `required` are; says whether it was created. */
  async createKey(key: string, value: string, ...required: readonly string[]): Promise<boolean> {
    const put: IRequestOp = {
      request_put: { key: Buffer.from(key), value: Buffer.from(value), lease: this.id },
    };
    const { succeeded } = await this.source.client.kv.txn({
      compare: [
        { result: 'Equal', target: 'Create', key: Buffer.from(key), create_revision: 0 },
        ...required.map(
          (name): ICompare => ({
            result: 'Greater',
            target: 'Create',
            key: Buffer.from(name),
            create_revision: 0,
          }),
        ),
      ],
      success: [put],
    });
    return succeeded;
  }

  async put(key: string, value: string): Promise<void> {
    await this.source.client.kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: this.id });
  }

  /** Ends it, and its keys with it. */
  async revoke(): Promise<void> {
    await this.source.client.leaseClient.leaseRevoke({ ID: this.id });
  }
}
