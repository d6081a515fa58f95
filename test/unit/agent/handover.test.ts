import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  aboutFreeKey,
  type FreeKeyView,
  intentKeys,
  noIntents,
  provisosOf,
  withIntent,
} from '../../../executor-image/agent/intents.js';
import { bestSuccessor, type Candidate } from '../../../executor-image/agent/successor.js';

const candidate = (node: number, raftIndex: number, more: Partial<Candidate['status']> = {}): Candidate => ({
  status: {
    node,
    taskId: `task-${node}`,
    ready: true,
    etcd: { memberId: `${node}a` },
    volume: { lookAgeS: 1, fresh: true },
    ...more,
  },
  raftIndex: BigInt(raftIndex),
});

describe('the successor of a holder', () => {
  const all = { unfit: [] };

  test('is the one with the longest log', () => {
    const candidates = [candidate(0, 9), candidate(1, 10), candidate(2, 7)];
    assert.deepEqual(bestSuccessor(candidates, all), { node: 1, taskId: 'task-1', memberId: '1a' });
  });

  test('of equal logs, is the one with the youngest look', () => {
    const older = candidate(0, 9, { volume: { lookAgeS: 3, fresh: true } });
    assert.equal(bestSuccessor([older, candidate(1, 9)], all)?.node, 1);
  });

  test('is ready, sees the volume, and is not unfit; or there is none', () => {
    const { volume: _, ...silent } = candidate(2, 9).status;
    const none = [
      candidate(0, 9, { ready: false }),
      candidate(1, 9, { volume: { lookAgeS: 90, fresh: false } }),
      { status: silent as Candidate['status'], raftIndex: 9n },
      candidate(3, 9),
    ];
    assert.equal(bestSuccessor(none, { unfit: ['task-3'] }), undefined);
    assert.equal(bestSuccessor([...none, candidate(4, 1)], { unfit: ['task-3'] })?.node, 4);
  });

  test('is to leave itself only where no other is able', () => {
    const orphan = candidate(0, 9, { leaving: 'this node is to leave' });
    assert.equal(bestSuccessor([orphan, candidate(1, 5)], all)?.node, 1);
    assert.equal(bestSuccessor([orphan], all)?.node, 0);
  });

  test('is the node that was asked for, or none', () => {
    const candidates = [candidate(0, 9), candidate(1, 10)];
    assert.equal(bestSuccessor(candidates, { node: 0, unfit: [] })?.node, 0);
    assert.equal(bestSuccessor(candidates, { node: 2, unfit: [] }), undefined);
  });
});

describe('a leader that finds the notebook key free', () => {
  const live = [0, 1, 2].map((node) => ({
    node,
    address: `192.0.2.10${node}`,
    taskId: `task-${node}`,
    incarnation: 1,
  }));
  const decide = (seesVolume: boolean, intents = noIntents) =>
    aboutFreeKey({ selfTaskId: 'task-0', leads: true, seesVolume, isPaused: false, live, intents });
  const take = { do: 'take', by: 'notPaused' };

  test('takes it when nothing else is intended', () => {
    assert.deepEqual(decide(true), take);
    assert.deepEqual(decide(true, { handOverTo: 'task-0', unfit: ['task-0'] }), take);
  });

  test('passes leadership on to the task that the notebook is handed over to', () => {
    const decision = decide(true, { handOverTo: 'task-2', unfit: [] });
    assert.equal(decision.do === 'passOn' && decision.toTaskId, 'task-2');
  });

  test('forgets a hand-over to a task that is dead', () => {
    assert.deepEqual(decide(true, { handOverTo: 'task-9', unfit: [] }), take);
  });

  test('passes leadership on when it is unfit, and tries once more itself where nobody else can', () => {
    const decision = decide(true, { unfit: ['task-0'] });
    assert.equal(decision.do === 'passOn' && decision.else, 'take');
  });

  test('never takes it without a sight of the volume', () => {
    for (const handOverTo of ['task-0', 'task-1']) {
      const decision = decide(false, { handOverTo, unfit: [] });
      assert.equal(decision.do === 'passOn' && decision.else, 'wait');
    }
  });
});

test('who does not lead etcd leaves a free notebook key to who does', () => {
  const view = { selfTaskId: 'task-0', leads: false, seesVolume: true, isPaused: false, live: [] };
  assert.equal(aboutFreeKey({ ...view, intents: noIntents }).do, 'leave');
  assert.equal(aboutFreeKey({ ...view, intents: noIntents, lastHolderTaskId: 'task-0' }).do, 'leave');
});

describe('a free notebook key in a pause', () => {
  const live = [0, 1, 2].map((node) => ({
    node,
    address: `192.0.2.10${node}`,
    taskId: `task-${node}`,
    incarnation: 1,
  }));
  const about = (more: Partial<FreeKeyView>) =>
    aboutFreeKey({
      selfTaskId: 'task-0',
      leads: true,
      seesVolume: true,
      isPaused: true,
      live,
      intents: noIntents,
      ...more,
    });

  test('is left alone by whoever leads etcd', () => {
    for (const lastHolderTaskId of ['task-1', 'task-9', undefined]) {
      const decision = about(lastHolderTaskId === undefined ? {} : { lastHolderTaskId });
      assert.equal(decision.do, 'leave');
    }
    assert.equal(about({ intents: { unfit: ['task-0'] }, seesVolume: false }).do, 'leave');
  });

  test('is taken by its last holder, whether it leads or not, if it sees the volume', () => {
    for (const leads of [true, false]) {
      const back = about({ leads, lastHolderTaskId: 'task-0' });
      assert.deepEqual(back, { do: 'take', by: 'lastHolder' });
      assert.equal(about({ leads, lastHolderTaskId: 'task-0', seesVolume: false }).do, 'leave');
    }
  });

  test('is taken by the task that the operator hands it over to, not by who gave it away', () => {
    const intents = { handOverTo: 'task-0', unfit: [] };
    const given = about({ leads: false, intents, lastHolderTaskId: 'task-1' });
    assert.deepEqual(given, { do: 'take', by: 'handedOver' });
    const other = { intents: { handOverTo: 'task-2', unfit: [] }, lastHolderTaskId: 'task-0' };
    assert.equal(about({ ...other, leads: false }).do, 'leave');
    const leader = about(other);
    assert.equal(leader.do === 'passOn' && leader.toTaskId, 'task-2');
    assert.equal(leader.do === 'passOn' && leader.else, 'wait');
  });

  test('is asked for by a right that etcd itself checks', () => {
    const [self] = live;
    assert.ok(self);
    const fenced = { key: '/fenced', is: 'there' };
    assert.deepEqual(provisosOf('notPaused', self), [fenced, { key: '/paused', is: 'absent' }]);
    assert.deepEqual(provisosOf('lastHolder', self), [
      fenced,
      { key: '/last-holder', is: 'value', value: JSON.stringify(self) },
    ]);
    assert.deepEqual(provisosOf('handedOver', self), [
      fenced,
      { key: '/intents/hand-over', is: 'value', value: 'task-0' },
    ]);
  });
});

test('intents are read from their keys, and no others', () => {
  let intents = withIntent(noIntents, '/nodes/00', 'x');
  assert.deepEqual(intents, noIntents);
  intents = withIntent(intents, intentKeys.handOver, 'task-1');
  intents = withIntent(intents, `${intentKeys.unfit}task-0`, 'Jupyter cannot be started here');
  assert.deepEqual(intents, { handOverTo: 'task-1', unfit: ['task-0'] });
});
