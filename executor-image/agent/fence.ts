/**
 * The fence between generations: nobody takes the notebook key before `/fenced` is in etcd, and it is written only when no
 * task of an earlier generation can run Jupyter any more.
 */
import type { TaskEnvironment } from '../contract.js';
import { sleep } from './clock.js';
import { type Directory, keys } from './directory.js';
import { messageOf } from './errors.js';
import type { EtcdMember } from './etcd/member.js';
import type { Log } from './log.js';
import type { Looks } from './looks.js';

export interface FenceView {
  readonly isFounder: boolean;
  /** What a founder was told of tasks of earlier generations that may be alive. */
  readonly unproven: readonly string[];
  readonly lookLimitMs: number;
  /** For how long this generation's file is known to be on the volume; absent before the first look. */
  readonly seenForMs?: number;
}

/** Ending a Jupyter takes the same time whatever the limit. */
const leastMarginMs = 3000;

/**
 * Beyond the looks' limit: for a Jupyter of an earlier generation to be stopped in when its node's last look grows too old, and
 * for clocks that do not run alike.
 */
export function fenceMarginMs(lookLimitMs: number): number {
  return Math.max(leastMarginMs, lookLimitMs / 6);
}

/**
 * Whether this node may say that all earlier generations are fenced off. An earlier task that is alive either sees this
 * generation's file in its looks, and ends, or sees nothing, and stops Jupyter at the limit of its last look, which began
 * before the file was there.
 */
export function decideFence(view: FenceView): { readonly write: boolean; readonly reason: string } {
  if (view.isFounder && view.unproven.length === 0) {
    return { write: true, reason: 'every task of earlier generations is proven dead' };
  }
  const waitMs = view.lookLimitMs + fenceMarginMs(view.lookLimitMs);
  const leftMs = waitMs - (view.seenForMs ?? 0);
  if (leftMs <= 0) {
    return {
      write: true,
      reason: `this generation's file has been on the volume for ${Math.round(waitMs / 1000)} s: earlier tasks have seen it, or have stopped Jupyter`,
    };
  }
  const whom = view.isFounder
    ? `tasks of earlier generations that may live (${view.unproven.join(', ')})`
    : 'earlier tasks';
  return {
    write: false,
    reason: `nobody may hold the notebook for another ${Math.ceil(leftMs / 1000)} s, in which ${whom} must stop theirs`,
  };
}

export class Fence {
  reason = '';
  #isThere = false;

  constructor(
    readonly task: TaskEnvironment,
    readonly etcd: EtcdMember,
    readonly directory: Directory,
    readonly looks: Looks,
    readonly log: Log,
  ) {}

  /** Whether the fence stands; puts it up where this node may. */
  async ensure(): Promise<boolean> {
    const { view } = this.directory;
    if (view?.fenced) this.#isThere = true;
    if (this.#isThere || view === undefined) return this.#isThere;
    const { task } = this;
    const { seenForMs } = this.looks;
    const { write, reason } = decideFence({
      isFounder: task.founders[task.node] === task.taskId,
      unproven: task.unproven,
      lookLimitMs: task.lookLimitS * 1000,
      ...(seenForMs === undefined ? {} : { seenForMs }),
    });
    if (this.reason === '' || write) this.log.info(reason);
    this.reason = reason;
    if (!write) return false;
    const value = JSON.stringify({ by: task.taskId, reason });
    await this.etcd.client.kv.put({ key: Buffer.from(keys.fenced), value: Buffer.from(value) });
    this.#isThere = true;
    return true;
  }

  /** Until it stands: the node that may put it up need not be the one that leads. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.etcd.serves) {
        const stands = await this.ensure().catch((error) => this.log.debug(`the fence: ${messageOf(error)}`));
        if (stands === true) break;
      }
      await sleep(1000, signal);
    }
    // A duty that ended would end the node.
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  }
}
