/** One subscription: SUBSCRIBE and the stream of events that answers it, in protobuf. Our own, since the package loses events. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createConnection, isIP, type Socket } from 'node:net';
import { connect as connectSecurely, type TLSSocket } from 'node:tls';
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
  const exchange = await post(
    new URL('/api/v1/scheduler', master),
    formatCall({
      type: 'SUBSCRIBE',
      ...(frameworkInfo.id !== undefined && { framework_id: frameworkInfo.id }),
      subscribe: { framework_info: frameworkInfo },
    }),
    transport,
    signal,
  );
  const { response } = exchange;
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
  return { streamId, events: readEvents(exchange) };
}

async function* readEvents({ socket, response, abandon, reason }: Exchange): AsyncGenerator<Event> {
  const reader = new RecordReader({ maxRecordBytes });
  try {
    for await (const chunk of response) {
      const { records, broken } = take(reader, chunk as Uint8Array);
      for (const record of records) {
        const event = decodeEvent(record);
        if (event.type === 'SUBSCRIBED') {
          const everyS = event.subscribed.heartbeat_interval_seconds ?? defaultHeartbeatS;
          watchSilence(socket, everyS * heartbeatsMissed * 1000, abandon);
        }
        yield event;
      }
      if (broken !== undefined) throw broken;
    }
    if (!reader.atBoundary) throw new Error('the stream ended in the middle of an event');
  } catch (error) {
    throw reason() ?? error;
  } finally {
    abandon();
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

interface Exchange {
  readonly socket: Socket;
  readonly response: IncomingMessage;
  /** Ends the connection at once; also by the signal, and by silence. */
  readonly abandon: (reason?: Error) => void;
  /** Why it was ended on our side, if it was. */
  readonly reason: () => Error | undefined;
}

function post(url: URL, body: string, transport: Transport, signal: AbortSignal): Promise<Exchange> {
  const { authorization, tls } = transport;
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    // A connection of its own: the stream occupies it for as long as it lasts.
    const connection = connect(url);
    const socket = secure ? secured(connection, url, tls) : connection;
    const request = (secure ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      createConnection: () => socket,
      headers: {
        'content-type': 'application/json',
        accept: 'application/x-protobuf',
        connection: 'close',
        ...(authorization !== undefined && { authorization }),
      },
    });
    let why: Error | undefined;
    // With a reset, for nothing that is still on its way may arrive later: after a network was away, the kernel would go on
    // sending a SUBSCRIBE that we have given up, and the master would take it for another scheduler's that replaces us.
    const abandon = (reason?: Error): void => {
      signal.removeEventListener('abort', aborted);
      why ??= reason;
      // One that either side has ended brings nothing more, and the system refuses to reset it.
      if (!(socket.destroyed || socket.readableEnded || socket.writableEnded)) connection.resetAndDestroy();
      request.destroy(reason);
    };
    const aborted = (): void => abandon(asError(signal.reason));
    signal.addEventListener('abort', aborted);
    request.on('error', (error) => reject(why ?? error));
    request.on('close', () => signal.removeEventListener('abort', aborted));
    request.on('response', (response) => resolve({ socket, response, abandon, reason: () => why }));
    // Armed from the moment of connecting: a half-open connection must not hang for ever.
    watchSilence(socket, firstSilenceMs, abandon);
    request.end(body);
  });
}

const connect = ({ hostname, port, protocol }: URL): Socket =>
  createConnection({ host: bare(hostname), port: Number(port || (protocol === 'https:' ? 443 : 80)) });

function secured(connection: Socket, { hostname }: URL, tls: Transport['tls']): TLSSocket {
  const host = bare(hostname);
  // A name is sent along, which an address must not be (RFC 6066).
  return connectSecurely({ ...tls, socket: connection, host, ...(isIP(host) === 0 && { servername: host }) });
}

/** A URL has an IPv6 address in brackets. */
const bare = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

function watchSilence(socket: Socket, silenceMs: number, abandon: (reason: Error) => void): void {
  socket.removeAllListeners('timeout');
  socket.setTimeout(silenceMs, () => {
    abandon(new Error(`nothing from the master for ${silenceMs / 1000} s`));
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
