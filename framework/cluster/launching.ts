/** Offers: which nodes want them, which are used for what, and what the master is told of the demand (rules 1, 2, 4). */
import { unknownTasks } from '../../executor-image/contract.js';
import { runsNothing } from './founding.js';
import type { Launch, Misfit } from './model.js';
import { isPaused } from './pause.js';
import { bestHost, hostsOf, misfitsOf, whyNone, without } from './placement.js';
import type { Turn } from './turn.js';

/** Rule 4: offers in hand are used, or declined for long; held only to see whether another host spreads better. */
export function place(turn: Turn): void {
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
export function decline(turn: Turn): void {
  const offerIds = turn.state.offers.map((offer) => offer.id);
  if (offerIds.length > 0) {
    turn.send({ kind: 'decline', offerIds, refuseMs: turn.state.spec.declineMs });
    if (turn.state.demand === 'open') turn.set({ demand: 'filtered' });
  }
  turn.set({ offers: [], offersSinceMs: undefined });
}

/** Nodes to launch now: not in a pause, nor while a lost generation is brought to its end, nor beside an earlier task that lives (rule 1). */
function wantingOffers(turn: Turn): number[] {
  if (isPaused(turn.state)) return [];
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
  const offering = new Set(hosts.map(({ agentId }) => agentId));
  let misfits: readonly Misfit[] = [];
  const chosen = new Map<string, { offerIds: readonly string[]; launches: Launch[] }>();
  for (const number of wanting) {
    const demand = { needs: spec.needs, constraints: spec.constraints, others: turn.liveTasks() };
    const { avoidAgentId, failures } = turn.node(number);
    const avoidance =
      avoidAgentId === undefined ? undefined : { agentId: avoidAgentId, failures: Math.max(1, failures) };
    const host = bestHost(hosts, demand, avoidance);
    if (host === undefined) {
      misfits = misfitsOf(hosts, demand, turn.now);
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
  // A host's last offer counts, however long ago it was declined.
  const earlier = turn.state.misfits?.filter(({ agentId }) => !offering.has(agentId)) ?? [];
  const all = [...earlier, ...misfits];
  turn.set({
    offers: turn.state.offers.filter((offer) => !used.has(offer.id)),
    misfits: all.length > 0 ? all : undefined,
  });
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

/** Rule 4: no offers while nothing is missing, or may be launched; when something is, filters set earlier are lifted once. */
export function tellDemand(turn: Turn): void {
  const { demand, wantedBy } = turn.state;
  const wanting = wantingOffers(turn);
  const isNew = wanting.some((number) => !wantedBy.includes(number));
  if (wanting.join() !== wantedBy.join()) turn.set({ wantedBy: wanting });
  const complete =
    isPaused(turn.state) ||
    turn.state.nodes.every((node) => !runsNothing(node) && node.phase.kind !== 'unreachable');
  if (isNew) {
    if (demand !== 'open') turn.send({ kind: 'revive' });
    turn.set({ demand: 'open' });
  } else if (complete && demand !== 'suppressed') {
    turn.send({ kind: 'suppress' });
    turn.set({ demand: 'suppressed', misfits: undefined });
  }
}
