/**
 * The master's HTTP side: /api/v1/scheduler with its stream, what an operator asks, and the refusals in the words of a real
 * master (src/master/http.cpp of Mesos 1.12; captures 02, 16, 40 to 46).
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { encodeRecord } from '../../mesos/recordio.js';
import {
  type Call,
  CodecError,
  decodeCall,
  type Event,
  encodeEvent,
  formatEvent,
  parseCall,
} from '../../mesos/schema/codec.js';
import type { MasterCore } from './core.js';
import { operatorCall, operatorView, withProtocols } from './operator.js';
import type { EventStream } from './records.js';
import { validateCall } from './validation.js';

/** Whether this master leads, and who does if not. */
export type Leadership =
  | { readonly kind: 'leading' }
  /** Answers 307 with `//host:port/path` (FACTS, real master 14). */
  | { readonly kind: 'following'; readonly leader: string }
  /** Answers 503. */
  | { readonly kind: 'electing' };

export interface HttpSide {
  readonly core: () => MasterCore | undefined;
  readonly leadership: () => Leadership;
  /** Principal → secret; undefined asks nobody. */
  readonly credentials: ReadonlyMap<string, string> | undefined;
  readonly now: () => number;
}

/** Larger calls than any scheduler makes. */
const maxBodyBytes = 16 * 1024 * 1024;
const protobufType = 'application/x-protobuf';
const jsonType = 'application/json';

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export async function handleRequest(
  side: HttpSide,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await route(side, request, response);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    answerText(response, error.status, error.message, error.headers);
  }
}

