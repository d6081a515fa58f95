/** The end of everything, on the operator's word. */
import { endsDueMs, kill, killAgainMs } from './killing.js';
import { decline } from './launching.js';
import type { Turn } from './turn.js';

/**
 * Tasks are killed one by one before TEARDOWN, which would leave them 3 s at most (FACTS, Docker containerizer 5) and no
 * proof of their ends. What has not ended in time is left to TEARDOWN, which is sent until the shell, which hears the master's answer,
 * ends: a framework whose id was forgotten first could never be asked to go.
 */
export function tearDown(turn: Turn, sinceMs: number): void {
  if (turn.state.offers.length > 0) decline(turn);
  for (const task of turn.liveTasks()) {
    if (turn.node(task.node).phase.kind !== 'killing')
      kill(turn, task.node, `killing task ${task.id}: teardown`);
  }
  if (turn.liveTasks().length > 0 && turn.now < endsDueMs(turn.state, sinceMs)) return;
  const { tornDownMs } = turn.state;
  if (tornDownMs !== undefined && turn.now < tornDownMs + killAgainMs) return;
  turn.send({ kind: 'teardown' });
  turn.set({ tornDownMs: turn.now });
}
