/** A cluster as an operator sees it. */
import { contractVersion } from '../../executor-image/contract.js';
import { quorumLostForGood } from './founding.js';
import type { ClusterState, Misfit, Pause, Phase } from './model.js';
import { heardOf, heldBack, isPaused } from './pause.js';
import { isAnyAwaited } from './reconciliation.js';

/** What the node agent of a task told last of its etcd. For people: no decision depends on it. Times are on the clock of `decide`. */
export interface ToldMember {
  readonly taskId: string;
  /** A follower and a leader are voters. */
  readonly role: 'none' | 'learner' | 'follower' | 'leader';
  readonly sinceMs: number | undefined;
  /** The last entry of its raft log. */
  readonly raftIndex: number | undefined;
  readonly heardAtMs: number;
}

export interface NodeSummary {
  readonly number: number;
  readonly address: string;
  /** Host of the present task. */
  readonly hostname: string | undefined;
  readonly taskId: string | undefined;
  /** Of the present task. */
  readonly incarnation: number | undefined;
  /** Such as TASK_RUNNING, or what the node waits for. */
  readonly state: string;
  /** Since when, on the clock of `decide`; undefined while nothing has changed since the process began. */
  readonly sinceMs: number | undefined;
  /** One sentence; in a pause with what would be done. */
  readonly reason: string;
  /** Whether its node agent said last that the cluster is paused; undefined where it was never heard. */
  readonly heardPaused: boolean | undefined;
  /** Of the present task; undefined where it was never heard: a scheduler often reaches the nodes of its own host only. */
  readonly member: ToldMember | undefined;
}

export interface ClusterView {
  readonly frameworkId: string | undefined;
  readonly generation: number;
  /** Set while the operator has automation frozen. */
  readonly paused: Pause | undefined;
  readonly nodes: readonly NodeSummary[];
  /** What is not wrong yet, but would be with one more failure. */
  readonly warnings: readonly string[];
  /** Hosts whose offers fit no node that waits for one, while one does. */
  readonly misfits: readonly Misfit[];
}

/** @param told what was heard last of each node, by number */
export function viewOf(state: ClusterState, told: ReadonlyMap<number, ToldMember> = new Map()): ClusterView {
  const { record, nodes } = state;
  return {
    frameworkId: record.frameworkId,
    generation: record.generation.number,
    paused: record.paused,
    nodes: nodes.map(({ phase, reason, sinceMs }, number): NodeSummary => {
      const task = record.nodes[number]?.task;
      const alive = task !== undefined && task.end === undefined;
      const member = told.get(number);
      const held = heldBack(state, number);
      return {
        number,
        address: record.addresses[number] ?? '',
        hostname: alive ? task.hostname : undefined,
        taskId: alive ? task.id : undefined,
        incarnation: alive ? task.incarnation : undefined,
        state: stateText(phase),
        sinceMs,
        reason: held === undefined ? reason : `${reason}; paused, or ${held}`,
        heardPaused: heardOf(state, number),
        member: alive && member?.taskId === task.id ? member : undefined,
      };
    }),
    warnings: warningsOf(state),
    misfits: nodes.some(({ phase }) => phase.kind === 'waiting') ? (state.misfits ?? []) : [],
  };
}

/** What is not wrong yet, but would be with one more failure; a sentence each. */
export function warningsOf(state: ClusterState): string[] {
  return [...imagesOfOtherReleases(state), ...hostsWithTooMany(state), ...whatAPauseLeaves(state)];
}

/** What would be done beside the nodes' own tasks, were it not for the pause. */
function whatAPauseLeaves(state: ClusterState): string[] {
  if (!isPaused(state)) return [];
  const isLost = state.connected && !isAnyAwaited(state) && quorumLostForGood(state);
  return [
    ...state.strays.map(
      ({ taskId }) =>
        `task ${taskId}, which is no node's present task, lives: it is killed when the pause is over`,
    ),
    ...(isLost
      ? [
          `generation ${state.record.generation.number} has lost its quorum for good: the next is founded when the pause is over`,
        ]
      : []),
  ];
}

/** Nodes that were launched by a scheduler of another release, and run on. */
function imagesOfOtherReleases({ record, nodes }: ClusterState): string[] {
  return nodes.flatMap(({ otherContract }, number) =>
    otherContract === undefined || otherContract.taskId !== record.nodes[number]?.task?.id
      ? []
      : [
          `node ${number} runs an image that speaks version ${otherContract.version} of the contract, this scheduler ${contractVersion}: they are not of one release, and what the scheduler tells that node may not be understood`,
        ],
  );
}

/** Hosts whose loss would cost etcd its quorum, and so Jupyter, until the nodes are founded anew. */
function hostsWithTooMany({ record, nodes }: ClusterState): string[] {
  // A single node has no quorum to lose; and while the cluster comes up, nothing is to be said of it yet.
  if (nodes.length === 1 || nodes.some(({ phase }) => phase.kind !== 'running')) return [];
  const onHost = new Map<string, number>();
  for (const { task } of record.nodes) {
    if (task?.end === undefined && task !== undefined)
      onHost.set(task.hostname, (onHost.get(task.hostname) ?? 0) + 1);
  }
  return [...onHost]
    .filter(([, count]) => count * 2 >= nodes.length)
    .map(
      ([hostname, count]) =>
        `host ${hostname} runs ${count} of ${nodes.length} nodes: its loss would cost the quorum, and Jupyter would be away until the rest is founded anew`,
    );
}

function stateText(phase: Phase): string {
  switch (phase.kind) {
    case 'waiting':
      return 'waiting for an offer';
    case 'backingOff':
      return 'backing off';
    case 'unconfirmed':
      return 'asking Mesos';
    case 'launching':
      return 'launching';
    case 'starting':
      return 'TASK_STARTING';
    case 'running':
      return 'TASK_RUNNING';
    case 'killing':
      return 'TASK_KILLING';
    case 'unreachable':
      return 'TASK_UNREACHABLE';
  }
}
