/** When a generation has lost its quorum for good, and how the next is founded (rule 10). */
import { endsDueMs, kill } from './killing.js';
import type { ClusterState, NodeState, TaskRecord } from './model.js';
import { isPaused } from './pause.js';
import { isAnyAwaited } from './reconciliation.js';
import { withNextGeneration } from './record.js';
import type { Turn } from './turn.js';

/** A node's word that it found no quorum lapses when a later task of it has lived this long (DESIGN, Founding). */
export const noQuorumLapseMs = 4 * 60_000;
/**
 * Whether the generation has lost its quorum for good (DESIGN, Founding): all of its tasks but at most one are proven
 * dead (of a single node: that one); or at least half of the nodes run no task or said that they found no quorum, and
 * one of them did say so; or a node agent saw on the volume that the generation's number is another's, or past.
 */
export function quorumLostForGood(state: ClusterState): boolean {
  if (state.generationIsPast) return true;
  const { generation, nodes, unproven } = state.record;
  const count = nodes.length;
  const ofGeneration = (task: TaskRecord): boolean => task.generation === generation.number;
  const alive = nodes.filter(
    ({ task }) => task !== undefined && ofGeneration(task) && task.end === undefined,
  );
  const doubtful = unproven.filter(ofGeneration);
  const toCome = generation.founders.filter((founder) => !founder.launched);
  const most = count === 1 ? 0 : 1;
  if (alive.length + doubtful.length + toCome.length <= most) return true;
  const said = state.nodes.filter((node) => node.saidNoQuorum);
  const without = state.nodes.filter((node) => node.saidNoQuorum || runsNothing(node));
  return said.length > 0 && without.length * 2 >= count;
}

export const runsNothing = (node: NodeState): boolean =>
  node.phase.kind === 'waiting' || node.phase.kind === 'backingOff';

/** Rule 10: what is left of a generation without a quorum is killed, its end awaited for a while, the next one begun. */
export function refound(turn: Turn): void {
  // Rule 7: nothing is concluded about tasks that have not answered yet.
  if (isPaused(turn.state) || isAnyAwaited(turn.state)) return;
  const { number: generation } = turn.state.record.generation;
  if (!quorumLostForGood(turn.state)) {
    if (turn.state.refoundingSinceMs === undefined) return;
    // Hosts that were given up came back with enough of it.
    turn.log('info', `generation ${generation} goes on: enough of its tasks are back`);
    return turn.set({ refoundingSinceMs: undefined });
  }
  if (turn.state.refoundingSinceMs === undefined) {
    const why = turn.state.generationIsPast
      ? 'is past: the shared volume shows another founding of that number, or a higher one'
      : 'has lost its quorum for good';
    turn.log('warn', `generation ${generation} ${why}: founding the next`);
    turn.set({ refoundingSinceMs: turn.now });
    // Only now, and not what comes back later: that may yet make the quorum whole.
    killLeft(turn);
  }
  const deadlineMs = endsDueMs(turn.state, turn.state.refoundingSinceMs ?? turn.now);
  if (turn.liveTasks().length > 0 && turn.now < deadlineMs) return;
  const next = withNextGeneration(turn.state.record, turn.state.idSuffix, turn.state.generationIsPast);
  turn.setRecord({ generation: next.generation, nodes: next.nodes });
  turn.set({ refoundingSinceMs: undefined, generationIsPast: undefined });
  killLeft(turn);
  turn.log('info', `founding generation ${next.generation.number}`);
  for (let number = 0; number < turn.state.nodes.length; number++) {
    turn.setNode(number, { saidNoQuorum: false });
    const { phase, failures } = turn.node(number);
    // Founding knows no backoff, but for a node whose tasks fail one after another: that would be a crash loop of generations.
    if (phase.kind === 'waiting' || (phase.kind === 'backingOff' && failures <= 1)) {
      turn.enter(
        number,
        { kind: 'waiting' },
        `waiting for an offer to found generation ${next.generation.number}`,
      );
    }
  }
}

/** What is out of reach is left to its grace; should it come back, it is killed as of a former generation. */
function killLeft(turn: Turn): void {
  for (const task of turn.liveTasks()) {
    const { kind } = turn.node(task.node).phase;
    if (kind === 'killing' || kind === 'unreachable') continue;
    kill(turn, task.node, 'killed, since its generation has lost its quorum for good');
  }
}

/** A generation whose tasks live on has a number that is free, and has outlived every look of tasks that nobody knew of. */
export function settleGeneration(turn: Turn): void {
  const { pastBefore, ...generation } = turn.state.record.generation;
  if (pastBefore !== undefined) turn.setRecord({ generation });
}
