/** The scheduler's whole mind, pure: `decide(state, event, now) → { state, actions }`. The shell runs the actions in order. */
import { unknownTasks } from '../../executor-image/contract.js';
import {
  describeEnd,
  isRefusalOfDocker,
  meaningOf,
  provesDeath,
  saysGenerationIsPast,
  saysNoQuorum,
} from './ends.js';
import { dockerWords, saysAddressTaken } from './explain.js';
import type {
  Action,
  ClusterEvent,
  ClusterRecord,
  ClusterSpec,
  ClusterState,
  Launch,
  NodeState,
  Phase,
  StatusUpdate,
  Stray,
  TaskRecord,
} from './model.js';
import { bestHost, hostsOf, whyNone, without } from './placement.js';
import { newRecord, nodeOfTaskId, resumed, withNextGeneration } from './record.js';
import { Turn } from './turn.js';

/** Waits between explicit reconciliations: doubled from the first up to the longest (Mesos' reconciliation guide). */
const reconcileFirstMs = 1_000;
const reconcileLongestMs = 60_000;
/** Between implicit reconciliations (Mesos' guide: every 10 to 15 minutes). */
const reconcileImplicitMs = 10 * 60_000;
/** A KILL may be lost on the way: it is sent again until the task has ended. */
const killAgainMs = 10_000;
/**
 * How long after its ACCEPT a task may be unknown to the master without that meaning anything: calls travel on connections
 * of their own, so a reconciliation can overtake an ACCEPT.
 */
const acceptInFlightMs = 30_000;
/** How long after a subscription tasks that the record does not know are listened for before anything is launched. */
const strangersMs = 2_000;
/** A launch that timed out is reconciled, and killed when that brought nothing for this long. */
const launchAnswerMs = 10_000;
/** How long, beyond the kill's grace, the ends of killed tasks are awaited (DESIGN, rule 10). */
const endMarginMs = 10_000;
/** A node's word that it found no quorum lapses when a later task of it has lived this long (DESIGN, Founding). */
const noQuorumLapseMs = 4 * 60_000;
/** Old tasks of which no end was ever proved: more than this many are not kept. */
const unprovenKept = 100;

/**
 * The state in which a scheduler process starts: tasks known from the store have to answer before their nodes are given
 * new ones.
 * @param idSuffix random text, new in every process
 */
export function initialState(
  spec: ClusterSpec,
  record: ClusterRecord | undefined,
  idSuffix: string,
): ClusterState {
  const known = record === undefined ? newRecord(spec.addresses, idSuffix) : resumed(record, idSuffix);
  return {
    spec,
    record: known,
    nodes: known.nodes.map(({ task }): NodeState => {
      const alive = task !== undefined && task.end === undefined;
      return {
        phase: alive ? { kind: 'unconfirmed' } : { kind: 'waiting' },
        reason: alive ? `asking Mesos about task ${task.id}` : 'waiting for an offer',
        failures: 0,
        saidNoQuorum: false,
      };
    }),
    idSuffix,
    connected: false,
    offers: [],
    demand: 'open',
    wantedBy: [],
    reconciliation: { kind: 'settled', implicitMs: 0 },
    strays: [],
    ...(record !== undefined && { launchesFromMs: 'next' }),
  };
}

/** One decision. `now` is milliseconds on any clock that only goes forward. */
export function decide(
  state: ClusterState,
  event: ClusterEvent,
  now: number,
): { state: ClusterState; actions: readonly Action[] } {
  const turn = new Turn(state, now);
  take(turn, event);
  if (turn.state.connected) settle(turn);
  return turn.end();
}

