/** What a status update changes: the node's phase, its record, and what is known of earlier tasks (rules 1, 3, 6, 8, 9). */
import {
  describeEnd,
  isRefusalOfDocker,
  meaningOf,
  provesDeath,
  saysGenerationIsPast,
  saysNoQuorum,
  saysSuperseded,
} from './ends.js';
import { dockerWords, saysAddressTaken, saysMountDead, saysNotMounted } from './explain.js';
import { kill } from './killing.js';
import type { ClusterSpec, NodeState, Phase, StatusUpdate, Stray, TaskEnd, TaskRecord } from './model.js';
import { isPaused } from './pause.js';
import { answered, isEarlyUnknown } from './reconciliation.js';
import { nodeOfTaskId } from './record.js';
import { greet, tellDeath } from './telling.js';
import type { Turn } from './turn.js';
import { ordinal, seconds } from './words.js';

/** Old tasks of which no end was ever proved: more than this many are not kept. */
const unprovenKept = 100;

export function updated(turn: Turn, update: StatusUpdate): void {
  answered(turn, update);
  const last = turn.state.record.nodes.find((node) => node.task?.id === update.taskId)?.task;
  const task = last === undefined ? undefined : revived(turn, update, last);
  if (task === undefined) stranger(turn, update);
  else ours(turn, update, task);
  // Rule 3: the Turn puts the store before every send, so this follows the effect's being stored.
  if (update.uuid !== undefined && update.agentId !== undefined) {
    turn.send({ kind: 'acknowledge', taskId: update.taskId, agentId: update.agentId, uuid: update.uuid });
  }
}

/**
 * The node's last task, where it may be alive: also one that was given up without proof and turns out to live before the
 * node has another (rule 9: one incarnation survives).
 */
function revived(turn: Turn, update: StatusUpdate, last: TaskRecord): TaskRecord | undefined {
  const { end, ...task } = last;
  if (end === undefined) return last;
  const meaning = meaningOf(update.state);
  const isOfThisGeneration = last.generation === turn.state.record.generation.number;
  if (end.provenDead || !isOfThisGeneration || (meaning !== 'starting' && meaning !== 'running'))
    return undefined;
  turn.log('info', `node ${last.node}: task ${last.id}, which was given up, lives`);
  turn.setTask(task);
  turn.setRecord({ unproven: turn.state.record.unproven.filter(({ id }) => id !== last.id) });
  turn.enter(last.node, { kind: 'unconfirmed' }, `task ${last.id} is back`);
  return task;
}

/** Rule 6: a task that the store does not know as a node's living one is killed; the end of one is noted as proof. */
function stranger(turn: Turn, update: StatusUpdate): void {
  const others = turn.state.strays.filter((stray) => stray.taskId !== update.taskId);
  const known = turn.state.strays.find((stray) => stray.taskId === update.taskId);
  switch (meaningOf(update.state)) {
    case 'starting':
    case 'running':
    case 'killing': {
      if (known !== undefined) return;
      const held = isPaused(turn.state);
      const what = `task ${update.taskId}, which is no node's present task (${update.state})`;
      turn.log('warn', held ? `paused: not killing ${what}` : `killing ${what}`);
      if (!held) turn.send({ kind: 'kill', taskId: update.taskId, agentId: update.agentId });
      const node = nodeOfTaskId(update.taskId);
      const stray: Stray = {
        taskId: update.taskId,
        ...(!held && { sentMs: turn.now }),
        ...(update.agentId !== undefined && { agentId: update.agentId }),
        ...(node !== undefined && { node }),
      };
      return turn.set({ strays: [...others, stray] });
    }
    case 'unreachable':
      // Out of reach again, for longer than its grace: its node does not wait for it.
      return turn.set({ strays: others });
    case 'ended': {
      if (known !== undefined) turn.set({ strays: others });
      const { unproven } = turn.state.record;
      const dead = unproven.find((task) => task.id === update.taskId && provesDeath(update, task));
      if (dead === undefined) return;
      turn.setRecord({ unproven: unproven.filter((task) => task !== dead) });
      tellDeath(turn, dead);
    }
  }
}

