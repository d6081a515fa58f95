/**
 * A pause: the operator has frozen automation. Nothing is launched, killed, founded or told of a death; what happens is stored and
 * acknowledged as ever, so that all is decided from what is then known when it is over. Operators' own orders are carried out.
 */
import type { ClusterState, Pause, Recipient } from './model.js';
import type { Turn } from './turn.js';

/** Whether automation is frozen. A teardown is an order of the operator's, and goes before. */
export const isPaused = ({ record, tearingDownSinceMs }: ClusterState): boolean =>
  record.paused !== undefined && tearingDownSinceMs === undefined;

/** Ordered once more, it gets another reason. */
export function pause(turn: Turn, { since, reason }: Pause): void {
  const before = turn.state.record.paused;
  turn.setRecord({
    paused: { since: before?.since ?? since, ...(reason !== undefined && { reason }) },
  });
  // A generation that is lost is judged anew when the pause is over.
  turn.set({ refoundingSinceMs: undefined });
  sayPaused(turn);
  if (before === undefined) tellAll(turn);
}

export function resume(turn: Turn): void {
  if (turn.state.record.paused === undefined) return;
  turn.setRecord({ paused: undefined });
  turn.log('info', 'the operator ends the pause');
  tellAll(turn);
}

/** When it begins, and at every subscription. */
export function sayPaused(turn: Turn): void {
  const { paused } = turn.state.record;
  if (paused === undefined) return;
  const why = paused.reason === undefined ? '' : ` (${paused.reason})`;
  turn.log(
    'warn',
    `paused by the operator since ${paused.since}${why}: nothing is launched or killed until "mesos-jupyter resume"`,
  );
}

/** Nodes hear of it at once, and again until they say so themselves. */
function tellAll(turn: Turn): void {
  const { nodes, record } = turn.state;
  const running = nodes.flatMap(({ phase, otherContract }, number) => {
    turn.setNode(number, { heardPaused: undefined });
    const task = turn.task(number);
    const isOfOurs = otherContract === undefined || otherContract.taskId !== task?.id;
    return phase.kind === 'running' && task !== undefined && isOfOurs ? [task] : [];
  });
  // An orphan that has heard of a pause waits for its end with its own.
  const orphans = record.unproven.filter(({ node }) => nodes[node]?.phase.kind !== 'running');
  tell(
    turn,
    [...running, ...orphans].map((task) => turn.recipient(task)),
  );
}

/** @param paused whether the cluster is paused, as the node agent of the task says; undefined where it does not know */
export function pauseHeard(turn: Turn, taskId: string, paused: boolean | undefined): void {
  if (paused === undefined) return;
  const present = turn.liveTasks().find(({ id }) => id === taskId);
  if (present !== undefined) turn.setNode(present.node, { heardPaused: { taskId, paused } });
  const task = present ?? turn.state.record.unproven.find(({ id }) => id === taskId);
  const isSo = turn.state.record.paused !== undefined;
  if (task !== undefined && paused !== isSo) tell(turn, [turn.recipient(task)]);
}

function tell(turn: Turn, nodes: readonly Recipient[]): void {
  if (nodes.length === 0) return;
  const { paused } = turn.state.record;
  turn.send({ kind: 'tellPause', ...(paused !== undefined && { paused }), nodes });
}

/** Whether the cluster is paused, as the node agent of the node's present task said last. */
export function heardOf({ nodes, record }: ClusterState, number: number): boolean | undefined {
  const heard = nodes[number]?.heardPaused;
  const task = record.nodes[number]?.task;
  return task?.end === undefined && heard?.taskId === task?.id ? heard?.paused : undefined;
}

/** Nodes that run and have not said that they know whether the cluster is paused. */
export function yetToHear(state: ClusterState): number[] {
  const isSo = state.record.paused !== undefined;
  return [...state.nodes.keys()].filter(
    (number) => state.nodes[number]?.phase.kind === 'running' && heardOf(state, number) !== isSo,
  );
}

/** What would be done about a node by now or in time, were it not for the pause. */
export function heldBack(state: ClusterState, number: number): string | undefined {
  if (!isPaused(state)) return undefined;
  const node = state.nodes[number];
  const task = state.record.nodes[number]?.task;
  const isFormer = task !== undefined && task.generation !== state.record.generation.number;
  switch (node?.phase.kind) {
    case undefined:
    case 'unconfirmed':
      return undefined;
    case 'waiting':
      return 'a task would be launched';
    case 'backingOff':
      return 'a task would be launched after a wait';
    case 'launching':
      return node.phase.reconciledMs === undefined
        ? undefined
        : 'its task, which did not come up, would be killed';
    case 'starting':
      if (isFormer) return formerWould;
      return node.phase.reconciledMs === undefined
        ? undefined
        : 'its task, which did not come up, would be killed';
    case 'running':
      return isFormer ? formerWould : undefined;
    case 'killing':
      return 'KILL would be sent again';
    case 'unreachable':
      return 'after its grace a task would be launched elsewhere';
  }
}

const formerWould = 'its task, which is of a former generation, would be killed';
