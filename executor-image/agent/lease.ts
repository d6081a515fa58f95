/** A lease on the own member, renewed by calls of our own: etcd3 tells of a lost one after up to twice its TTL only. */
import type { Etcd3, ICompare, ILeaseKeepAliveResponse, IRequestOp } from 'etcd3';
import { bootClockMs } from './clock.js';
import type { ClientSource } from './etcd/client.js';

const answerWithinMs = 1000;

export interface KeptAlive {
  readonly startedAtMs: number;
  readonly term: string;
  /** etcd's, when the member took the keep-alive. */
  readonly revision: string;
}

/** Asked of a lease that is no more. */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone';
}

/** What has to be so of another key, in the very transaction. */
export type Proviso =
  | { readonly key: string; readonly is: 'there' | 'absent' }
  | { readonly key: string; readonly is: 'value'; readonly value: string };

function compareOf(proviso: Proviso): ICompare {
  const key = Buffer.from(proviso.key);
  switch (proviso.is) {
    case 'there':
      return { result: 'Greater', target: 'Create', key, create_revision: 0 };
    case 'absent':
      return { result: 'Equal', target: 'Create', key, create_revision: 0 };
    case 'value':
      return { result: 'Equal', target: 'Value', key, value: Buffer.from(proviso.value) };
  }
}

export class Lease {
  #renewals: Renewals | undefined;

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
   * Renews it once; one renewal at a time.
   * @throws LeaseGone when it has run out or was revoked.
   */
  async keepAlive(): Promise<KeptAlive> {
    const startedAtMs = bootClockMs();
    const { TTL, header } = await (await this.#open()).renew(this.id);
    if (TTL === '0') {
      this.stopRenewing();
      throw new LeaseGone(`lease ${this.id} is no more`);
    }
    return { startedAtMs, term: header.raft_term, revision: header.revision };
  }

  async #open(): Promise<Renewals> {
    const { client } = this.source;
    // The client is another one after the certificate was renewed.
    if (this.#renewals?.client !== client) this.stopRenewing();
    if (!this.#renewals?.isOpen)
      this.#renewals = new Renewals(client, await client.leaseClient.leaseKeepAlive());
    return this.#renewals;
  }

  /**
   * Creates `key` on this lease unless it is there, and only where all `provisos` hold; says whether it was created.
   * @param alongside another key that then gets the same value, on no lease
   */
  async createKey(
    key: string,
    value: string,
    provisos: readonly Proviso[],
    alongside?: string,
  ): Promise<boolean> {
    const put = (name: string, lease?: string): IRequestOp => ({
      request_put: { key: Buffer.from(name), value: Buffer.from(value), ...(lease && { lease }) },
    });
    const { succeeded } = await this.source.client.kv.txn({
      compare: [{ key, is: 'absent' } as const, ...provisos].map(compareOf),
      success: [put(key, this.id), ...(alongside === undefined ? [] : [put(alongside)])],
    });
    return succeeded;
  }

  async put(key: string, value: string): Promise<void> {
    await this.source.client.kv.put({ key: Buffer.from(key), value: Buffer.from(value), lease: this.id });
  }

  /** It is left to run out. */
  stopRenewing(): void {
    this.#renewals?.end();
    this.#renewals = undefined;
  }

  /** Ends it, and its keys with it. */
  async revoke(): Promise<void> {
    this.stopRenewing();
    await this.source.client.leaseClient.leaseRevoke({ ID: this.id });
  }
}

type Stream = Awaited<ReturnType<Etcd3['leaseClient']['leaseKeepAlive']>>;

interface Question {
  readonly answer: (response: ILeaseKeepAliveResponse) => void;
  readonly fail: (error: Error) => void;
}

/** A call to etcd that stays open from one renewal to the next, since most of a renewal's work would be to open it. */
class Renewals {
  isOpen = true;
  #question: Question | undefined;

  constructor(
    readonly client: Etcd3,
    readonly stream: Stream,
  ) {
    stream.on('data', (response) => this.#question?.answer(response));
    stream.on('error', (error) => this.#close(error));
    stream.on('end', () => this.#close(new Error('etcd ended the keep-alives')));
  }

  async renew(id: string): Promise<ILeaseKeepAliveResponse> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((answer, fail) => {
        this.#question = { answer, fail };
        timer = setTimeout(() => {
          // What still comes on it must not pass for the answer to a later keep-alive.
          this.#close(new Error(`etcd did not answer a keep-alive within ${answerWithinMs} ms`));
          this.stream.cancel();
        }, answerWithinMs);
        this.stream.write({ ID: id });
      });
    } finally {
      clearTimeout(timer);
      this.#question = undefined;
    }
  }

  end(): void {
    this.#close(new Error('these keep-alives are over'));
    this.stream.end();
  }

  #close(why: Error): void {
    this.isOpen = false;
    this.#question?.fail(why);
  }
}