function ours(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  if (isEarlyUnknown(turn, update)) return;
  const meaning = meaningOf(update.state);
  if (meaning === 'ended') return ended(turn, update, task);
  if (meaning !== 'unreachable' && !task.seenAlive) turn.setTask({ ...task, seenAlive: true });
  const { phase } = turn.node(task.node);
  if (meaning !== 'unreachable' && killFormer(turn, task)) return;
  switch (meaning) {
    case 'starting':
      // Late news of a task that is already further on changes nothing.
      if (phase.kind === 'launching' || phase.kind === 'unconfirmed' || phase.kind === 'unreachable') {
        turn.enter(task.node, { kind: 'starting', sinceMs: turn.now }, `task ${task.id} is starting`);
      }
      return;
    case 'running':
      if (phase.kind !== 'killing') running(turn, update, task);
      return;
    case 'killing':
      if (phase.kind !== 'killing') {
        turn.enter(
          task.node,
          { kind: 'killing', sinceMs: turn.now, sentMs: turn.now },
          `Mesos is killing task ${task.id}`,
        );
      }
      return;
    case 'unreachable':
      if (phase.kind !== 'unreachable') {
        turn.enter(
          task.node,
          {
            kind: 'unreachable',
            sinceMs: turn.now,
            ...(phase.kind === 'running' && { runningSinceMs: phase.sinceMs }),
          },
          `Mesos lost sight of host ${task.hostname}; a new task in ${seconds(turn.state.spec.unreachableGraceMs)} unless it comes back`,
        );
      }
      return;
  }
}

/**
 * Kills a task of a former generation: it was out of reach while that was brought to its end, so that the KILL never arrived.
 * @returns whether it is one that is to go now
 */
export function killFormer(turn: Turn, task: TaskRecord): boolean {
  if (task.generation === turn.state.record.generation.number || isPaused(turn.state)) return false;
  if (turn.node(task.node).phase.kind !== 'killing')
    kill(turn, task.node, `killing task ${task.id}, which is of a former generation`);
  return true;
}

/** Since when the node's present task has run, as far as it was seen to. */
function runningSinceMs(phase: Phase): number | undefined {
  if (phase.kind === 'running') return phase.sinceMs;
  return phase.kind === 'unreachable' ? phase.runningSinceMs : undefined;
}

function running(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  const before = turn.node(task.node);
  // An update without `healthy` (the first, or a reconciliation's) says nothing new about health.
  const healthy = update.healthy ?? (before.phase.kind === 'running' ? before.phase.healthy : undefined);
  const health = healthy === undefined ? '' : healthy ? ', healthy' : ', unhealthy';
  turn.enter(
    task.node,
    {
      kind: 'running',
      sinceMs: runningSinceMs(before.phase) ?? turn.now,
      ...(healthy !== undefined && { healthy }),
    },
    `task ${task.id} is running on ${task.hostname}${health}`,
  );
  turn.setNode(task.node, {
    addressTakenSinceMs: undefined,
    healthySinceMs: healthy === true ? (before.healthySinceMs ?? turn.now) : undefined,
  });
  greet(turn, task);
  if (before.phase.kind === 'unreachable') {
    turn.log('info', `node ${task.node}: host ${task.hostname} is back, and task ${task.id} with it`);
  }
}

