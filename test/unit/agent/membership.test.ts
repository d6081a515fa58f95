import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Member } from '../../../executor-image/agent/etcd/client.js';
import {
  type ClusterState,
  connectedPeers,
  type Decision,
  decideMembership,
  inVainSince,
  memberName,
  type Observation,
  quickEndsAfter,
  type Self,
  speaksForCluster,
  waitingFor,
} from '../../../executor-image/agent/etcd/membership.js';

const founder: Self = { node: 0, address: '192.0.2.100', incarnation: 1, founder: true };
const relaunched: Self = { node: 0, address: '192.0.2.100', incarnation: 4, founder: false };
const nothing: Observation = {
  removed: false,
  quickEnds: 0,
  hasLog: false,
  everStarted: false,
  failedJoins: { count: 0, sinceMs: 0 },
  silent: [],
};

function voter(node: number, name = `node-${node}-founder`): Member {
  return { id: String(100 + node), name, address: `192.0.2.10${node}`, learner: false };
}
function learner(node: number, name = ''): Member {
  return { ...voter(node, name), learner: true };
}
function cluster(members: Member[], times: Partial<ClusterState> = {}): ClusterState {
  return { members, disconnectedForMs: new Map(), learnerForMs: new Map(), newestIncarnation: 0, ...times };
}
function joining(state: ClusterState, self = relaunched): Decision {
  return decideMembership(self, { ...nothing, cluster: state });
}
function afterFailedJoins(count: number, sinceMs: number, state: ClusterState): Decision {
  return decideMembership(relaunched, { ...nothing, failedJoins: { count, sinceMs }, cluster: state });
}

describe('how a node’s etcd comes to be a member', () => {
  test('a founder whose container never ran etcd founds', () => {
    assert.equal(decideMembership(founder, nothing).do, 'found');
  });

  test('a founder whose container ran etcd before, and has lost its log, joins like any other', () => {
    const decision = decideMembership(founder, {
      ...nothing,
      everStarted: true,
      cluster: cluster([voter(1), voter(2)]),
    });
    assert.equal(decision.do, 'add');
  });

  test('a log is gone on with, by a founder and by any other', () => {
    for (const self of [founder, relaunched]) {
      assert.equal(decideMembership(self, { ...nothing, everStarted: true, hasLog: true }).do, 'start');
    }
  });

  test('a log is wiped when the member was removed, or etcd ended at once three times, before anything else', () => {
    const log = { ...nothing, everStarted: true, hasLog: true };
    assert.equal(decideMembership(founder, { ...log, removed: true }).do, 'wipe');
    assert.equal(decideMembership(founder, { ...log, quickEnds: 2 }).do, 'start');
    assert.equal(decideMembership(founder, { ...log, quickEnds: 3 }).do, 'wipe');
  });

  test('no founder never founds: it waits when nobody answers, and says for whom', () => {
    const decision = decideMembership(relaunched, { ...nothing, silent: ['192.0.2.101', '192.0.2.102'] });
    assert.equal(decision.do, 'wait');
    assert.match(decision.reason, /no leader known to 192\.0\.2\.101, 192\.0\.2\.102/);
  });

  test('the member of its own former task is removed first', () => {
    const decision = joining(cluster([voter(0), voter(1), voter(2)]));
    assert.deepEqual(decision.do === 'remove' && decision.member, voter(0));
  });

  test('so is one at its address that never started, which a former task added before it died', () => {
    assert.equal(joining(cluster([learner(0), voter(1), voter(2)])).do, 'remove');
  });

  test('so is one of its own incarnation, whose disk was wiped', () => {
    assert.equal(joining(cluster([voter(0, memberName(relaunched)), voter(1), voter(2)])).do, 'remove');
  });

  test('a newer task of the node that has set out to join ends it: it came back from the dead', () => {
    const newer = { newestIncarnation: 5 };
    for (const own of [[voter(0, 'node-0-incarnation-5')], [learner(0)], []]) {
      const decision = joining(cluster([...own, voter(1), voter(2)], newer));
      assert.deepEqual(decision.do === 'end' && decision.code, 'superseded');
      assert.match(decision.reason, /incarnation 5 .* this one, 4,/);
    }
    const asFounder = decideMembership(founder, {
      ...nothing,
      everStarted: true,
      cluster: cluster([voter(0), voter(1), voter(2)], { newestIncarnation: 2 }),
    });
    assert.equal(asFounder.do, 'end');
  });

  test('an older task that had set out, and itself, are no hindrance', () => {
    for (const newestIncarnation of [3, 4]) {
      assert.equal(joining(cluster([voter(0), voter(1), voter(2)], { newestIncarnation })).do, 'remove');
      assert.equal(joining(cluster([voter(1), voter(2)], { newestIncarnation })).do, 'add');
    }
  });

  test('a join that failed leaves the learner’s place to others, twice as long each time', () => {
    const free = cluster([voter(1), voter(2)]);
    for (const [count, waitMs] of [
      [1, 5_000],
      [2, 10_000],
      [3, 20_000],
      [20, 120_000],
    ] as const) {
      const decision = afterFailedJoins(count, waitMs - 1, free);
      assert.equal(decision.do, 'wait');
      assert.match(decision.reason, new RegExp(`for ${waitMs / 1000} s \\(failed joins: ${count}\\)`));
      assert.equal(afterFailedJoins(count, waitMs, free).do, 'add');
    }
    assert.equal(
      afterFailedJoins(1, 0, cluster([learner(0), voter(1), voter(2)])).do,
      'remove',
      'its own, at once',
    );
  });

  test('a voter that is cut off from the leader for 5 s is removed; not one that just blinked', () => {
    const members = [voter(1), voter(2), voter(3)];
    assert.equal(joining(cluster(members, { disconnectedForMs: new Map([['103', 4999]]) })).do, 'add');
    const decision = joining(cluster(members, { disconnectedForMs: new Map([['103', 5000]]) }));
    assert.deepEqual(decision.do === 'remove' && decision.member, voter(3));
  });

  test('another learner is waited for', () => {
    const decision = joining(
      cluster([voter(1), voter(2), learner(3)], { learnerForMs: new Map([['103', 59_999]]) }),
    );
    assert.equal(decision.do, 'wait');
    assert.match(decision.reason, /192\.0\.2\.103/);
  });

  test('a learner that is none of ours any more is removed after 60 s, one that started and is gone after 5 s', () => {
    assert.equal(
      joining(cluster([voter(1), learner(3)], { learnerForMs: new Map([['103', 60_000]]) })).do,
      'remove',
    );
    const gone = cluster([voter(1), learner(3, 'node-3-incarnation-2')], {
      disconnectedForMs: new Map([['103', 5000]]),
    });
    assert.equal(joining(gone).do, 'remove');
    const notYetStarted = cluster([voter(1), learner(3)], { disconnectedForMs: new Map([['103', 5000]]) });
    assert.equal(joining(notYetStarted).do, 'wait');
  });

  test('with all others well it adds itself', () => {
    assert.equal(joining(cluster([voter(1), voter(2)])).do, 'add');
  });

  test('every decision carries a sentence of reason', () => {
    const decisions = [
      decideMembership(founder, nothing),
      decideMembership(founder, { ...nothing, removed: true }),
      decideMembership(founder, { ...nothing, hasLog: true }),
      joining(cluster([voter(0), voter(1)])),
      joining(cluster([voter(1)])),
    ];
    for (const { reason } of decisions) assert.match(reason, /\w+ \w+ \w+/);
  });
});

