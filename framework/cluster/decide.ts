/** The scheduler's whole mind, pure: `decide(state, event, now) → { state, actions }`. The shell runs the actions in order. */
import { noQuorumLapseMs, refound } from './founding.js';
import { endsDueMs, killAgainMs, killStrays, strayDueMs } from './killing.js';
import { place, tellDemand } from './launching.js';
import type { Action, ClusterEvent, ClusterRecord, ClusterSpec, ClusterState, NodeState } from './model.js';
import { isPaused, pause, resume } from './pause.js';
import { confirmedDead, nodeTold } from './proof.js';
import { askAgain, endWaits, isAnyAwaited, isAwaited, reconcile, subscribed } from './reconciliation.js';
import { newRecord, resumed } from './record.js';
import { tearDown } from './teardown.js';
import { caShown } from './telling.js';
import { Turn } from './turn.js';
import { explained, updated } from './updates.js';
import { launchDueMs, watch } from './watch.js';

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
  const held = isPaused(state);
  const times: number[] = [
    state.reconciliation.kind === 'asking' ? state.reconciliation.nextMs : state.reconciliation.implicitMs,
  ];
  if (state.offersSinceMs !== undefined) times.push(state.offersSinceMs + state.spec.offerHoldMs);
  if (state.tearingDownSinceMs !== undefined) {
    times.push(
      state.tornDownMs === undefined
        ? endsDueMs(state, state.tearingDownSinceMs)
        : state.tornDownMs + killAgainMs,
    );
  }
  if (state.refoundingSinceMs !== undefined && !isAnyAwaited(state)) {
    times.push(endsDueMs(state, state.refoundingSinceMs));
  }
  if (state.reconciliation.kind === 'asking' && state.reconciliation.holdUntilMs !== undefined) {
    times.push(state.reconciliation.holdUntilMs);
  }
  if (typeof state.launchesFromMs === 'number') times.push(state.launchesFromMs);
  if (!held) for (const stray of state.strays) times.push(strayDueMs(stray));
  for (const [number, { phase, healthySinceMs, failures, saidNoQuorum }] of state.nodes.entries()) {
    if (phase.kind === 'backingOff') times.push(phase.untilMs);
    if (phase.kind === 'launching' || phase.kind === 'starting') {
      if (!held || phase.reconciledMs === undefined) times.push(launchDueMs(phase, state.spec));
    }
    if (phase.kind === 'killing' && !held) times.push(phase.sentMs + killAgainMs);
    if (phase.kind === 'unreachable' && !held && !isAwaited(state, number)) {
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
    case 'nodeTold':
      return nodeTold(turn, event);
    case 'confirmedDead':
      return confirmedDead(turn, event.taskId);
    case 'pause':
      return pause(turn, event);
    case 'resume':
      return resume(turn);
    case 'caShown':
      return caShown(turn, event.ca);
    case 'callFailed':
      return askAgain(turn);
    case 'teardown':
      return turn.set({ tearingDownSinceMs: turn.state.tearingDownSinceMs ?? turn.now });
    case 'tick':
      return;
  }
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
