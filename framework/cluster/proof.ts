/** Proofs of a death that no status update brings (DESIGN, proven dead): another boot of the host, and the operator's word. */

import { contractVersion } from '../../executor-image/contract.js';
import type { ClusterEvent, TaskRecord } from './model.js';
import { pauseHeard } from './pause.js';
import { tellDeath } from './telling.js';
import type { Turn } from './turn.js';
import { endTask } from './updates.js';

/**
 * A task answers now, so its host's present boot is known: what ran on that host in another boot runs no more. (Mesos agents
 * keep their ids over a reboot.)
 */
export function nodeTold(turn: Turn, told: Extract<ClusterEvent, { kind: 'nodeTold' }>): void {
  const { taskId, bootId } = told;
  pauseHeard(turn, taskId, told.paused);
  const task = turn.liveTasks().find(({ id }) => id === taskId);
  if (task === undefined) return;
  const isOfOurs = told.contractVersion === contractVersion;
  turn.setNode(task.node, {
    otherContract: isOfOurs ? undefined : { taskId, version: told.contractVersion },
  });
  if (task.bootId !== bootId) turn.setTask({ ...task, bootId });
  for (const earlier of turn.state.record.unproven) {
    const isOfAnotherBoot = earlier.bootId !== undefined && earlier.bootId !== bootId;
    if (earlier.agentId === task.agentId && isOfAnotherBoot)
      proven(turn, earlier, `host ${task.hostname} was booted since`);
  }
}

/** Of a task that Mesos says runs, the operator's word is a mistake; of any other it is a proof, and nothing waits for it any more. */
export function confirmedDead(turn: Turn, taskId: string): void {
  const doubtful = turn.state.record.unproven.find(({ id }) => id === taskId);
  if (doubtful !== undefined) return proven(turn, doubtful, 'the operator confirms it');
  const task = turn.liveTasks().find(({ id }) => id === taskId);
  if (task === undefined) return;
  const { phase } = turn.node(task.node);
  if (phase.kind === 'running' || phase.kind === 'starting') {
    turn.log('warn', `task ${taskId} was confirmed to be dead, but Mesos says that it runs: ignored`);
    return;
  }
  endTask(turn, task, { reason: 'the operator confirms that it is dead', provenDead: true });
  turn.enter(
    task.node,
    { kind: 'waiting' },
    `relaunching: the operator confirms that task ${taskId} is dead`,
  );
}

function proven(turn: Turn, task: TaskRecord, why: string): void {
  const { id, node } = task;
  turn.log('info', `task ${id} is dead: ${why}`);
  turn.setRecord({ unproven: turn.state.record.unproven.filter((other) => other.id !== id) });
  const last = turn.task(node);
  if (last?.id === id && last.end !== undefined)
    turn.setTask({ ...last, end: { ...last.end, provenDead: true } });
  tellDeath(turn, task);
}