/** When a tick is next needed; undefined while nothing is due by time. */
export function nextTickMs(state: ClusterState): number | undefined {
  if (!state.connected) return undefined;
  const { generation } = state.record;
  const times: number[] = [
    state.reconciliation.kind === 'asking' ? state.reconciliation.nextMs : state.reconciliation.implicitMs,
  ];
  if (state.offersSinceMs !== undefined) times.push(state.offersSinceMs + state.spec.offerHoldMs);
  if (state.tearingDownSinceMs !== undefined) times.push(endsDueMs(state, state.tearingDownSinceMs));
  if (state.refoundingSinceMs !== undefined && !isAnyAwaited(state)) {
    times.push(endsDueMs(state, state.refoundingSinceMs));
  }
  if (state.reconciliation.kind === 'asking' && state.reconciliation.holdUntilMs !== undefined) {
    times.push(state.reconciliation.holdUntilMs);
  }
  if (typeof state.launchesFromMs === 'number') times.push(state.launchesFromMs);
  for (const { sentMs } of state.strays) times.push(sentMs + killAgainMs);
  for (const [number, { phase, healthySinceMs, failures, saidNoQuorum }] of state.nodes.entries()) {
    if (phase.kind === 'backingOff') times.push(phase.untilMs);
    if (phase.kind === 'launching' || phase.kind === 'starting') times.push(launchDueMs(phase, state.spec));
    if (phase.kind === 'killing') times.push(phase.sentMs + killAgainMs);
    if (phase.kind === 'unreachable' && !isAwaited(state, number)) {
      times.push(phase.sinceMs + state.spec.unreachableGraceMs);
    }
    if (healthySinceMs !== undefined && failures > 0) times.push(healthySinceMs + state.spec.healthySpellMs);
    if (phase.kind === 'running' && (saidNoQuorum || generation.pastBefore !== undefined))
      times.push(phase.sinceMs + noQuorumLapseMs);
  }
  return Math.min(...times);
}

function take(turn: Turn, event: ClusterEvent): void {
  switch (event.kind) {
    case 'subscribed':
      return subscribed(turn, event.frameworkId);
    case 'disconnected':
      // Offers of a stream that ended are void.
      return turn.set({ connected: false, offers: [], offersSinceMs: undefined });
    case 'offers':
      return turn.set({
        offers: [...turn.state.offers, ...event.offers],
        offersSinceMs: turn.state.offersSinceMs ?? turn.now,
      });
    case 'rescinded': {
      const offers = turn.state.offers.filter((offer) => offer.id !== event.offerId);
      return turn.set({ offers, ...(offers.length === 0 && { offersSinceMs: undefined }) });
    }
    case 'update':
      return updated(turn, event.update);
    case 'explained':
      return explained(turn, event.taskId, event.stderr);
    case 'callFailed':
      return ask(turn);
    case 'teardown':
      return turn.set({ tearingDownSinceMs: turn.state.tearingDownSinceMs ?? turn.now });
    case 'tick':
      return;
  }
}

