/**
 * How this node's etcd comes to be a member: one decision over what was observed, with its reason. No I/O here.
 *
 * etcd's data lives on the container's own disk and goes with the task. So a relaunched node never has its old log, and
 * must not start `new` (etcd: «member … has already been bootstrapped»): its old member is removed and it joins as another.
 */
import type { ExitCodeName } from '../../contract.js';
import type { Member } from './client.js';

export interface Self {
  readonly node: number;
  readonly address: string;
  readonly incarnation: number;
  /** Whether this task is one of the generation's founders. */
  readonly founder: boolean;
}

/** Joins of this container in a row of which no voter came: its learner was removed, or its etcd did not run. */
export interface FailedJoins {
  readonly count: number;
  /** Since etcd ended the last time. */
  readonly sinceMs: number;
}

/** The cluster as its leader's member tells it. */
export interface ClusterState {
  readonly members: readonly Member[];
  /** For how long each member has been seen without a connection to the leader; absent when it has one. By member id. */
  readonly disconnectedForMs: ReadonlyMap<string, number>;
  /** For how long each learner has been seen. By member id. */
  readonly learnerForMs: ReadonlyMap<string, number>;
  /** The newest incarnation of this node that has ever set out to join this cluster; 0 while there was none. */
  readonly newestIncarnation: number;
}

export interface Observation {
  /** Whether etcd ended because its member was removed. */
  readonly removed: boolean;
  /** How often in a row etcd ended at once. */
  readonly quickEnds: number;
  /** Whether the data directory has a log. It can only be of this generation: the directory goes with the container. */
  readonly hasLog: boolean;
  /** Whether etcd was ever started in this container. The marker is outside the data directory. */
  readonly everStarted: boolean;
  readonly failedJoins: FailedJoins;
  /** Absent when no live peer knows a leader. */
  readonly cluster?: ClusterState;
  /** Addresses that gave no answer, or knew of no leader. */
  readonly silent: readonly string[];
}

export type Decision = { readonly reason: string } & (
  | { readonly do: 'wipe' }
  | { readonly do: 'start' }
  | { readonly do: 'found' }
  | { readonly do: 'end'; readonly code: ExitCodeName }
  | { readonly do: 'remove'; readonly member: Member }
  | { readonly do: 'add' }
  | { readonly do: 'wait' }
);

/** etcd that ends this often at once will not run with the log that it has. */
const quickEndsToWipe = 3;
/** An etcd that ended sooner than this ended "at once". */
const quickEndMs = 10_000;
/** etcd that ended this often without a healthy spell between will not run in this container, whatever its log. */
export const mostEnds = 6;
/** How long a node whose join failed leaves the one learner's place to others: so long, then twice as long each time. */
const firstRejoinWaitMs = 5000;
const longestRejoinWaitMs = 120_000;
/** A voter without its leader for so long is dead or cut off: etcd adds nobody beside it. */
const disconnectedLimitMs = 5000;
/** A learner that is not promoted in this time keeps all others out. */
const learnerLimitMs = 60_000;

/**
 * The member's name tells its task apart: a founder's can be written by all founders alike (they must agree on it), any
 * later one carries the incarnation.
 */
export function memberName(self: Pick<Self, 'node' | 'incarnation' | 'founder'>): string {
  return self.founder ? founderName(self.node) : `node-${self.node}-incarnation-${self.incarnation}`;
}

export function founderName(node: number): string {
  return `node-${node}-founder`;
}

/** How often in a row etcd has ended at once, after another end. */
export function quickEndsAfter(before: number, livedMs: number): number {
  return livedMs < quickEndMs ? before + 1 : 0;
}

/** What to do next; the first rule that fits. */
export function decideMembership(self: Self, seen: Observation): Decision {
  if (seen.removed) return { do: 'wipe', reason: 'its member was removed from the cluster: it joins anew' };
  if (seen.quickEnds >= quickEndsToWipe) {
    return {
      do: 'wipe',
      reason: `etcd ended at once ${seen.quickEnds} times: it joins anew without its old log`,
    };
  }
  if (seen.hasLog) return { do: 'start', reason: 'etcd goes on with the log that this container has' };
  if (self.founder && !seen.everStarted) {
    return {
      do: 'found',
      reason: 'its task is a founder of this generation and etcd never ran in this container',
    };
  }
  if (seen.cluster === undefined) {
    return {
      do: 'wait',
      reason: `waiting for a cluster to join: no leader known to ${seen.silent.join(', ')}`,
    };
  }
  return decideJoin(self, seen.cluster, seen.failedJoins);
}

