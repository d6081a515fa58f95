/** Events per second: our reading of a stream, in both codecs, and mesos-framework's, of the same events. */
import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import mesosFramework from 'mesos-framework';
// Also takes the package's logger away, which would write files and take its time.
import '../../framework/mesos/calls.js';
import { encodeRecord, RecordReader } from '../../framework/mesos/recordio.js';
import {
  decodeEvent,
  type Event,
  encodeEvent,
  formatEvent,
  parseEvent,
} from '../../framework/mesos/schema/codec.js';
import { subscribe } from '../../framework/mesos/subscription.js';
import { capturedEvents, offerEvents } from './events.js';
import type { Feed } from './feeder.js';
import type { Row } from './table.js';

/** What a read of a socket gives at most. */
const chunkBytes = 64 * 1024;

interface Streams {
  readonly events: number;
  readonly protobuf: readonly Uint8Array[];
  readonly json: readonly Uint8Array[];
}

/** Mixed as a busy master's: the captures again and again, an OFFERS of ten hosts between them. */
function mixedStreams(repeats: number): Streams {
  const captured = capturedEvents();
  const events: Event[] = [
    { type: 'SUBSCRIBED', subscribed: { framework_id: { value: 'f' }, heartbeat_interval_seconds: 15 } },
  ];
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    for (const event of captured) if (isForBoth(event)) events.push(event);
    events.push(...offerEvents(100, 10));
  }
  return {
    events: events.length,
    protobuf: events.map((event) => encodeRecord(encodeEvent(event))),
    json: events.map((event) => encodeRecord(Buffer.from(formatEvent(event)))),
  };
}

/**
 * Neither a second SUBSCRIBED nor an ERROR, which begin or end something in the package, nor what it does not know: it takes
 * an event that is newer than itself for one that cannot be parsed.
 */
function isForBoth({ type }: Event): boolean {
  switch (type) {
    case 'OFFERS':
    case 'RESCIND':
    case 'UPDATE':
    case 'MESSAGE':
    case 'FAILURE':
    case 'HEARTBEAT':
      return true;
    default:
      return false;
  }
}

const joined = (records: readonly Uint8Array[]): Uint8Array[] => {
  const whole = Buffer.concat(records);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += chunkBytes) chunks.push(whole.subarray(at, at + chunkBytes));
  return chunks;
};

interface Outcome {
  readonly events: number;
  readonly ms: number;
}
interface Contestant {
  readonly name: string;
  read(): Promise<Outcome>;
}

function inMemory(
  name: string,
  chunks: readonly Uint8Array[],
  decode: (record: Uint8Array) => Event,
): Contestant {
  return {
    name,
    async read() {
      const reader = new RecordReader({ maxRecordBytes: 64 * 2 ** 20 });
      let events = 0;
      const started = performance.now();
      for (const chunk of chunks) {
        for (const record of reader.push(chunk)) {
          decode(record);
          events += 1;
        }
      }
      return { events, ms: performance.now() - started };
    },
  };
}

class Feeder {
  readonly #worker = new Worker(new URL('feeder.js', import.meta.url));
  port = 0;

