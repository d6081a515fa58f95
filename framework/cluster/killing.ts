/** KILLs, sent until the task has ended, and how long an end is awaited. */
import type { ClusterState, Stray } from './model.js';
import { isPaused } from './pause.js';
import type { Turn } from './turn.js';

/** A KILL may be lost on the way: it is sent again until the task has ended. */
export const killAgainMs = 10_000;
/** How long, beyond the kill's grace, the ends of killed tasks are awaited (DESIGN, rule 10). */
const endMarginMs = 10_000;

export function kill(turn: Turn, number: number, reason: string): void {
  const task = turn.task(number);
  if (task === undefined) return;
  turn.send({ kind: 'kill', taskId: task.id, agentId: task.agentId });
  turn.enter(number, { kind: 'killing', sinceMs: turn.now, sentMs: turn.now }, reason);
}

/** When KILL is due for a stray: again, since one may have been lost, or at last after a pause. */
export const strayDueMs = ({ sentMs }: Stray): number =>
  sentMs === undefined ? Number.NEGATIVE_INFINITY : sentMs + killAgainMs;

export function killStrays(turn: Turn): void {
  if (isPaused(turn.state)) return;
  if (turn.state.strays.every((stray) => turn.now < strayDueMs(stray))) return;
  turn.set({
    strays: turn.state.strays.map((stray) => {
      if (turn.now < strayDueMs(stray)) return stray;
      turn.send({ kind: 'kill', taskId: stray.taskId, agentId: stray.agentId });
      return { ...stray, sentMs: turn.now };
    }),
  });
}

/** Until when the ends of killed tasks are awaited. */
export const endsDueMs = (state: ClusterState, sinceMs: number): number =>
  sinceMs + state.spec.killGraceMs + endMarginMs;
