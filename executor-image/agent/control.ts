/** Control calls: by mutual TLS, from the scheduler's key alone, each naming the task that it is for. Others are counted. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { fingerprintOf } from '../certificates.js';
import {
  type ControlCall,
  controlPath,
  type NodeStatus,
  ports,
  type Refusal,
  readControlCall,
  refusals,
  type TaskEnvironment,
} from '../contract.js';
import { messageOf } from './errors.js';
import type { Log } from './log.js';
import type { PauseRecord } from './pause.js';
import type { Credentials } from './trust/credentials.js';

/** A call is a line of JSON. */
const longestCall = 4096;
/** The scheduler needs one connection at a time. */
const mostConnections = 32;
const silenceMs = 5000;

/** What calls do here; each resolves with what there is to say of it. */
export interface ControlHandlers {
  readonly revokeLeases: (deadTaskId: string) => Promise<string>;
  readonly handOver: (to: number | undefined) => Promise<string>;
  readonly pause: (pause: PauseRecord) => Promise<string>;
  readonly resume: () => Promise<string>;
}

export class Control {
  #taken = 0;
  readonly #refused = Object.fromEntries(refusals.map((refusal) => [refusal, 0])) as Record<Refusal, number>;
  #server: Server | undefined;

  constructor(
    readonly task: Pick<TaskEnvironment, 'taskId' | 'schedulerKey'>,
    readonly handlers: ControlHandlers,
    readonly log: Log,
  ) {}

  /** How many calls came; for the status. */
  get counts(): NodeStatus['control'] {
    return { taken: this.#taken, refused: { ...this.#refused } };
  }

  /** @param port of the contract; tests choose their own */
  async listen(credentials: Credentials, port: number = ports.control): Promise<Server> {
    const server = createServer(
      {
        ...shown(credentials),
        minVersion: 'TLSv1.3',
        // Any certificate is looked at, and its key compared: the scheduler's is of its own making.
        requestCert: true,
        rejectUnauthorized: false,
        // Strangers that say nothing are not to keep the scheduler out.
        handshakeTimeout: silenceMs,
        headersTimeout: silenceMs,
        requestTimeout: silenceMs,
        connectionsCheckingInterval: silenceMs,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server = server;
    server.maxConnections = mostConnections;
    server.on('tlsClientError', (error) => this.#refuse('noTls', messageOf(error)));
    credentials.onRenewed(() => server.setSecureContext(shown(credentials)));
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject);
      server.listen(port, '0.0.0.0', resolve);
    });
    return server;
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = (request.socket as TLSSocket).getPeerX509Certificate()?.publicKey;
    // Who shows a certificate has its private key: TLS saw to that.
    if (key === undefined || fingerprintOf(key) !== this.task.schedulerKey) {
      const whose = key === undefined ? 'no key' : `the key ${fingerprintOf(key)}`;
      return this.#deny(response, 403, 'wrongKey', `${whose} is not the scheduler's`);
    }
    const call = await readCall(request);
    if (call === undefined) {
      return this.#deny(
        response,
        400,
        'malformed',
        `this is no control call: POST ${controlPath} with its JSON`,
      );
    }
    const { taskId } = this.task;
    if (call.taskId !== taskId) {
      return this.#deny(response, 409, 'wrongTask', `the call is for task ${call.taskId}, this is ${taskId}`);
    }
    if (call.call === 'revokeLeases' && call.deadTaskId === taskId) {
      return this.#deny(response, 409, 'wrongTask', `task ${taskId} lives: it says so itself`);
    }
    this.#taken += 1;
    try {
      send(response, 200, { taskId, done: await this.#carryOut(call) });
    } catch (error) {
      this.log.warn(`control call ${call.call}: ${messageOf(error)}`);
      send(response, 503, { taskId, error: messageOf(error) });
    }
  }

  async #carryOut(call: ControlCall): Promise<string> {
    switch (call.call) {
      case 'hello':
        return 'heard';
      case 'revokeLeases':
        return this.handlers.revokeLeases(call.deadTaskId);
      case 'handOver':
        return this.handlers.handOver(call.to);
      case 'pause': {
        const { since, reason } = call;
        return this.handlers.pause({ since, ...(reason === undefined ? {} : { reason }) });
      }
      case 'resume':
        return this.handlers.resume();
    }
  }

  #deny(response: ServerResponse, status: number, refusal: Refusal, why: string): void {
    this.#refuse(refusal, why);
    send(response, status, { error: why });
  }

  #refuse(refusal: Refusal, why: string): void {
    this.#refused[refusal] += 1;
    // The first of each kind, and then fewer and fewer: strangers do not fill the log.
    const count = this.#refused[refusal];
    if ((count & (count - 1)) === 0) this.log.warn(`refused a control call (${count} so far): ${why}`);
  }
}

/** With the CA's certificate behind the node's own, so that the scheduler gets to know it. */
function shown(credentials: Credentials): { cert: string; key: string } {
  const { ca, cert, key } = credentials.tls;
  return { cert: cert + ca, key };
}

async function readCall(request: IncomingMessage): Promise<ControlCall | undefined> {
  if (request.method !== 'POST' || request.url !== controlPath) return undefined;
  let text = '';
  try {
    for await (const part of request.setEncoding('utf8')) {
      text += part;
      if (text.length > longestCall) return undefined;
    }
  } catch {
    return undefined;
  }
  return readControlCall(text);
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}
