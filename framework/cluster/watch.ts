/** One node's timers: backoff, launches that bring no word, KILLs that may be lost, hosts that stay unreachable. */
import { noQuorumLapseMs, settleGeneration } from './founding.js';
import { kill, killAgainMs } from './killing.js';
import type { ClusterSpec, Phase } from './model.js';
import { isPaused } from './pause.js';
import { isAwaited } from './reconciliation.js';
import type { Turn } from './turn.js';
import { endTask, killFormer, outlived } from './updates.js';
import { seconds } from './words.js';

/** A launch that timed out is reconciled, and killed when that brought nothing for this long. */
const launchAnswerMs = 10_000;
/** One node's timers. */
export function watch(turn: Turn, number: number): void {
  const node = turn.node(number);
  const task = turn.task(number);
  const { phase } = node;
  if (outlived(turn, node)) turn.setNode(number, { failures: 0, avoidAgentId: undefined });
  const held = isPaused(turn.state);
  switch (phase.kind) {
    case 'backingOff':
      if (turn.now >= phase.untilMs) turn.enter(number, { kind: 'waiting' }, 'waiting for an offer');
      return;
    case 'launching':
    case 'starting':
      if (task === undefined || killFormer(turn, task) || turn.now < launchDueMs(phase, turn.state.spec))
        return;
      if (phase.reconciledMs === undefined) {
        turn.send({ kind: 'reconcile', tasks: [{ taskId: task.id, agentId: task.agentId }] });
        turn.setNode(number, { phase: { ...phase, reconciledMs: turn.now } });
        return;
      }
      if (held) return;
      return kill(
        turn,
        number,
        `task ${task.id} did not come up within ${seconds(turn.state.spec.launchTimeoutMs)}`,
      );
    case 'killing':
      if (task === undefined || held || turn.now < phase.sentMs + killAgainMs) return;
      turn.send({ kind: 'kill', taskId: task.id, agentId: task.agentId });
      turn.setNode(number, { phase: { ...phase, sentMs: turn.now } });
      return;
    case 'unreachable':
      if (task === undefined || held || turn.now < phase.sinceMs + turn.state.spec.unreachableGraceMs) return;
      // Its host may be on the way back to a master that has just come to lead.
      if (isAwaited(turn.state, number)) return;
      endTask(turn, task, { reason: `host ${task.hostname} unreachable for too long`, provenDead: false });
      turn.setNode(number, { avoidAgentId: task.agentId });
      turn.enter(
        number,
        { kind: 'waiting' },
        `host ${task.hostname} has been unreachable for ${seconds(turn.state.spec.unreachableGraceMs)}: relaunching elsewhere`,
      );
      return;
    case 'running':
      // One that came back during a pause.
      if (task !== undefined && killFormer(turn, task)) return;
      if (turn.now < phase.sinceMs + noQuorumLapseMs) return;
      if (node.saidNoQuorum) turn.setNode(number, { saidNoQuorum: false });
      settleGeneration(turn);
      return;
    case 'waiting':
    case 'unconfirmed':
      return;
  }
}

export function launchDueMs(phase: Extract<Phase, { reconciledMs?: number }>, spec: ClusterSpec): number {
  return phase.reconciledMs === undefined
    ? phase.sinceMs + spec.launchTimeoutMs
    : phase.reconciledMs + launchAnswerMs;
}