async function route(side: HttpSide, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://master');
  // Every endpoint is there under the name of the process, too.
  const path = url.pathname.replace(/^\/master(?=\/)/, '').replace(/(?<=.)\/$/, '');
  if (path === '/health') return answerText(response, 200, '');
  if (path === '/api/v1/scheduler') return scheduler(side, request, response);
  const core = leadingCore(side, url);
  if (request.method === 'POST') {
    const answer = operatorCall(core, path, (await readBody(request)).toString('utf8'));
    if (answer === undefined) throw new Refusal(404, '');
    if (answer.error !== undefined) throw new Refusal(400, answer.error);
    response.writeHead(answer.status, { 'Content-Length': 0 });
    response.end();
    return;
  }
  const view = operatorView(core, path, side.now());
  if (view === undefined) throw new Refusal(404, '');
  const body = JSON.stringify(view);
  response.writeHead(200, { 'Content-Type': jsonType, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function leadingCore(side: HttpSide, url: URL): MasterCore {
  const leadership = side.leadership();
  switch (leadership.kind) {
    case 'following': {
      const path = url.pathname.startsWith('/master/') ? url.pathname : `/master${url.pathname}`;
      throw new Refusal(307, '', { Location: `//${leadership.leader}${path}${url.search}` });
    }
    case 'electing':
      throw new Refusal(503, 'No leader elected');
    case 'leading': {
      const core = side.core();
      if (core === undefined) throw new Refusal(503, 'Master has not finished recovery');
      return core;
    }
  }
}

async function scheduler(side: HttpSide, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const principal = authenticate(side, request);
  const core = leadingCore(side, new URL(request.url ?? '/', 'http://master'));
  if (request.method !== 'POST') {
    throw new Refusal(405, `Expecting one of { 'POST' }, but received '${request.method}'`, {
      Allow: 'POST',
    });
  }
  const call = readCall(request.headers['content-type'], await readBody(request));
  const invalid = validateCall(call, principal);
  if (invalid !== undefined) throw new Refusal(400, `Failed to validate scheduler::Call: ${invalid}`);
  const streamId = request.headers['mesos-stream-id'];
  if (call.type === 'SUBSCRIBE') {
    const accepted = acceptedType(request.headers.accept);
    if (streamId !== undefined)
      throw new Refusal(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header");
    core.subscribe(call, principal, openStream(core, response, accepted));
    return;
  }
  const framework = core.frameworks.get(call.framework_id?.value ?? '');
  if (framework === undefined) throw new Refusal(400, 'Framework cannot be found');
  if (principal !== undefined && principal !== framework.info.principal) {
    throw new Refusal(
      400,
      `Authenticated principal '${principal}' does not match principal '${framework.info.principal ?? ''}' set in \`FrameworkInfo\``,
    );
  }
  if (framework.connection.kind !== 'connected') throw new Refusal(403, 'Framework is not subscribed');
  if (streamId === undefined) {
    throw new Refusal(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header");
  }
  if (streamId !== framework.connection.stream.id) {
    throw new Refusal(
      400,
      `The stream ID '${streamId}' included in this request didn't match the stream ID currently associated with framework ID ${framework.id}`,
    );
  }
  if (call.type === 'UNKNOWN') throw new Refusal(501, '');
  // The answer goes out first: what the call brings about comes on the stream.
  response.writeHead(call.type === 'UPDATE_FRAMEWORK' ? 200 : 202, { 'Content-Length': 0 });
  response.end();
  core.call(framework, call);
}

function authenticate(side: HttpSide, request: IncomingMessage): string | undefined {
  if (side.credentials === undefined) return undefined;
  const given = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const [principal = '', secret] = Buffer.from(given ?? '', 'base64')
    .toString('utf8')
    .split(/:(.*)/s);
  if (secret === undefined || side.credentials.get(principal) !== secret) {
    throw new Refusal(401, '401 Unauthorized.', {
      'WWW-Authenticate': 'Basic realm="mesos-master-scheduler"',
    });
  }
  return principal;
}

function readCall(contentType: string | undefined, body: Buffer): Call {
  if (contentType === undefined) throw new Refusal(400, "Expecting 'Content-Type' to be present");
  try {
    if (contentType === protobufType) return decodeCall(body);
    if (contentType === jsonType) return parseCall(body.toString('utf8'));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    switch (error.code) {
      case 'bad-protobuf':
        throw new Refusal(400, 'Failed to parse body into Call protobuf');
      case 'bad-json':
        throw new Refusal(
          400,
          `Failed to parse body into JSON: syntax error at line ${syntaxErrorLine(body)} near: `,
        );
      case 'bad-message':
        throw new Refusal(
          400,
          error.message.startsWith('Expecting ')
            ? `Failed to validate scheduler::Call: ${error.message}`
            : `Failed to convert JSON into Call protobuf: ${error.message}`,
        );
    }
  }
  throw new Refusal(415, `Expecting 'Content-Type' of ${jsonType} or ${protobufType}`);
}

const syntaxErrorLine = (body: Buffer): number => body.toString('utf8').split('\n').length;

/** JSON where both would do (src/master/http.cpp); quality values are not weighed, as Mesos does not. */
function acceptedType(accept: string | undefined): typeof jsonType | typeof protobufType {
  const types = (accept ?? '*/*').split(',').map((type) => type.split(';')[0]?.trim() ?? '');
  const takes = (type: string) => types.some((t) => t === type || t === '*/*' || t === 'application/*');
  if (takes(jsonType)) return jsonType;
  if (takes(protobufType)) return protobufType;
  throw new Refusal(406, `Expecting 'Accept' to allow '${protobufType}' or '${jsonType}'`);
}

function openStream(
  core: MasterCore,
  response: ServerResponse,
  type: typeof jsonType | typeof protobufType,
): EventStream {
  const id = randomUUID();
  response.writeHead(200, { 'Mesos-Stream-Id': id, 'Content-Type': type });
  response.flushHeaders();
  const stream: EventStream = {
    id,
    send(event: Event) {
      if (response.writableEnded || response.destroyed) return;
      const bytes =
        type === protobufType ? encodeEvent(event) : Buffer.from(formatEvent(asJson(event)), 'utf8');
      response.write(encodeRecord(bytes));
    },
    end() {
      response.end();
    },
  };
  response.once('close', () => core.streamClosed(stream));
  return stream;
}

function asJson(event: Event): Event {
  if (event.type !== 'UPDATE') return event;
  const { container_status: container, ...status } = event.update.status;
  if (container === undefined) return event;
  return { ...event, update: { status: { ...status, container_status: withProtocols(container) } } };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new Refusal(413, '');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answerText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    ...headers,
    ...(text === '' ? {} : { 'Content-Type': 'text/plain; charset=utf-8' }),
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
