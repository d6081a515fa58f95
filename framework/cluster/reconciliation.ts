/** What is asked of Mesos after a subscription, and what has to wait for the answers (rule 7). */
import type { ClusterState, StatusUpdate, TaskRecord } from './model.js';
import { sayPaused } from './pause.js';
import type { Turn } from './turn.js';

/** Waits between explicit reconciliations: doubled from the first up to the longest (Mesos' reconciliation guide). */
const reconcileFirstMs = 1_000;
const reconcileLongestMs = 60_000;
/** Between implicit reconciliations (Mesos' guide: every 10 to 15 minutes). */
const reconcileImplicitMs = 10 * 60_000;
/**
 * How long after its ACCEPT a task may be unknown to the master without that meaning anything: the master authorizes launches
 * before it takes them on, so a reconciliation can overtake an ACCEPT.
 */
const acceptInFlightMs = 30_000;
/** How long after a subscription tasks that the record does not know are listened for before anything is launched. */
const strangersMs = 2_000;
/** Rule 7: after every subscription each task has to answer. Suppression and filters do not survive one. */
export function subscribed(turn: Turn, frameworkId: string): void {
  const known = turn.state.record.frameworkId;
  if (known !== frameworkId) {
    turn.log('info', `framework id ${frameworkId}${known === undefined ? '' : ` (was ${known})`}`);
    turn.setRecord({ frameworkId });
  }
  turn.set({ connected: true, offers: [], offersSinceMs: undefined, demand: 'open' });
  sayPaused(turn);
  // A cluster of which nothing was ever launched has no tasks that could be unknown.
  if (
    turn.state.launchesFromMs !== undefined ||
    turn.state.record.nodes.some(({ task }) => task !== undefined)
  ) {
    turn.set({ launchesFromMs: turn.now + strangersMs });
    turn.send({ kind: 'reconcile', tasks: [] });
  }
  ask(turn);
}

const longer = (delayMs: number): number => Math.min(reconcileLongestMs, delayMs * 2);

/** Tasks that may be alive: those not known to have ended, and those of which nothing proves that they have. */
const askedFor = (turn: Turn): TaskRecord[] => [...turn.liveTasks(), ...turn.state.record.unproven];

/** Begins explicit reconciliation of every task that may be alive. */
export function ask(turn: Turn): void {
  turn.set({
    reconciliation: {
      kind: 'asking',
      pending: askedFor(turn).map((task) => task.id),
      nextMs: turn.now,
      delayMs: reconcileFirstMs,
      // Silence means that the task's host is on its way back to the master: it is waited for as long as for a lost host.
      holdUntilMs: turn.now + turn.state.spec.unreachableGraceMs,
    },
  });
}

/** A call may be lost: everything is asked again, but no sooner than after a wait, since this call may be lost, too. */
export function askAgain(turn: Turn): void {
  const { reconciliation } = turn.state;
  const delayMs = reconciliation.kind === 'asking' ? reconciliation.delayMs : reconcileFirstMs;
  ask(turn);
  const asking = turn.state.reconciliation;
  if (asking.kind !== 'asking') return;
  turn.set({ reconciliation: { ...asking, nextMs: turn.now + delayMs, delayMs: longer(delayMs) } });
}

/** Any word about a task answers the reconciliation of it, but for "unknown" while its ACCEPT may be on the way. */
export function answered(turn: Turn, update: StatusUpdate): void {
  const { reconciliation } = turn.state;
  if (reconciliation.kind !== 'asking' || isEarlyUnknown(turn, update)) return;
  turn.set({
    reconciliation: {
      ...reconciliation,
      pending: reconciliation.pending.filter((id) => id !== update.taskId),
    },
  });
}

export function isEarlyUnknown(turn: Turn, update: StatusUpdate): boolean {
  const unknown =
    update.reason === 'REASON_RECONCILIATION' &&
    (update.state === 'TASK_UNKNOWN' || update.state === 'TASK_LOST' || update.state === 'TASK_GONE');
  if (!unknown) return false;
  return turn.state.nodes.some(
    ({ phase }, node) =>
      turn.task(node)?.id === update.taskId &&
      phase.kind === 'launching' &&
      turn.now < phase.sinceMs + acceptInFlightMs,
  );
}

/** Whether the node's task has not answered since the subscription, and its answer is still waited for. */
export function isAwaited({ reconciliation, record }: ClusterState, number: number): boolean {
  const task = record.nodes[number]?.task;
  return (
    task !== undefined &&
    task.end === undefined &&
    reconciliation.kind === 'asking' &&
    reconciliation.holdUntilMs !== undefined &&
    reconciliation.pending.includes(task.id)
  );
}

/** A node of which nothing was heard at all since the process started is waited for without end: only Mesos knows. */
export const isAnyAwaited = (state: ClusterState): boolean =>
  state.nodes.some(({ phase }, number) => phase.kind === 'unconfirmed' || isAwaited(state, number));

/** What is waited for after a subscription is waited for only so long. */
export function endWaits(turn: Turn): void {
  const { launchesFromMs, reconciliation } = turn.state;
  if (typeof launchesFromMs === 'number' && turn.now >= launchesFromMs)
    turn.set({ launchesFromMs: undefined });
  if (reconciliation.kind !== 'asking') return;
  const { holdUntilMs, ...rest } = reconciliation;
  if (holdUntilMs !== undefined && turn.now >= holdUntilMs) turn.set({ reconciliation: rest });
}

export function reconcile(turn: Turn): void {
  const { reconciliation } = turn.state;
  if (reconciliation.kind === 'asking') {
    const pending = askedFor(turn).filter((task) => reconciliation.pending.includes(task.id));
    if (pending.length === 0) {
      // The implicit one follows at once: it finds tasks that the store does not know.
      turn.send({ kind: 'reconcile', tasks: [] });
      turn.set({ reconciliation: { kind: 'settled', implicitMs: turn.now + reconcileImplicitMs } });
    } else if (turn.now >= reconciliation.nextMs) {
      turn.send({
        kind: 'reconcile',
        tasks: pending.map((task) => ({ taskId: task.id, agentId: task.agentId })),
      });
      const delayMs = longer(reconciliation.delayMs);
      turn.set({
        reconciliation: {
          ...reconciliation,
          pending: pending.map((task) => task.id),
          nextMs: turn.now + reconciliation.delayMs,
          delayMs,
        },
      });
    }
  } else if (turn.now >= reconciliation.implicitMs) {
    turn.send({ kind: 'reconcile', tasks: [] });
    turn.set({ reconciliation: { kind: 'settled', implicitMs: turn.now + reconcileImplicitMs } });
  }
}
