/** What node agents are told. Best effort: the scheduler often reaches none, and nothing waits for them. */
import type { TaskRecord } from './model.js';
import { isPaused } from './pause.js';
import type { Turn } from './turn.js';

/** Rule 11: of a death that is proven, by task id, to those who share an etcd with the dead. In a pause its leases end by time. */
export function tellDeath(turn: Turn, dead: TaskRecord): void {
  if (isPaused(turn.state)) return;
  const survivors = turn
    .liveTasks()
    .filter(
      ({ node, generation }) => generation === dead.generation && turn.node(node).phase.kind === 'running',
    )
    .map((task) => turn.recipient(task));
  if (survivors.length > 0) turn.send({ kind: 'tellDeath', taskId: dead.id, survivors });
}

/** The first node that can be reached shows the cluster's CA, which is trusted from then on. */
export function greet(turn: Turn, task: TaskRecord): void {
  if (turn.state.record.ca === undefined) turn.send({ kind: 'greet', node: turn.recipient(task) });
}

/** Only the first word counts: whoever shows another CA later is not believed. */
export function caShown(turn: Turn, ca: string): void {
  if (turn.state.record.ca !== undefined) return;
  turn.setRecord({ ca });
  turn.log('info', 'the cluster has shown its CA: node agents are trusted by it from now on');
}
