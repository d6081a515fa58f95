/** A scheduler of few words over real HTTP, on Node's own client: sends calls, collects events, waits for them. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { RecordReader } from '../../../framework/mesos/recordio.js';
import {
  type Call,
  decodeEvent,
  type Event,
  encodeCall,
  type FrameworkInfo,
  formatCall,
  type Offer,
  parseEvent,
  type TaskState,
  type TaskStatus,
} from '../../../framework/mesos/schema/codec.js';

export type Codec = 'application/json' | 'application/x-protobuf';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export const frameworkInfo: FrameworkInfo = {
  user: 'root',
  name: 'test',
  failover_timeout: 3600,
  checkpoint: true,
  roles: ['jupyter'],
  capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }, { type: 'TASK_KILLING_STATE' }],
};

const waitLimitMs = 20_000;

/** Without a body of its own type: that is put in. */
export async function post(
  url: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const message = await open(url, body, headers);
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function open(
  url: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(url, { method: 'POST', headers, agent: false });
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end(body);
  });
}

export class TestScheduler {
  readonly events: Event[] = [];
  /** Offers that were neither answered nor taken back. */
  readonly outstanding = new Map<string, Offer>();
  streamId = '';
  frameworkId = '';
  /** Resolves when the stream has ended, in whichever way. */
  readonly ended: Promise<void>;
  readonly #url: string;
  readonly #codec: Codec;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #message: IncomingMessage;
  #watchers: (() => void)[] = [];
  #seen = 0;

  static async subscribe(
    masterUrl: string,
    options: {
      readonly info?: Partial<FrameworkInfo>;
      readonly codec?: Codec;
      readonly suppressedRoles?: string[];
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<TestScheduler> {
    const codec = options.codec ?? 'application/json';
    const info = { ...frameworkInfo, ...options.info };
    const call: Call = {
      type: 'SUBSCRIBE',
      ...(info.id === undefined ? {} : { framework_id: info.id }),
      subscribe: {
        framework_info: info,
        ...(options.suppressedRoles === undefined ? {} : { suppressed_roles: options.suppressedRoles }),
      },
    };
    const url = `${masterUrl}/api/v1/scheduler`;
    const headers = options.headers ?? {};
    const message = await open(url, encoded(call, codec), {
      'Content-Type': codec,
      Accept: codec,
      ...headers,
    });
    if (message.statusCode !== 200) throw new Error(`SUBSCRIBE was answered ${message.statusCode}`);
    return new TestScheduler(url, codec, headers, message);
  }

  private constructor(
    url: string,
    codec: Codec,
    headers: Readonly<Record<string, string>>,
    message: IncomingMessage,
  ) {
    this.#url = url;
    this.#codec = codec;
    this.#headers = headers;
    this.#message = message;
    this.streamId = String(message.headers['mesos-stream-id']);
    const reader = new RecordReader({ maxRecordBytes: 10_000_000 });
    message.on('data', (chunk: Buffer) => {
      for (const record of reader.push(chunk)) {
        const event =
          codec === 'application/json'
            ? parseEvent(Buffer.from(record).toString('utf8'))
            : decodeEvent(record);
        if (event.type === 'SUBSCRIBED') this.frameworkId = event.subscribed.framework_id.value;
        this.#track(event);
        this.events.push(event);
      }
      for (const watcher of this.#watchers) watcher();
    });
    this.ended = new Promise((resolve) => {
      message.once('close', () => {
        resolve();
        for (const watcher of this.#watchers) watcher();
      });
    });
    message.on('error', () => {});
  }

  #track(event: Event): void {
    if (event.type === 'OFFERS')
      for (const offer of event.offers.offers ?? []) this.outstanding.set(offer.id.value, offer);
    if (event.type === 'RESCIND') this.outstanding.delete(event.rescind.offer_id.value);
  }

  /** All that is on offer of a host, once something is. */
  async offersOf(hostname: string): Promise<Offer[]> {
    for (;;) {
      const offers = [...this.outstanding.values()].filter((offer) => offer.hostname === hostname);
      if (offers.length > 0) return offers;
      await this.type('OFFERS');
    }
  }

  /** Breaks the connection, as a scheduler that dies. */
  close(): void {
    this.#message.destroy();
  }

  call(call: Call, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    if (call.type === 'ACCEPT')
      for (const id of call.accept.offer_ids ?? []) this.outstanding.delete(id.value);
    if (call.type === 'DECLINE')
      for (const id of call.decline.offer_ids ?? []) this.outstanding.delete(id.value);
    const whole: Call = { framework_id: { value: this.frameworkId }, ...call };
    return post(this.#url, encoded(whole, this.#codec), {
      'Content-Type': this.#codec,
      'Mesos-Stream-Id': this.streamId,
      ...this.#headers,
      ...headers,
    });
  }

  /** The first event after the last one that was waited for of which `pick` gives something. */
  next<T>(what: string, pick: (event: Event) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        while (this.#seen < this.events.length) {
          const event = this.events[this.#seen] as Event;
          this.#seen += 1;
          const picked = pick(event);
          if (picked === undefined) continue;
          done();
          resolve(picked);
          return;
        }
        if (this.#message.destroyed) fail(`the stream ended`);
      };
      const fail = (why: string) => {
        done();
        const types = this.events.map((e) =>
          e.type === 'UPDATE' ? `${e.type}:${e.update.status.state}` : e.type,
        );
        reject(new Error(`${why} while waiting for ${what}; events: ${types.join(' ')}`));
      };
      const timer = setTimeout(() => fail(`${waitLimitMs} ms passed`), waitLimitMs);
      const done = () => {
        clearTimeout(timer);
        this.#watchers = this.#watchers.filter((watcher) => watcher !== look);
      };
      this.#watchers.push(look);
      look();
    });
  }

  type<Type extends Event['type']>(type: Type): Promise<Extract<Event, { type: Type }>> {
    return this.next(type, (event) =>
      event.type === type ? (event as Extract<Event, { type: Type }>) : undefined,
    );
  }

  async offers(): Promise<Offer[]> {
    return (await this.type('OFFERS')).offers.offers ?? [];
  }

  async offer(hostname?: string): Promise<Offer> {
    return this.next(`an offer${hostname === undefined ? '' : ` of ${hostname}`}`, (event) =>
      event.type === 'OFFERS'
        ? event.offers.offers?.find((offer) => hostname === undefined || offer.hostname === hostname)
        : undefined,
    );
  }

  /** The next update of that state; acknowledged unless told otherwise. */
  async update(
    state: TaskState,
    options: { readonly acknowledge?: boolean; readonly task?: string } = {},
  ): Promise<TaskStatus> {
    const status = await this.next(`an update ${state}`, (event) =>
      event.type === 'UPDATE' &&
      event.update.status.state === state &&
      (options.task === undefined || event.update.status.task_id.value === options.task)
        ? event.update.status
        : undefined,
    );
    if (options.acknowledge !== false) await this.acknowledge(status);
    return status;
  }

  async acknowledge(status: TaskStatus): Promise<void> {
    if (status.uuid === undefined || status.agent_id === undefined) return;
    const { task_id, agent_id, uuid } = status;
    await this.call({ type: 'ACKNOWLEDGE', acknowledge: { task_id, agent_id, uuid } });
  }

  /** Everything that came so far counts as seen: the next wait is for something new. */
  skip(): void {
    this.#seen = this.events.length;
  }
}

const encoded = (call: Call, codec: Codec): string | Uint8Array =>
  codec === 'application/json' ? formatCall(call) : encodeCall(call);
