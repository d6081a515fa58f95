/**
 * What an operator wants of the scheduler, left beside the record: whoever may write the state may give an order, and nobody else,
 * whether a scheduler runs or not. It is read within a second, carried out, and answered.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type ErrorCode, errorTable } from '../errors.js';

export type Order =
  /** The task's container is gone for certain. */
  | { readonly kind: 'confirmDead'; readonly taskId: string }
  /**
   * The notebook is to go to node `to`, or to the best one. Only within so many seconds of `givenAt` (ISO 8601): carried out later, it
   * would come as a surprise.
   */
  | {
      readonly kind: 'handOver';
      readonly to?: number;
      readonly givenAt: string;
      readonly withinS: number;
    }
  /** Automation is frozen from now on. `since` is ISO 8601. */
  | { readonly kind: 'pause'; readonly since: string; readonly reason?: string }
  /** … and goes on. */
  | { readonly kind: 'resume' };

export type OrderAnswer =
  /** Taken, and not to be taken again: a scheduler that ends now leaves it at this. */
  | { readonly kind: 'underWay' }
  | { readonly kind: 'done'; readonly words: string }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly words: string };

/** An order as the scheduler finds it. */
export interface GivenOrder {
  readonly id: string;
  /** Undefined for one that this release does not understand. */
  readonly order: Order | undefined;
}

/** For so long an answer is kept that nobody takes. */
export const answersKeptS = 600;

const order: z.ZodType<Order> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('confirmDead'), taskId: z.string().min(1) }),
  z.strictObject({
    kind: z.literal('handOver'),
    to: z.int().min(0).exactOptional(),
    givenAt: z.iso.datetime(),
    withinS: z.number().positive(),
  }),
  z.strictObject({
    kind: z.literal('pause'),
    since: z.iso.datetime(),
    reason: z.string().exactOptional(),
  }),
  z.strictObject({ kind: z.literal('resume') }),
]);

const errorCode = z.custom<ErrorCode>((code) => typeof code === 'string' && Object.hasOwn(errorTable, code));
const answer: z.ZodType<OrderAnswer> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('underWay') }),
  z.object({ kind: z.literal('done'), words: z.string() }),
  z.object({ kind: z.literal('refused'), code: errorCode, words: z.string() }),
]);

/** One that no other order has; in the order of time. */
export function newOrderId(nowMs: number): string {
  return `${String(nowMs).padStart(15, '0')}-${randomBytes(4).toString('hex')}`;
}

/** Whether `name` is an order's id, as a file's or a key's name. */
export const isOrderId = (name: string): boolean => /^\d{15}-[0-9a-f]{8}$/.test(name);

export const readOrder = (id: string, text: string): GivenOrder => ({ id, order: parsed(order, text) });

/** Undefined for what is no answer of this release's. */
export const readAnswer = (text: string): OrderAnswer | undefined => parsed(answer, text);

function parsed<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
