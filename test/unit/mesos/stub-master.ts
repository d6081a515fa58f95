/** An HTTP server that stands in for a master in tests of one connection: it records calls, and says what it is told to. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { encodeRecord } from '../../../framework/mesos/recordio.js';
import { type Call, type Event, encodeEvent, parseCall } from '../../../framework/mesos/schema/codec.js';

export interface Received {
  readonly call: Call;
  /** The body as it came. */
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
}

type Answer = (received: Received, response: ServerResponse) => void;

export class StubMaster {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #streams: ServerResponse[] = [];
  #waiting: (() => void)[] = [];
  /** Answers SUBSCRIBE; by default opens a stream as framework f-1. */
  onSubscribe: Answer = (_, response) => this.open(response);
  /** Answers every other call. */
  onCall: Answer = (_, response) => void response.writeHead(202).end();

  private constructor(readonly tls: ServerOptions | undefined) {
    const take = (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response);
    this.#server = tls === undefined ? createServer(take) : createSecureServer(tls, take);
  }

  /** @param tls with it, the master speaks https */
  static async start(tls?: ServerOptions): Promise<StubMaster> {
    const master = new StubMaster(tls);
    master.#server.listen(0, '127.0.0.1');
    await once(master.#server, 'listening');
    return master;
  }

  get url(): string {
    return `${this.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Begins a stream with SUBSCRIBED. */
  open(response: ServerResponse, streamId = 'stream-1', heartbeatS = 15): void {
    response.writeHead(200, { 'content-type': 'application/x-protobuf', 'mesos-stream-id': streamId });
    this.#streams.push(response);
    this.say({
      type: 'SUBSCRIBED',
      subscribed: { framework_id: { value: 'f-1' }, heartbeat_interval_seconds: heartbeatS },
    });
  }

  /** Events on the newest stream, in one chunk. */
  say(...events: Event[]): void {
    this.#streams.at(-1)?.write(Buffer.concat(events.map((event) => encodeRecord(encodeEvent(event)))));
  }

  endStream(): void {
    this.#streams.at(-1)?.end();
  }

  breakStream(): void {
    this.#streams.at(-1)?.destroy();
  }

  /** The calls of one type, once there are `count` of them. */
  async calls(type: Call['type'], count = 1): Promise<Received[]> {
    for (;;) {
      const found = this.received.filter(({ call }) => call.type === type);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const received: Received = { call: parseCall(text), text, headers: request.headers };
    this.received.push(received);
    if (received.call.type === 'SUBSCRIBE') this.onSubscribe(received, response);
    else this.onCall(received, response);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