/** Rule 7: after every subscription each task has to answer. Suppression and filters do not survive one. */
function subscribed(turn: Turn, frameworkId: string): void {
  const known = turn.state.record.frameworkId;
  if (known !== frameworkId) {
    turn.log('info', `framework id ${frameworkId}${known === undefined ? '' : ` (was ${known})`}`);
    turn.setRecord({ frameworkId });
  }
  turn.set({ connected: true, offers: [], offersSinceMs: undefined, demand: 'open' });
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

/** Tasks that may be alive: those not known to have ended, and those of which nothing proves that they have. */
const askedFor = (turn: Turn): TaskRecord[] => [...turn.liveTasks(), ...turn.state.record.unproven];

/** Begins explicit reconciliation of every task that may be alive. */
function ask(turn: Turn): void {
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

function updated(turn: Turn, update: StatusUpdate): void {
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

/** Any word about a task answers the reconciliation of it, but for "unknown" while its ACCEPT may be on the way. */
function answered(turn: Turn, update: StatusUpdate): void {
  const { reconciliation } = turn.state;
  if (reconciliation.kind !== 'asking' || isEarlyUnknown(turn, update)) return;
  turn.set({
    reconciliation: {
      ...reconciliation,
      pending: reconciliation.pending.filter((id) => id !== update.taskId),
    },
  });
}

function isEarlyUnknown(turn: Turn, update: StatusUpdate): boolean {
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

/** Rule 6: a task that the store does not know as a node's living one is killed; the end of one is noted as proof. */
function stranger(turn: Turn, update: StatusUpdate): void {
  const others = turn.state.strays.filter((stray) => stray.taskId !== update.taskId);
  const known = turn.state.strays.find((stray) => stray.taskId === update.taskId);
  switch (meaningOf(update.state)) {
    case 'starting':
    case 'running':
    case 'killing': {
      if (known !== undefined) return;
      turn.log('warn', `killing task ${update.taskId}, which is no node's present task (${update.state})`);
      turn.send({ kind: 'kill', taskId: update.taskId, agentId: update.agentId });
      const node = nodeOfTaskId(update.taskId);
      const stray: Stray = {
        taskId: update.taskId,
        sentMs: turn.now,
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
      const left = turn.state.record.unproven.filter(
        (task) => task.id !== update.taskId || !provesDeath(update, task),
      );
      if (left.length < turn.state.record.unproven.length) turn.setRecord({ unproven: left });
    }
  }
}

function ours(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  if (isEarlyUnknown(turn, update)) return;
  const meaning = meaningOf(update.state);
  if (meaning === 'ended') return ended(turn, update, task);
  if (meaning !== 'unreachable' && !task.seenAlive) turn.setTask({ ...task, seenAlive: true });
  const { phase } = turn.node(task.node);
  if (task.generation !== turn.state.record.generation.number && meaning !== 'unreachable') {
    // Out of reach while its generation was brought to its end, so that the KILL never arrived.
    if (phase.kind !== 'killing')
      kill(turn, task.node, `killing task ${task.id}, which is of a former generation`);
    return;
  }
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
          { kind: 'unreachable', sinceMs: turn.now },
          `Mesos lost sight of host ${task.hostname}; a new task in ${seconds(turn.state.spec.unreachableGraceMs)} unless it comes back`,
        );
      }
      return;
  }
}

function running(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  const before = turn.node(task.node);
  const wasRunning = before.phase.kind === 'running';
  // An update without `healthy` (the first, or a reconciliation's) says nothing new about health.
  const healthy = update.healthy ?? (before.phase.kind === 'running' ? before.phase.healthy : undefined);
  const health = healthy === undefined ? '' : healthy ? ', healthy' : ', unhealthy';
  turn.enter(
    task.node,
    {
      kind: 'running',
      sinceMs: before.phase.kind === 'running' ? before.phase.sinceMs : turn.now,
      ...(healthy !== undefined && { healthy }),
    },
    `task ${task.id} is running on ${task.hostname}${health}`,
  );
  turn.setNode(task.node, { addressTakenSinceMs: undefined });
  const healthySinceMs = healthy === true ? (before.healthySinceMs ?? turn.now) : undefined;
  turn.setNode(task.node, { healthySinceMs });
  if (!wasRunning && before.phase.kind === 'unreachable') {
    turn.log('info', `node ${task.node}: host ${task.hostname} is back, and task ${task.id} with it`);
  }
}

function ended(turn: Turn, update: StatusUpdate, task: TaskRecord): void {
  const before = turn.node(task.node);
  const reason = describeEnd(update);
  const provenDead = provesDeath(update, task);
  turn.setTask({ ...task, end: { reason, provenDead } });
  if (!provenDead) {
    turn.setRecord({ unproven: [...turn.state.record.unproven, task].slice(-unprovenKept) });
  }
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
    turn.enter(task.node, { kind: 'waiting' }, `relaunching: ${reason}`);
    return;
  }
  const delayMs = backoffMs(failures, turn.state.spec);
  turn.enter(
    task.node,
    { kind: 'backingOff', untilMs: turn.now + delayMs },
    `relaunch in ${seconds(delayMs)}, ${ordinal(failures)} failure in a row, last on ${task.hostname}: ${reason}`,
  );
}

/** Docker's words become part of the reason; an address that is taken gets its cure, or the operator's command. */
function explained(turn: Turn, taskId: string, stderr: string): void {
  const number = turn.state.record.nodes.findIndex(({ task }) => task?.id === taskId);
  const words = dockerWords(stderr);
  if (number === -1 || words === undefined) return;
  const node = turn.node(number);
  if (!saysAddressTaken(words)) {
    turn.setNode(number, { addressTakenSinceMs: undefined });
    return turn.enter(number, node.phase, `${node.reason}: ${words}`);
  }
  // A container that Docker could not give its address never ran.
  const task = turn.task(number);
  if (task?.end !== undefined) turn.setTask({ ...task, end: { ...task.end, provenDead: true } });
  turn.setRecord({ unproven: turn.state.record.unproven.filter(({ id }) => id !== taskId) });
  const address = turn.state.record.addresses[number] ?? '';
  turn.enter(
    number,
    node.phase,
    `${node.reason}: ${words}. Once no container of node ${number} runs anywhere, release it: calicoctl ipam release --ip=${address}`,
  );
  const sinceMs = node.addressTakenSinceMs ?? turn.now;
  turn.setNode(number, { addressTakenSinceMs: sinceMs });
  if (!turn.state.spec.canReleaseAddress) return;
  // A container that may live keeps its address for as long as a lost host is waited for.
  const mayLive = turn.state.record.unproven.some((task) => task.node === number);
  if (mayLive && turn.now < sinceMs + turn.state.spec.unreachableGraceMs) return;
  turn.log('warn', `node ${number}: releasing address ${address}`);
  turn.send({ kind: 'releaseAddress', address });
}

/** Whether the task had its healthy spell. */
const outlived = (turn: Turn, node: NodeState): boolean =>
  node.healthySinceMs !== undefined && turn.now >= node.healthySinceMs + turn.state.spec.healthySpellMs;

/** Rule 8: doubled with every failure in a row, up to the longest. */
export function backoffMs(
  failures: number,
  spec: Pick<ClusterSpec, 'backoffMinMs' | 'backoffMaxMs'>,
): number {
  return Math.min(spec.backoffMaxMs, spec.backoffMinMs * 2 ** Math.min(failures - 1, 30));
}

/** What follows from the state and the time alone; run after every event. */
function settle(turn: Turn): void {
  endWaits(turn);
  for (let node = 0; node < turn.state.nodes.length; node++) watch(turn, node);
  killStrays(turn);
  reconcile(turn);
  if (turn.state.tearingDownSinceMs !== undefined) return tearDown(turn, turn.state.tearingDownSinceMs);
  refound(turn);
  place(turn);
  tellDemand(turn);
}

/** What is waited for after a subscription is waited for only so long. */
function endWaits(turn: Turn): void {
  const { launchesFromMs, reconciliation } = turn.state;
  if (typeof launchesFromMs === 'number' && turn.now >= launchesFromMs)
    turn.set({ launchesFromMs: undefined });
  if (reconciliation.kind !== 'asking') return;
  const { holdUntilMs, ...rest } = reconciliation;
  if (holdUntilMs !== undefined && turn.now >= holdUntilMs) turn.set({ reconciliation: rest });
}

/** KILLs of strays that may have been lost. */
function killStrays(turn: Turn): void {
  if (turn.state.strays.every((stray) => turn.now < stray.sentMs + killAgainMs)) return;
  turn.set({
    strays: turn.state.strays.map((stray) => {
      if (turn.now < stray.sentMs + killAgainMs) return stray;
      turn.send({ kind: 'kill', taskId: stray.taskId, agentId: stray.agentId });
      return { ...stray, sentMs: turn.now };
    }),
  });
}

/** One node's timers. */
function watch(turn: Turn, number: number): void {
  const node = turn.node(number);
  const task = turn.task(number);
  const { phase } = node;
  if (outlived(turn, node)) turn.setNode(number, { failures: 0, avoidAgentId: undefined });
  switch (phase.kind) {
    case 'backingOff':
      if (turn.now >= phase.untilMs) turn.enter(number, { kind: 'waiting' }, 'waiting for an offer');
      return;
    case 'launching':
    case 'starting':
      if (task === undefined || turn.now < launchDueMs(phase, turn.state.spec)) return;
      if (phase.reconciledMs === undefined) {
        turn.send({ kind: 'reconcile', tasks: [{ taskId: task.id, agentId: task.agentId }] });
        turn.setNode(number, { phase: { ...phase, reconciledMs: turn.now } });
        return;
      }
      return kill(
        turn,
        number,
        `task ${task.id} did not come up within ${seconds(turn.state.spec.launchTimeoutMs)}`,
      );
    case 'killing':
      if (task === undefined || turn.now < phase.sentMs + killAgainMs) return;
      turn.send({ kind: 'kill', taskId: task.id, agentId: task.agentId });
      turn.setNode(number, { phase: { ...phase, sentMs: turn.now } });
      return;
    case 'unreachable':
      if (task === undefined || turn.now < phase.sinceMs + turn.state.spec.unreachableGraceMs) return;
      // Its host may be on the way back to a master that has just come to lead.
      if (isAwaited(turn.state, number)) return;
      turn.setTask({
        ...task,
        end: { reason: `host ${task.hostname} unreachable for too long`, provenDead: false },
      });
      turn.setRecord({ unproven: [...turn.state.record.unproven, task].slice(-unprovenKept) });
      turn.setNode(number, { avoidAgentId: task.agentId });
      turn.enter(
        number,
        { kind: 'waiting' },
        `host ${task.hostname} has been unreachable for ${seconds(turn.state.spec.unreachableGraceMs)}: relaunching elsewhere`,
      );
      return;
    case 'running':
      if (turn.now < phase.sinceMs + noQuorumLapseMs) return;
      if (node.saidNoQuorum) turn.setNode(number, { saidNoQuorum: false });
      settleGeneration(turn);
      return;
    case 'waiting':
    case 'unconfirmed':
      return;
  }
}

/** A generation whose tasks live on has a number that is free, and has outlived every look of tasks that nobody knew of. */
function settleGeneration(turn: Turn): void {
  const { pastBefore, ...generation } = turn.state.record.generation;
  if (pastBefore !== undefined) turn.setRecord({ generation });
}

/** Whether the node's task has not answered since the subscription, and its answer is still waited for. */
function isAwaited({ reconciliation, record }: ClusterState, number: number): boolean {
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
const isAnyAwaited = (state: ClusterState): boolean =>
  state.nodes.some(({ phase }, number) => phase.kind === 'unconfirmed' || isAwaited(state, number));

function launchDueMs(phase: Extract<Phase, { reconciledMs?: number }>, spec: ClusterSpec): number {
  return phase.reconciledMs === undefined
    ? phase.sinceMs + spec.launchTimeoutMs
    : phase.reconciledMs + launchAnswerMs;
}

function kill(turn: Turn, number: number, reason: string): void {
  const task = turn.task(number);
  if (task === undefined) return;
  turn.send({ kind: 'kill', taskId: task.id, agentId: task.agentId });
  turn.enter(number, { kind: 'killing', sinceMs: turn.now, sentMs: turn.now }, reason);
}

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

const runsNothing = (node: NodeState): boolean =>
  node.phase.kind === 'waiting' || node.phase.kind === 'backingOff';

/** Until when the ends of killed tasks are awaited. */
const endsDueMs = (state: ClusterState, sinceMs: number): number =>
  sinceMs + state.spec.killGraceMs + endMarginMs;

/** Rule 10: what is left of a generation without a quorum is killed, its end awaited for a while, the next one begun. */
function refound(turn: Turn): void {
  // Rule 7: nothing is concluded about tasks that have not answered yet.
  if (isAnyAwaited(turn.state)) return;
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

/**
 * Tasks are killed one by one before TEARDOWN, which would leave them 3 s at most (FACTS, Docker containerizer 5) and no
 * proof of their ends. What has not ended in time is left to TEARDOWN.
 */
function tearDown(turn: Turn, sinceMs: number): void {
  if (turn.state.offers.length > 0) decline(turn);
  for (const task of turn.liveTasks()) {
    if (turn.node(task.node).phase.kind !== 'killing')
      kill(turn, task.node, `killing task ${task.id}: teardown`);
  }
  if (turn.liveTasks().length > 0 && turn.now < endsDueMs(turn.state, sinceMs)) return;
  turn.setRecord({ frameworkId: undefined });
  turn.send({ kind: 'teardown' });
  turn.set({ connected: false });
}

/** What is out of reach is left to its grace; should it come back, it is killed as of a former generation. */
function killLeft(turn: Turn): void {
  for (const task of turn.liveTasks()) {
    const { kind } = turn.node(task.node).phase;
    if (kind === 'killing' || kind === 'unreachable') continue;
    kill(turn, task.node, 'killed, since its generation has lost its quorum for good');
  }
}

function reconcile(turn: Turn): void {
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
      const delayMs = Math.min(reconcileLongestMs, reconciliation.delayMs * 2);
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

/** Rule 4: offers in hand are used, or declined for long; held only to see whether another host spreads better. */
function place(turn: Turn): void {
  const { offers, spec, offersSinceMs } = turn.state;
  if (offers.length === 0) return;
  const wanting = wantingOffers(turn);
  if (wanting.length > 0) {
    const held = turn.now < (offersSinceMs ?? turn.now) + spec.offerHoldMs;
    const hostCount = new Set(offers.map((offer) => offer.hostname)).size;
    if (held && hostCount < wanting.length) return;
    launch(turn, wanting);
  }
  decline(turn);
}

/** Lets go of every offer in hand. */
function decline(turn: Turn): void {
  const offerIds = turn.state.offers.map((offer) => offer.id);
  if (offerIds.length > 0) {
    turn.send({ kind: 'decline', offerIds, refuseMs: turn.state.spec.declineMs });
    if (turn.state.demand === 'open') turn.set({ demand: 'filtered' });
  }
  turn.set({ offers: [], offersSinceMs: undefined });
}

/** Nodes to launch now: not while a lost generation is brought to its end, nor beside an earlier task that lives (rule 1). */
function wantingOffers(turn: Turn): number[] {
  if (turn.state.refoundingSinceMs !== undefined || turn.state.launchesFromMs !== undefined) return [];
  return turn.waiting().filter((number) => {
    const obstacle = earlierTask(turn, number);
    if (obstacle === undefined) return true;
    turn.enter(number, { kind: 'waiting' }, obstacle);
    return false;
  });
}

/** Why the node has to wait for one of its earlier tasks, if it has to. */
function earlierTask(turn: Turn, number: number): string | undefined {
  const stray = turn.state.strays.find(({ node }) => node === number);
  if (stray !== undefined) return `waiting for the end of task ${stray.taskId}, which came back`;
  const { reconciliation, record } = turn.state;
  if (reconciliation.kind !== 'asking' || reconciliation.holdUntilMs === undefined) return undefined;
  const silent = record.unproven.find(
    ({ id, node }) => node === number && reconciliation.pending.includes(id),
  );
  return silent && `asking Mesos about its earlier task ${silent.id}`;
}

function launch(turn: Turn, wanting: readonly number[]): void {
  const { spec } = turn.state;
  const unproven = maybeAlive(turn);
  let hosts = hostsOf(turn.state.offers);
  const chosen = new Map<string, { offerIds: readonly string[]; launches: Launch[] }>();
  for (const number of wanting) {
    const demand = { needs: spec.needs, constraints: spec.constraints, others: turn.liveTasks() };
    const host = bestHost(hosts, demand, turn.node(number).avoidAgentId);
    if (host === undefined) {
      turn.enter(number, { kind: 'waiting' }, `no offer fits: ${whyNone(hosts, demand)}`);
      continue;
    }
    hosts = hosts.map((each) => (each === host ? without(host, spec.needs) : each));
    const task = turn.newTask(number, host);
    const entry = chosen.get(host.agentId) ?? { offerIds: host.offerIds, launches: [] };
    const founders = turn.state.record.generation.founders.map((founder) => founder.taskId);
    entry.launches.push({ task, founders, unproven: founders.includes(task.id) ? unproven : [] });
    chosen.set(host.agentId, entry);
    turn.enter(
      number,
      { kind: 'launching', sinceMs: turn.now },
      `launching task ${task.id} on ${host.hostname}`,
    );
  }
  for (const { offerIds, launches } of chosen.values()) turn.send({ kind: 'accept', offerIds, launches });
  const used = new Set([...chosen.values()].flatMap(({ offerIds }) => offerIds));
  turn.set({ offers: turn.state.offers.filter((offer) => !used.has(offer.id)) });
}

/** Tasks that may be alive and are not of the present generation: its founders are told, and hold the notebook back. */
function maybeAlive(turn: Turn): string[] {
  const { generation, unproven } = turn.state.record;
  const former = [...unproven, ...turn.liveTasks()].filter((task) => task.generation !== generation.number);
  return [
    ...former.map(({ id }) => id),
    ...turn.state.strays.map(({ taskId }) => taskId),
    ...(generation.pastBefore === undefined ? [] : [unknownTasks]),
  ];
}

/** Rule 4: no offers while nothing is missing; when something is, filters set earlier are lifted once. */
function tellDemand(turn: Turn): void {
  const { demand, wantedBy } = turn.state;
  const wanting = wantingOffers(turn);
  const isNew = wanting.some((number) => !wantedBy.includes(number));
  if (wanting.join() !== wantedBy.join()) turn.set({ wantedBy: wanting });
  const complete = turn.state.nodes.every((node) => !runsNothing(node) && node.phase.kind !== 'unreachable');
  if (isNew) {
    if (demand !== 'open') turn.send({ kind: 'revive' });
    turn.set({ demand: 'open' });
  } else if (complete && demand !== 'suppressed') {
    turn.send({ kind: 'suppress' });
    turn.set({ demand: 'suppressed' });
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

function ordinal(count: number): string {
  const tens = count % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${suffix}`;
}
