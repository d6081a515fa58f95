/** The other side of the server: asks a scheduler for its status. */
import { z } from 'zod';
import { CodedError, messageOf } from '../errors.js';
import type { Health } from './health.js';
import { type SchedulerStatus, schedulerStatus } from './status.js';

/** One that is well answers in milliseconds. */
const askTimeoutMs = 5_000;

const healthAnswer: z.ZodType<Health> = z.object({ healthy: z.boolean(), reason: z.string() });

/**
 * @param origin `http://HOST:PORT`
 * @throws CodedError STATUS_UNREACHABLE
 */
export async function askHealth(origin: string): Promise<Health> {
  return (await ask(`${origin}/healthz`, healthAnswer)).value;
}

/**
 * @returns the answer as it came, and as this release understands it
 * @throws CodedError STATUS_UNREACHABLE
 */
export async function askStatus(origin: string): Promise<{ answer: unknown; status: SchedulerStatus }> {
  const { answer, value } = await ask(`${origin}/status`, schedulerStatus);
  return { answer, status: value };
}

async function ask<T>(url: string, schema: z.ZodType<T>): Promise<{ answer: unknown; value: T }> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(askTimeoutMs) });
    text = await response.text();
  } catch (error) {
    throw new CodedError('STATUS_UNREACHABLE', `nothing answers at ${url}: ${causeOf(error)}`);
  }
  const answer = parsed(text);
  const result = schema.safeParse(answer);
  if (result.success) return { answer, value: result.data };
  const of = isLater(answer)
    ? 'a later release'
    : `no scheduler of mesos-jupyter (status code ${response.status})`;
  throw new CodedError('STATUS_UNREACHABLE', `what answers at ${url} is ${of}`);
}

/** fetch's own words are "fetch failed". */
function causeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `not within ${askTimeoutMs / 1000} s`;
  return messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isLater = (answer: unknown): boolean => z.object({ format: z.int().min(2) }).safeParse(answer).success;
