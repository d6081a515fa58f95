/** A Mesos client of few words over raw HTTP: one call and its answer, or one subscription and what comes on its stream. */
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { RecordReader } from '../../framework/mesos/recordio.js';
import {
  type Call,
  decodeEvent,
  type Event,
  encodeCall,
  formatCall,
  parseEvent,
  type TaskStatus,
} from '../../framework/mesos/schema/codec.js';

export const codecs = ['application/json', 'application/x-protobuf'] as const;
export type Codec = (typeof codecs)[number];
export type Headers = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Longer than anything that is waited for takes on a busy machine: a pull that fails, the 10 s until an update comes again. */
const waitLimitMs = 60_000;

function open(
  url: string,
  method: string,
  body: string | Uint8Array,
  headers: Headers,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = request(url, { method, headers, agent: false });
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end(body);
  });
}

export async function ask(
  method: 'GET' | 'POST',
  url: string,
  headers: Headers = {},
  body: string | Uint8Array = '',
): Promise<Answer> {
  const message = await open(url, method, body, headers);
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  const { statusCode = 0, headers: answered } = message;
  return { status: statusCode, headers: answered, body: Buffer.concat(chunks).toString('utf8') };
}

export const encoded = (call: Call, codec: Codec): string | Uint8Array =>
  codec === 'application/json' ? formatCall(call) : encodeCall(call);

/** One subscription. Nothing is consumed: whoever waits looks at all that has come so far. */
export class Subscription {
  readonly events: Event[] = [];
  readonly headers: IncomingHttpHeaders;
  readonly status: number;
  readonly streamId: string;
  readonly codec: Codec;
  readonly #url: string;
  readonly #headers: Headers;
  readonly #message: IncomingMessage;
  readonly #watchers = new Set<() => void>();
  #isEnded = false;

  /** Rejects where the answer is no stream. */
  static async open(options: {
    readonly master: string;
    readonly call: Extract<Call, { type: 'SUBSCRIBE' }>;
    readonly codec: Codec;
    /** Codec of the stream, where it is another than the call's. */
    readonly accept?: Codec;
    readonly headers?: Headers;
  }): Promise<Subscription> {
    const { master, call, codec, accept = codec, headers = {} } = options;
    const url = `${master}/api/v1/scheduler`;
    const message = await open(url, 'POST', encoded(call, codec), {
      ...headers,
      'Content-Type': codec,
      Accept: accept,
    });
    if (message.statusCode !== 200) {
      message.destroy();
      throw new Error(`SUBSCRIBE was answered ${message.statusCode}`);
    }
    return new Subscription(url, codec, accept, headers, message);
  }

  private constructor(url: string, codec: Codec, accept: Codec, headers: Headers, message: IncomingMessage) {
    this.#url = url;
    this.codec = codec;
    this.#headers = headers;
    this.#message = message;
    this.headers = message.headers;
    this.status = message.statusCode ?? 0;
    this.streamId = String(message.headers['mesos-stream-id']);
    const reader = new RecordReader({ maxRecordBytes: 10_000_000 });
    message.on('data', (chunk: Buffer) => {
      for (const record of reader.push(chunk)) {
        this.events.push(
          accept === 'application/json'
            ? parseEvent(Buffer.from(record).toString('utf8'))
            : decodeEvent(record),
        );
      }
      this.#tell();
    });
    message.once('close', () => {
      this.#isEnded = true;
      this.#tell();
    });
    message.on('error', () => {});
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Runs after each arrival, until the function that it gives back is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  get frameworkId(): string {
    const subscribed = this.events.find((event) => event.type === 'SUBSCRIBED');
    return subscribed?.type === 'SUBSCRIBED' ? subscribed.subscribed.framework_id.value : '';
  }

  /** What `look` gives of the events so far, as soon as it gives something; also an end of the stream is looked at. */
  until<T>(what: string, look: (events: readonly Event[], isEnded: boolean) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (work: () => void) => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        work();
      };
      const watcher = () => {
        const found = look(this.events, this.#isEnded);
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#isEnded) settle(() => reject(this.#disappointed(what, 'the stream ended')));
      };
      const timer = setTimeout(
        () => settle(() => reject(this.#disappointed(what, `${waitLimitMs / 1000} s passed`))),
        waitLimitMs,
      );
      this.#watchers.add(watcher);
      watcher();
    });
  }

  #disappointed(what: string, why: string): Error {
    return new Error(`${why} while waiting for ${what}; came: ${this.events.map(inWords).join(', ')}`);
  }

  type<Type extends Event['type']>(type: Type): Promise<Extract<Event, { type: Type }>> {
    return this.until(
      type,
      (events) => events.find((event) => event.type === type) as Extract<Event, { type: Type }> | undefined,
    );
  }

  get ended(): Promise<true> {
    return this.until('the end of the stream', (_, isEnded) => isEnded || undefined);
  }

  call(call: Call, headers: Headers = {}): Promise<Answer> {
    const whole: Call = { framework_id: { value: this.frameworkId }, ...call };
    return ask(
      'POST',
      this.#url,
      { ...this.#headers, 'Content-Type': this.codec, 'Mesos-Stream-Id': this.streamId, ...headers },
      encoded(whole, this.codec),
    );
  }

  async acknowledge({ task_id, agent_id, uuid }: TaskStatus): Promise<void> {
    if (uuid === undefined || agent_id === undefined) return;
    await this.call({ type: 'ACKNOWLEDGE', acknowledge: { task_id, agent_id, uuid } });
  }

  /** Breaks the connection, as a scheduler that dies. */
  close(): void {
    this.#message.destroy();
  }
}

/** `UPDATE TASK_RUNNING`, or the type alone. */
export const inWords = (event: Event): string =>
  event.type === 'UPDATE' ? `UPDATE ${event.update.status.state}` : event.type;