function ended(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  const before = turn.node(task.node);
  const reason = describeEnd(update);
  endTask(turn, task, { reason, provenDead: provesDeath(update, task) });
  if (isRefusalOfDocker(update)) turn.send({ kind: 'explain', taskId: task.id, agentId: task.agentId });
  const noQuorum = saysNoQuorum(update);
  const isPast = saysGenerationIsPast(update);
  if (isPast && task.generation === turn.state.record.generation.number) turn.set({ generationIsPast: true });
  // Neither a kill of ours nor the word that only the scheduler can found anew says anything against the node.
  const forgiven = before.phase.kind === 'killing' || noQuorum || isPast || outlived(turn, before);
  const failures = forgiven ? 0 : before.failures + 1;
  turn.setNode(task.node, {
    failures,
    avoidAgentId: forgiven ? undefined : task.agentId,
    healthySinceMs: undefined,
    saidNoQuorum: noQuorum || before.saidNoQuorum,
  });
  if (forgiven) {
    const isLast = turn.state.tearingDownSinceMs !== undefined;
    turn.enter(task.node, { kind: 'waiting' }, `${isLast ? 'ended' : 'relaunching'}: ${reason}`);
    return;
  }
  // The cluster knows a newer task of the node than this record, which was put back from a copy: one that is newer still is soon found.
  if (saysSuperseded(update)) turn.skipIncarnations(task.node, 2 ** Math.min(failures, 20));
  const delayMs = backoffMs(failures, turn.state.spec);
  turn.enter(
    task.node,
    { kind: 'backingOff', untilMs: turn.now + delayMs },
    `relaunch in ${seconds(delayMs)}, ${ordinal(failures)} failure in a row, last on ${task.hostname}: ${reason}`,
  );
}

/** Notes the end of a task; without proof that its container is gone, it is remembered as one that may live. */
export function endTask(turn: Turn, task: TaskRecord, end: TaskEnd): void {
  turn.setTask({ ...task, end });
  if (end.provenDead) return tellDeath(turn, task);
  turn.setRecord({ unproven: [...turn.state.record.unproven, task].slice(-unprovenKept) });
}

/** Docker's words become part of the reason; an address that is taken gets its cure, or the operator's command. */
export function explained(turn: Turn, taskId: string, stderr: string): void {
  const number = turn.state.record.nodes.findIndex(({ task }) => task?.id === taskId);
  const words = dockerWords(stderr);
  if (number === -1 || words === undefined) return;
  const node = turn.node(number);
  if (!saysAddressTaken(words)) {
    turn.setNode(number, { addressTakenSinceMs: undefined });
    if (saysNotMounted(words)) neverRan(turn, number, taskId);
    const cure = saysMountDead(words)
      ? '. The mount of the shared volume is dead there: mount it anew (mesos-jupyter host prepare)'
      : '';
    return turn.enter(number, node.phase, `${node.reason}: ${words}${cure}`);
  }
  neverRan(turn, number, taskId);
  const address = turn.state.record.addresses[number] ?? '';
  turn.enter(
    number,
    node.phase,
    `${node.reason}: ${words}. Once no container of node ${number} runs anywhere, release it: calicoctl ipam release --ip=${address}`,
  );
  const sinceMs = node.addressTakenSinceMs ?? turn.now;
  turn.setNode(number, { addressTakenSinceMs: sinceMs });
  if (!turn.state.spec.canReleaseAddress || isPaused(turn.state)) return;
  // A container that may live keeps its address for as long as a lost host is waited for.
  const mayLive = turn.state.record.unproven.some((task) => task.node === number);
  if (mayLive && turn.now < sinceMs + turn.state.spec.unreachableGraceMs) return;
  turn.log('warn', `node ${number}: releasing address ${address}`);
  turn.send({ kind: 'releaseAddress', address });
}

/** A container that Docker could not give its address, or its volume, has not been started: that proves its task dead. */
function neverRan(turn: Turn, number: number, taskId: string): void {
  const task = turn.task(number);
  if (task?.end !== undefined) turn.setTask({ ...task, end: { ...task.end, provenDead: true } });
  turn.setRecord({ unproven: turn.state.record.unproven.filter(({ id }) => id !== taskId) });
}

/** Whether the task had its healthy spell. */
export const outlived = (turn: Turn, node: NodeState): boolean =>
  node.healthySinceMs !== undefined && turn.now >= node.healthySinceMs + turn.state.spec.healthySpellMs;

/** Rule 8: doubled with every failure in a row, up to the longest. */
export function backoffMs(
  failures: number,
  spec: Pick<ClusterSpec, 'backoffMinMs' | 'backoffMaxMs'>,
): number {
  return Math.min(spec.backoffMaxMs, spec.backoffMinMs * 2 ** Math.min(failures - 1, 30));
}