  static async start(): Promise<Feeder> {
    const feeder = new Feeder();
    [feeder.port] = (await once(feeder.#worker, 'message')) as [number];
    return feeder;
  }
  async load(feed: Feed): Promise<void> {
    const ready = once(this.#worker, 'message');
    this.#worker.postMessage(feed);
    await ready;
  }
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

function ours(name: string, feed: Feeder, pieces: readonly Uint8Array[]): Contestant {
  return {
    name,
    async read() {
      await feed.load({ pieces });
      let events = 0;
      const started = performance.now();
      const stream = await subscribe({
        master: new URL(`http://127.0.0.1:${feed.port}`),
        transport: { tls: {} },
        frameworkInfo: { user: 'root', name: 'bench' },
        signal: new AbortController().signal,
      });
      for await (const _ of stream.events) events += 1;
      return { events, ms: performance.now() - started };
    },
  };
}

/** Makes every request be answered with these pieces, each as a chunk of its own. Gives back what undoes that. */
function answerFromMemory(pieces: readonly Uint8Array[]): () => void {
  const original = http.request;
  http.request = ((_: object, answered: (response: IncomingMessage) => void) => {
    const request = Object.assign(new EventEmitter(), { write() {}, end() {} });
    const response = Object.assign(new EventEmitter(), {
      statusCode: 200,
      headers: { 'mesos-stream-id': 'stream' },
      setEncoding() {},
    });
    setImmediate(() => {
      answered(response as unknown as IncomingMessage);
      for (const piece of pieces)
        response.emit('data', Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('utf8'));
      response.emit('end');
    });
    return request as unknown as ClientRequest;
  }) as typeof http.request;
  return () => {
    http.request = original;
  };
}

/** Its handlers are replaced by empty ones, which it provides for: reading is compared, not answering. */
function packages(name: string, pieces: readonly Uint8Array[], feed?: Feeder): Contestant {
  return {
    name,
    async read() {
      await feed?.load({ pieces });
      let events = 0;
      const count = (_: unknown): void => {
        events += 1;
      };
      const handlers = Object.fromEntries(
        ['SUBSCRIBED', 'OFFERS', 'RESCIND', 'UPDATE', 'MESSAGE', 'FAILURE', 'HEARTBEAT'].map((type) => [
          type,
          count,
        ]),
      );
      const Scheduler = mesosFramework.Scheduler as unknown as new (
        options: object,
      ) => InstanceType<typeof mesosFramework.Scheduler> & { subscribe(): void };
      const scheduler = new Scheduler({
        masterUrl: '127.0.0.1',
        port: feed?.port ?? 1,
        frameworkName: 'bench',
        handlers,
      });
      scheduler.on('error', () => {});
      const subscribeOnce = scheduler.subscribe.bind(scheduler);
      const ended = new Promise<void>((resolve) => {
        // At the stream's end it would subscribe again.
        scheduler.subscribe = () => resolve();
      });
      const restore = feed === undefined ? answerFromMemory(pieces) : () => {};
      try {
        const started = performance.now();
        subscribeOnce();
        await ended;
        return { events, ms: performance.now() - started };
      } finally {
        restore();
      }
    },
  };
}

export async function benchDecoding(rounds: number): Promise<Row[]> {
  const { events, protobuf, json } = mixedStreams(20);
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-bench-'));
  mkdirSync(join(scratch, 'logs'));
  const feed = await Feeder.start();
  try {
    const contestants: Contestant[] = [
      inMemory('ours, protobuf, from memory', joined(protobuf), decodeEvent),
      inMemory('ours, JSON, from memory', joined(json), (record) =>
        parseEvent(Buffer.from(record.buffer, record.byteOffset, record.length).toString('utf8')),
      ),
      ours('ours, protobuf, over HTTP, as large chunks', feed, joined(protobuf)),
      ours('ours, protobuf, over HTTP, one record a chunk', feed, protobuf),
      packages('mesos-framework, JSON, from memory, one record a chunk', json),
      packages('mesos-framework, JSON, over HTTP, one record a chunk', json, feed),
      packages('mesos-framework, JSON, over HTTP, as large chunks', joined(json), feed),
    ];
    const outcomes = contestants.map((): Outcome[] => []);
    for (let round = -1; round < rounds; round += 1) {
      // Another one begins in each round, so that none has always the same before it.
      for (let turn = 0; turn < contestants.length; turn += 1) {
        const at = (turn + Math.max(0, round)) % contestants.length;
        const outcome = await contestants[at]?.read();
        // The first round warms up.
        if (outcome !== undefined && round >= 0) outcomes[at]?.push(outcome);
      }
    }
    const bytes = (records: readonly Uint8Array[]) => records.reduce((sum, { length }) => sum + length, 0);
    const mean = { protobuf: bytes(protobuf) / events, json: bytes(json) / events };
    return contestants.map(({ name }, at) => {
      const of = outcomes[at] ?? [];
      const seen = of.map(({ events: count }) => count / events);
      const lost = 1 - seen.reduce((sum, share) => sum + share, 0) / seen.length;
      const size = Math.round(name.includes('JSON') ? mean.json : mean.protobuf);
      return {
        name,
        unit: 'events/s',
        samples: of.map(({ events: count, ms }) => (count / ms) * 1000),
        note: `${size} bytes an event${lost > 0 ? `; ${(lost * 100).toFixed(lost > 0.1 ? 0 : 2)} % of the events lost` : ''}`,
      };
    });
  } finally {
    await feed.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}
