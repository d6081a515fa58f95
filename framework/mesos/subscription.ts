/** One subscription: SUBSCRIBE and the stream of events that answers it, in protobuf. Our own, since the package loses events. */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { RecordIoError, RecordReader } from './recordio.js';
import { decodeEvent, type Event, type FrameworkInfo, formatCall } from './schema/codec.js';
import type { Transport } from './transport.js';

/** Offers of ten thousand hosts are some 10 MB. */
const maxRecordBytes = 64 * 1024 * 1024;
/** A master answers SUBSCRIBE at once, and the first heartbeat follows (FACTS, scheduler API 1): before it, silence is short. */
const firstSilenceMs = 20_000;
/** Missed heartbeats until a stream counts as dead (FACTS, scheduler API 1). */
const heartbeatsMissed = 5;
const defaultHeartbeatS = 15;

/** The master's answer was not a stream. */
export class SubscriptionRefused extends Error {
  override readonly name = 'SubscriptionRefused';
  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Its `Location`, for a 307. */
    readonly location: string | undefined,
    message: string,
  ) {
    super(message);
  }
}

export interface Stream {
  readonly streamId: string;
  /** Ends when the master ends the stream; throws when it breaks or falls silent. */
  readonly events: AsyncIterable<Event>;
}

export interface SubscribeOptions {
  readonly master: URL;
  readonly transport: Transport;
  readonly frameworkInfo: FrameworkInfo;
  readonly signal: AbortSignal;
}

/**
 * @throws SubscriptionRefused when the master answers something else than 200
 * @throws Error when no answer comes
 */
export async function subscribe({
  master,
  transport,
  frameworkInfo,
  signal,
}: SubscribeOptions): Promise<Stream> {
  const { request, response } = await post(
    new URL('/api/v1/scheduler', master),
    formatCall({
      type: 'SUBSCRIBE',
      ...(frameworkInfo.id !== undefined && { framework_id: frameworkInfo.id }),
      subscribe: { framework_info: frameworkInfo },
    }),
    transport,
    signal,
  );
  const streamId = response.headers['mesos-stream-id'];
  if (response.statusCode !== 200 || typeof streamId !== 'string') {
    const text = await readText(response);
    throw new SubscriptionRefused(
      response.statusCode ?? 0,
      response.headers.location,
      response.statusCode === 200
        ? 'the answer has no Mesos-Stream-Id'
        : `status ${response.statusCode}${text && `: ${text}`}`,
    );
  }
  return { streamId, events: readEvents(request, response) };
}

async function* readEvents(request: ClientRequest, response: IncomingMessage): AsyncGenerator<Event> {
  const reader = new RecordReader({ maxRecordBytes });
  try {
    for await (const chunk of response) {
      const { records, broken } = take(reader, chunk as Uint8Array);
      for (const record of records) {
        const event = decodeEvent(record);
        if (event.type === 'SUBSCRIBED') {
          const everyS = event.subscribed.heartbeat_interval_seconds ?? defaultHeartbeatS;
          watchSilence(request, everyS * heartbeatsMissed * 1000);
        }
        yield event;
      }
      if (broken !== undefined) throw broken;
    }
    if (!reader.atBoundary) throw new Error('the stream ended in the middle of an event');
  } finally {
    request.destroy();
  }
}

/** The records of a chunk, those before the place where the framing breaks too: an event that came whole is not lost. */
function take(
  reader: RecordReader,
  chunk: Uint8Array,
): { records: readonly Uint8Array[]; broken?: RecordIoError } {
  try {
    return { records: reader.push(chunk) };
  } catch (error) {
    if (!(error instanceof RecordIoError)) throw error;
    return { records: error.records, broken: error };
  }
}

function post(
  url: URL,
  body: string,
  { authorization, tls }: Transport,
  signal: AbortSignal,
): Promise<{ request: ClientRequest; response: IncomingMessage }> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, {
      method: 'POST',
      signal,
      // A connection of its own: the stream occupies it for as long as it lasts.
      agent: false,
      ...tls,
      headers: {
        'content-type': 'application/json',
        accept: 'application/x-protobuf',
        ...(authorization !== undefined && { authorization }),
      },
    });
    request.on('error', reject);
    request.on('response', (response) => resolve({ request, response }));
    // Armed from the moment of connecting: a half-open connection must not hang for ever.
    watchSilence(request, firstSilenceMs);
    request.end(body);
  });
}

function watchSilence(request: ClientRequest, silenceMs: number): void {
  request.setTimeout(silenceMs, () => {
    request.destroy(new Error(`nothing from the master for ${silenceMs / 1000} s`));
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > 4096) break;
  }
  response.destroy();
  return text.trim();
}
