/** How a command gives the scheduler an order, and waits for what comes of it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ArgumentsCamelCase } from 'yargs';
import { loadSettings } from '../config/load.js';
import type { SettingName } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { openOrders } from '../store/open-store.js';
import { newOrderId, type Order } from '../store/orders.js';
import type { OrderBook } from '../store/store.js';
import type { GlobalFlags } from './global-flags.js';
import { storeSettings } from './store-settings.js';

/** What it takes to find the store. */
export const orderSettings = ['frameworkName', ...storeSettings] as const satisfies readonly SettingName[];

/** The scheduler looks for orders every second; what it does then takes the time of the order itself. */
const takenWithinMs = 10_000;
const lookEveryMs = 200;

/** Opens the orders of the scheduler that the flags name, and prints the line that `use` ends with. */
export async function withOrders(
  argv: ArgumentsCamelCase<GlobalFlags>,
  use: (book: OrderBook) => Promise<string>,
): Promise<void> {
  const settings = loadSettings({ flags: argv, env: process.env, file: argv.config }, orderSettings);
  const book = await openOrders(settings);
  try {
    process.stdout.write(`${await use(book)}\n`);
  } finally {
    book.close();
  }
}

/** @throws CodedError SCHEDULER_ABSENT */
export async function demandScheduler(book: OrderBook): Promise<void> {
  if ((await book.holder()) !== undefined) return;
  throw new CodedError('SCHEDULER_ABSENT', `no scheduler works with ${book.place}`);
}

/**
 * Gives the order, and waits.
 * @param withinMs how long it may take once the scheduler has it
 * @returns what came of it, in the scheduler's words
 * @throws CodedError that the scheduler answers with; ORDER_UNANSWERED when it does not, the order being withdrawn
 */
export async function giveOrder(book: OrderBook, order: Order, withinMs: number): Promise<string> {
  const id = newOrderId(Date.now());
  await book.give(id, order);
  const answer = await answerTo(book, id, withinMs);
  await book.withdraw(id);
  switch (answer.kind) {
    case 'done':
      return answer.words;
    case 'refused':
      throw new CodedError(answer.code, answer.words);
    case 'underWay':
      throw new CodedError(
        'ORDER_UNANSWERED',
        'the scheduler has taken the order, and does not say what came of it',
      );
    case 'none':
      throw new CodedError(
        'ORDER_UNANSWERED',
        `no scheduler has taken the order from ${book.place} within ${takenWithinMs / 1000} s: it is withdrawn`,
      );
  }
}

/**
 * As `giveOrder`, for an order that waits for a scheduler where none runs.
 * @returns undefined where none runs
 */
export async function leaveOrder(book: OrderBook, order: Order, withinMs = 0): Promise<string | undefined> {
  if ((await book.holder()) !== undefined) return giveOrder(book, order, withinMs);
  await book.give(newOrderId(Date.now()), order);
  return undefined;
}

type Answered = Exclude<Awaited<ReturnType<OrderBook['answerTo']>>, undefined> | { readonly kind: 'none' };

async function answerTo(book: OrderBook, id: string, withinMs: number): Promise<Answered> {
  const beganMs = performance.now();
  for (;;) {
    const answer = await book.answerTo(id);
    const waitMs = answer === undefined ? takenWithinMs : takenWithinMs + withinMs;
    const isOver = performance.now() - beganMs >= waitMs;
    if (answer !== undefined && (answer.kind !== 'underWay' || isOver)) return answer;
    if (isOver) return { kind: 'none' };
    await delay(lookEveryMs);
  }
}