function decideJoin(self: Self, cluster: ClusterState, failedJoins: FailedJoins): Decision {
  if (cluster.newestIncarnation > self.incarnation) {
    return {
      do: 'end',
      code: 'superseded',
      reason: `incarnation ${cluster.newestIncarnation} of this node joined: this one, ${self.incarnation}, came back from the dead`,
    };
  }
  const own = cluster.members.find(({ address }) => address === self.address);
  if (own !== undefined) {
    return {
      do: 'remove',
      member: own,
      reason: `${describe(own)} is this node's, of a task or a disk that is gone`,
    };
  }
  const waitMs = rejoinWaitMs(failedJoins.count);
  if (failedJoins.sinceMs < waitMs) {
    return {
      do: 'wait',
      reason: `leaves the learner's place to others for ${waitMs / 1000} s (failed joins: ${failedJoins.count})`,
    };
  }
  // etcd adds no member while a voter is not connected; it refuses by itself what would cost the quorum.
  const isCutOff = ({ id }: Member) => (cluster.disconnectedForMs.get(id) ?? 0) >= disconnectedLimitMs;
  const voter = cluster.members.find((member) => !member.learner && isCutOff(member));
  if (voter !== undefined) {
    return { do: 'remove', member: voter, reason: `${describe(voter)} is cut off from the leader` };
  }
  const learner = cluster.members.find((member) => member.learner);
  if (learner !== undefined) return decideBesideLearner(cluster, learner, isCutOff(learner));
  return { do: 'add', reason: 'the cluster can take another member' };
}

/** What to do about another node's learner: etcd takes one at a time. */
function decideBesideLearner(cluster: ClusterState, learner: Member, isCutOff: boolean): Decision {
  // One that has not started yet has never been connected.
  if (learner.name !== '' && isCutOff) {
    return { do: 'remove', member: learner, reason: `${describe(learner)} had started, and is gone` };
  }
  if ((cluster.learnerForMs.get(learner.id) ?? 0) >= learnerLimitMs) {
    return {
      do: 'remove',
      member: learner,
      reason: `${describe(learner)} was not promoted within ${learnerLimitMs / 1000} s`,
    };
  }
  return {
    do: 'wait',
    reason: `waiting until ${describe(learner)} is promoted: etcd takes one learner at a time`,
  };
}

function rejoinWaitMs(failedJoins: number): number {
  if (failedJoins === 0) return 0;
  return Math.min(firstRejoinWaitMs * 2 ** (failedJoins - 1), longestRejoinWaitMs);
}

function describe(member: Member): string {
  return member.name === ''
    ? `a member at ${member.address} that has not started`
    : `member ${member.name} at ${member.address}`;
}

/** What a peer's etcd says of itself, in `Status`. */
export interface PeerStatus {
  /** "0" when it knows of none. */
  readonly leader: string;
  readonly isLearner: boolean;
}

/**
 * Whether a peer knows of the cluster that is to be joined: a voter with a leader (a learner does not list members), of this
 * very generation. etcd does not say of which it is, and takes a member with any token once it was added; so the node agent
 * beside it is asked. While hosts come back from a partition, members of two generations are within reach.
 */
export function speaksForCluster<T extends PeerStatus>(
  peer: { readonly status: T | undefined; readonly generation: number | undefined },
  generation: number,
): peer is { readonly status: T; readonly generation: number } {
  const { status } = peer;
  return status !== undefined && status.leader !== '0' && !status.isLearner && peer.generation === generation;
}

/**
 * Who is no voter and finds no quorum for so long ends: only the scheduler can found anew. Far longer than an election and a change of
 * members take. Said too soon it does no harm by itself: half of the nodes must be without before anything follows.
 */
export const noQuorumLimitMs = 30_000;

/**
 * Since when a node has looked for a quorum in vain, after another look; undefined when it has found one, or needs none. A
 * voter needs none: it is what others look for. A learner does, also while its etcd runs: one that never heard a leader
 * answers nobody, so that its etcd alone would not say.
 */
export function inVainSince(
  before: number | undefined,
  look: { readonly isVoter: boolean; readonly foundQuorum: boolean },
  nowMs: number,
): number | undefined {
  return look.isVoter || look.foundQuorum ? undefined : (before ?? nowMs);
}

/** What etcd says when a change of members has to wait, in words for the status; undefined for any other failure. */
export function waitingFor(message: string): string | undefined {
  if (/too many learner/i.test(message)) return 'another learner is to be promoted first';
  if (/unhealthy cluster/i.test(message)) return 'all voters must have been connected for 5 s';
  if (/not enough started members/i.test(message)) return 'the change would cost the quorum';
  return undefined;
}

/** Ids (hexadecimal) of the peers that a member is connected to, from its `/metrics`. */
export function connectedPeers(metrics: string): Set<string> {
  const peers = new Set<string>();
  for (const [, id, count] of metrics.matchAll(
    /^etcd_network_active_peers\{.*?Remote="([0-9a-f]+)".*?\} (\S+)$/gm,
  )) {
    if (id !== undefined && Number(count) > 0) peers.add(id);
  }
  return peers;
}