test('etcd ended at once when it lived for less than 10 s; one that lived longer begins the count anew', () => {
  assert.equal(quickEndsAfter(0, 9_999), 1);
  assert.equal(quickEndsAfter(1, 0), 2);
  assert.equal(quickEndsAfter(2, 10_000), 0);
});

test('a peer speaks for the cluster to join when it is a voter with a leader, of this generation', () => {
  const status = { leader: '7', isLearner: false };
  assert.equal(speaksForCluster({ status, generation: 3 }, 3), true);
  assert.equal(speaksForCluster({ status, generation: 2 }, 3), false, 'left over from an earlier founding');
  assert.equal(speaksForCluster({ status, generation: 4 }, 3), false, 'founded since');
  assert.equal(
    speaksForCluster({ status, generation: undefined }, 3),
    false,
    'its node agent does not answer',
  );
  assert.equal(speaksForCluster({ status: undefined, generation: 3 }, 3), false);
  assert.equal(speaksForCluster({ status: { ...status, leader: '0' }, generation: 3 }, 3), false);
  assert.equal(speaksForCluster({ status: { ...status, isLearner: true }, generation: 3 }, 3), false);
});

test('a quorum is looked for in vain until one is found, by whoever is no voter', () => {
  assert.equal(inVainSince(undefined, { isVoter: false, foundQuorum: false }, 5_000), 5_000);
  assert.equal(inVainSince(5_000, { isVoter: false, foundQuorum: false }, 65_000), 5_000);
  assert.equal(inVainSince(5_000, { isVoter: false, foundQuorum: true }, 65_000), undefined);
  assert.equal(inVainSince(5_000, { isVoter: true, foundQuorum: false }, 65_000), undefined);
});

test('what etcd says when a change must wait is told from what is wrong', () => {
  assert.match(waitingFor('etcdserver: too many learner members in cluster') ?? '', /learner/);
  assert.match(waitingFor('etcdserver: unhealthy cluster') ?? '', /5 s/);
  assert.match(
    waitingFor('etcdserver: re-configuration failed due to not enough started members') ?? '',
    /quorum/,
  );
  assert.equal(waitingFor('etcdserver: member not found'), undefined);
});

test('the peers that a member is connected to are read from its metrics', () => {
  const metrics = [
    '# TYPE etcd_network_active_peers gauge',
    'etcd_network_active_peers{Local="8444bc35229fc306",Remote="3fa428978cc44c4b"} 1',
    'etcd_network_active_peers{Local="8444bc35229fc306",Remote="5f91b7e2f12d8eb9"} 0',
    'etcd_network_client_grpc_received_bytes_total 6666',
  ].join('\n');
  assert.deepEqual([...connectedPeers(metrics)], ['3fa428978cc44c4b']);
});
