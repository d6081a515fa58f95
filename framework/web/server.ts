/**
 * The scheduler's HTTP server: `GET /healthz` and `GET /status`, both JSON. It reads only, holds no secret and changes nothing, so that
 * a page of another origin which gets at it by DNS rebinding learns no more than one that may connect; what is to change anything must
 * look at `Host` first.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { CodedError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Health } from './health.js';
import type { SchedulerStatus } from './status.js';

export interface WebOptions {
  /** IP address to listen at; 127.0.0.1 is listened at in any case. */
  readonly address: string;
  /** TCP port; 0 for any that is free. */
  readonly port: number;
  readonly health: () => Health;
  readonly status: () => SchedulerStatus;
  readonly logger: Logger;
}

export interface WebServer {
  readonly port: number;
  /** Ends connections, too. */
  close(): Promise<void>;
}

/** Mesos' health checks come to it, in the task's own network namespace (FACTS, Marathon 4). */
const loopback = '127.0.0.1';
/** A request here is one small line; whoever is slower holds a connection for nothing. */
const requestTimeoutMs = 10_000;
const mostConnections = 200;

/** @throws CodedError PORT_TAKEN, or CONFIG_INVALID for an address that is not this machine's */
export async function startWebServer(options: WebOptions): Promise<WebServer> {
  const { address, logger } = options;
  const first = await listen(options, address, options.port);
  const { port } = first.address() as AddressInfo;
  const servers = [first];
  try {
    // Everywhere, and IPv6's everywhere, include it.
    if (!['0.0.0.0', '::', loopback].includes(address)) servers.push(await listen(options, loopback, port));
  } catch (error) {
    await closeAll(servers);
    throw error;
  }
  logger.info(`status at ${urlOf(address, port)}/status`);
  return { port, close: () => closeAll(servers) };
}

/** Of a server that listens there. */
export function urlOf(host: string, port: number): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

async function listen(options: WebOptions, address: string, port: number): Promise<Server> {
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });
  server.maxConnections = mostConnections;
  server.on('request', (request, response) => answer(request, response, options));
  server.listen({ host: address, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(error as NodeJS.ErrnoException, address, port);
  }
  return server;
}

function cannotListen(error: NodeJS.ErrnoException, address: string, port: number): CodedError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new CodedError(
        'PORT_TAKEN',
        `port ${port} at ${address}, where the status is to be served, is in use, by another scheduler perhaps: give another with --http-port (0: any)`,
      );
    case 'EACCES':
      return new CodedError(
        'CONFIG_INVALID',
        `httpPort ${port} is one that only root may listen at: give one above 1023`,
      );
    default:
      return new CodedError(
        'CONFIG_INVALID',
        `httpAddress ${address} cannot be listened at (${error.code ?? error.message}): give an address of this machine, or 0.0.0.0 for all`,
      );
  }
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    }),
  );
}

interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

function answer(request: IncomingMessage, response: ServerResponse, options: WebOptions): void {
  const { status, body, headers } = answerTo(request, options);
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  // Node leaves the body of an answer to HEAD away by itself.
  response.end(text);
}

const routes: ReadonlyMap<string, (options: WebOptions) => Answer> = new Map([
  [
    '/healthz',
    ({ health }: WebOptions): Answer => {
      const body = health();
      return { status: body.healthy ? 200 : 503, body };
    },
  ],
  ['/status', ({ status }: WebOptions): Answer => ({ status: 200, body: status() })],
]);

function answerTo({ method = '', url = '' }: IncomingMessage, options: WebOptions): Answer {
  const route = routes.get(url.split('?')[0] ?? '');
  if (route === undefined) {
    return { status: 404, body: { error: `not found; there is ${[...routes.keys()].join(' and ')}` } };
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, body: { error: 'GET and HEAD only' }, headers: { Allow: 'GET, HEAD' } };
  }
  try {
    return route(options);
  } catch (error) {
    // A defect in telling must not end the scheduling.
    options.logger.error(`${url} cannot be answered: ${messageOf(error)}`);
    return { status: 500, body: { error: 'a defect; the log says more' } };
  }
}
