/** Single questions to a master or a Mesos agent, each with a time limit: what an operator's endpoint answers, redirections unfollowed. */
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { messageOf } from '../errors.js';
import { type Transport, tlsAdvice } from './transport.js';

export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly body: string;
      /** Of a 307. */
      readonly location: string | undefined;
    }
  /** No answer, or not all of it in time. */
  | { readonly kind: 'silent'; readonly why: string };

export interface Question {
  readonly url: URL;
  readonly transport: Transport;
  /** Sent as JSON by POST; without it the question is a GET. */
  readonly body?: string;
  readonly timeoutMs: number;
}

/** The state of ten thousand tasks is some 50 MB. */
const mostBytes = 256 * 1024 * 1024;

/** Never rejects: no answer is an answer, too. */
export function ask({ url, transport, body, timeoutMs }: Question): Promise<Answer> {
  const { authorization, tls } = transport;
  const signal = AbortSignal.timeout(timeoutMs);
  const silent = (error: unknown): Answer => {
    if (signal.aborted) return { kind: 'silent', why: `no answer within ${timeoutMs / 1000} s` };
    const advice = tlsAdvice(error, url);
    return { kind: 'silent', why: advice === undefined ? wordsOf(error) : `${wordsOf(error)}: ${advice}` };
  };
  const options: RequestOptions = {
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    signal,
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(authorization !== undefined && { authorization }),
    },
  };
  return new Promise((resolve) => {
    const request =
      url.protocol === 'https:' ? httpsRequest(url, { ...options, ...tls }) : httpRequest(url, options);
    request.on('error', (error) => resolve(silent(error)));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > mostBytes) response.destroy(new Error(`an answer of more than ${mostBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', (error) => resolve(silent(error)));
      response.on('end', () =>
        resolve({
          kind: 'answered',
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          location: response.headers.location,
        }),
      );
    });
    request.end(body);
  });
}

/** Where the connection was tried at several addresses of a name, Node's error has no words of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return error.errors.map(messageOf).join(', ');
  return messageOf(error);
}

/** Where a 307 points to, as an origin. Its `Location` has no scheme (FACTS, scheduler API 1). */
export function redirectedTo(location: string | undefined, asked: URL): URL | undefined {
  if (location === undefined || !URL.canParse(location, asked.href)) return undefined;
  return new URL(new URL(location, asked).origin);
}
