/** An operator's order that Jupyter moves: who is to be told of it, by what the nodes say, and what came of it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeStatus } from '../../executor-image/contract.js';
import type { Recipient } from '../cluster/model.js';
import { CodedError, messageOf } from '../errors.js';
import type { Answer } from './client.js';

/** A node as the scheduler knows it, and what its node agent just said. */
export interface AskedNode {
  readonly number: number;
  /** Its task that runs; absent where none does. */
  readonly recipient?: Recipient;
  /** Of that very task; absent where it does not answer. */
  readonly status?: NodeStatus;
}

/** What stands in the way of a hand-over. */
class Obstacle extends CodedError {
  constructor(
    why: string,
    /** Whether to try again: a node may only have been slow to answer, or about to be ready. */
    readonly mayPass = true,
  ) {
    super('HAND_OVER_REFUSED', `the notebook stays where it is: ${why}`);
  }
}

/** A node that answers. */
export type HeardNode = Required<AskedNode>;

/**
 * The holder, which is to be told.
 * @param to the node that is to have the notebook; the best one where it is absent
 * @throws CodedError NODE_UNKNOWN, or HAND_OVER_REFUSED with what stands in the way
 */
export function holderToTell(nodes: readonly AskedNode[], to: number | undefined): HeardNode {
  const target = to === undefined ? undefined : nodes.find(({ number }) => number === to);
  if (to !== undefined && target === undefined) {
    throw new CodedError('NODE_UNKNOWN', `there is no node ${to}: there are 0 to ${nodes.length - 1}`);
  }
  const running = nodes.filter(({ recipient }) => recipient !== undefined);
  if (running.length === 0) throw new Obstacle('no node runs, as far as the scheduler knows now');
  const heard = running.filter(isHeard);
  if (heard.length === 0) {
    throw new Obstacle(
      'no node answers the scheduler, which has to reach them for this: run it on a host whose network lets it (docs/hosts.md), or end the holder with "docker stop"',
    );
  }
  const holder = heard.find(isHolder);
  if (holder === undefined) throw new Obstacle(whyNoHolder(running, heard));
  if (target !== undefined) refuseUnfit(target, holder.number);
  return holder;
}

const isHeard = (node: AskedNode): node is HeardNode =>
  node.recipient !== undefined && node.status !== undefined;

function whyNoHolder(running: readonly AskedNode[], heard: readonly HeardNode[]): string {
  const said = new Set(heard.flatMap(({ status }) => status.notebook.holderTaskId ?? []));
  const silent = running.find(({ recipient }) => recipient !== undefined && said.has(recipient.taskId));
  return silent === undefined
    ? 'no node holds the notebook now'
    : `node ${silent.number} holds the notebook, and does not answer the scheduler`;
}

function refuseUnfit({ number, recipient, status }: AskedNode, holder: number): void {
  if (number === holder) throw new Obstacle(`node ${number} holds the notebook already`, false);
  if (recipient === undefined) throw new Obstacle(`node ${number} does not run`);
  if (status === undefined) throw new Obstacle(`node ${number} does not answer the scheduler`);
  if (!status.ready) throw new Obstacle(`node ${number} is not ready: ${status.reason}`);
  if (!status.volume.fresh) throw new Obstacle(`node ${number} does not see the shared volume`);
}

export interface HandOverDependencies {
  /** Asks all nodes now. */
  readonly ask: () => Promise<readonly AskedNode[]>;
  /** Sends the control call; rejects where no answer comes. */
  readonly tell: (holder: Recipient, to: number | undefined) => Promise<Answer>;
  readonly signal: AbortSignal;
}

const askEveryMs = 250;
/** For so long an obstacle that may pass is waited for. */
const insistForMs = 10_000;

/**
 * Has the holder give the notebook away, and waits until Jupyter answers at another node.
 * @returns what came of it, in words
 * @throws CodedError NODE_UNKNOWN, HAND_OVER_REFUSED, or HAND_OVER_UNFINISHED when it took longer than `withinMs`
 */
export async function handOver(
  to: number | undefined,
  withinMs: number,
  dependencies: HandOverDependencies,
): Promise<string> {
  const { ask, signal } = dependencies;
  const beganMs = performance.now();
  const holder = await tellHolder(to, beganMs + Math.min(insistForMs, withinMs), dependencies);
  let nodes: readonly AskedNode[] = [];
  while (!signal.aborted && performance.now() - beganMs < withinMs) {
    nodes = await ask();
    const next = nodes.filter(isHeard).find(isServing);
    if (next !== undefined && next.recipient.taskId !== holder.recipient.taskId) {
      const took = ((performance.now() - beganMs) / 1000).toFixed(1);
      return `Jupyter answers at node ${next.number} (${next.recipient.address}) now; it came from node ${holder.number} in ${took} s`;
    }
    await delay(askEveryMs, undefined, { signal }).catch(() => undefined);
  }
  const now = nodes.filter(isHeard).find(isHolder);
  throw new CodedError(
    'HAND_OVER_UNFINISHED',
    `node ${holder.number} was told, and ${Math.round(withinMs / 1000)} s later ${
      now === undefined
        ? 'no node that answers holds the notebook'
        : `node ${now.number} holds the notebook, its Jupyter ${now.status.notebook.state}`
    }`,
  );
}

/** @returns who was told, and has taken it, or may have */
async function tellHolder(
  to: number | undefined,
  untilMs: number,
  { ask, tell, signal }: HandOverDependencies,
): Promise<HeardNode> {
  let first: HeardNode | undefined;
  for (;;) {
    try {
      const nodes = await ask();
      // Told once, it may have gone before it was told again.
      const now = nodes.filter(isHeard).find(isHolder);
      if (first !== undefined && now !== undefined && now.number !== first.number) return first;
      const holder = holderToTell(nodes, to);
      first ??= holder;
      const answer = await tell(holder.recipient, to).catch((error: unknown) => {
        // Where it was heard and only the answer is missing, what happens says so.
        if (error instanceof Error && /TimeoutError|AbortError/.test(error.name)) return undefined;
        throw new Obstacle(`node ${holder.number} cannot be told (${messageOf(error)})`);
      });
      if (answer === undefined || answer.status === 200) return holder;
      throw new Obstacle(`node ${holder.number} answers: ${wordsOf(answer)}`, answer.status === 503);
    } catch (error) {
      const isOver = signal.aborted || performance.now() >= untilMs;
      if (isOver || !(error instanceof Obstacle) || !error.mayPass) throw error;
      await delay(askEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

const isHolder = ({ status, recipient }: HeardNode): boolean =>
  status.notebook.holderTaskId === recipient.taskId;

const isServing = (node: HeardNode): boolean => isHolder(node) && node.status.notebook.state === 'serving';

/** A node agent's own words. */
function wordsOf({ status, text }: Answer): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Not its own, then.
  }
  return `${text.slice(0, 200)} (status ${status})`;
}
