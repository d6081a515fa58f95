import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ToldMember, viewOf } from '../../../framework/cluster/view.js';
import { type Moment, type Stage, schedulerStatus, statusOf } from '../../../framework/web/status.js';
import { statusLines } from '../../../framework/web/words.js';
import { World } from '../cluster/world.js';

const identity = { version: '1.2.3', frameworkName: 'mesos-jupyter', store: '/srv/state.json' };
const well = { healthy: true, reason: '' };
const moment = (nowMs: number): Moment => ({ nowMs, startedMs: 0, wallMs: Date.UTC(2026, 0, 1) + nowMs });

const scheduling = (world: World): Stage => ({
  kind: 'scheduling',
  view: viewOf(world.state),
  master: '10.0.0.1:5050',
  reason: 'subscribed at 10.0.0.1:5050',
});

describe('the status of a scheduler', () => {
  it('names framework, master, store and each node with its task, host and reason', () => {
    const world = World.running();
    const status = statusOf(scheduling(world), identity, well, moment(world.now));
    assert.equal(status.state, 'subscribed');
    assert.deepEqual(
      [status.frameworkId, status.master, status.store, status.generation, status.standingBy],
      ['f-1', '10.0.0.1:5050', '/srv/state.json', 1, false],
    );
    const [node] = status.nodes;
    assert.equal(node?.task, world.task(0).id);
    assert.deepEqual([node?.host, node?.state, node?.incarnation], ['host-1', 'TASK_RUNNING', 1]);
    assert.ok(Date.parse(node?.since ?? '') <= Date.parse(status.time));
    assert.deepEqual(status.misfits, []);
  });

  it('says since when a node has been in its state, which a new reason does not change', () => {
    const world = World.running();
    world.pass(10_000);
    world.exit(world.task(1).id, 137);
    const endedMs = world.now;
    world.pass(500);
    const { nodes, time } = statusOf(scheduling(world), identity, well, moment(world.now));
    assert.equal(nodes[1]?.state, 'backing off');
    assert.equal(Date.parse(time) - Date.parse(nodes[1]?.since ?? ''), world.now - endedMs);
    assert.equal(nodes[1]?.task, null);
  });

  it('tells which nodes are voters, since when, and when that was heard, of the present tasks alone', () => {
    const world = World.running();
    const heardAtMs = world.now;
    const about = { sinceMs: heardAtMs - 60_000, raftIndex: 17, heardAtMs };
    const told = new Map<number, ToldMember>([
      [0, { ...about, taskId: world.task(0).id, role: 'leader' }],
      [1, { ...about, taskId: 'an earlier task', role: 'follower' }],
      [2, { ...about, taskId: world.task(2).id, role: 'learner', sinceMs: undefined, raftIndex: undefined }],
    ]);
    world.pass(20_000);
    const view = viewOf(world.state, told);
    const stage = { ...scheduling(world), view } as Stage;
    const status = statusOf(stage, identity, well, { ...moment(world.now), startedMs: -60_000 });
    const at = (ms: number) => new Date(moment(ms).wallMs).toISOString();
    assert.deepEqual(
      status.nodes.map(({ member }) => member),
      [
        { role: 'leader', voter: true, since: at(heardAtMs - 60_000), raftIndex: 17, heardAt: at(heardAtMs) },
        null,
        { role: 'learner', voter: false, since: null, raftIndex: null, heardAt: at(heardAtMs) },
      ],
    );
    assert.deepEqual(schedulerStatus.parse(JSON.parse(JSON.stringify(status))), status);
    const lines = statusLines(status);
    assert.match(lines.find((line) => line.includes('node 0 ')) ?? '', / leader \(20 s ago\) /);
    assert.match(lines.find((line) => line.includes('node 1 ')) ?? '', / - /);
  });

  it('can be read from a scheduler of an earlier release, which tells nothing of members', () => {
    const world = World.running();
    const status = statusOf(scheduling(world), identity, well, moment(world.now));
    const earlier = { ...status, nodes: status.nodes.map(({ member: _, ...node }) => node) };
    assert.deepEqual(schedulerStatus.parse(earlier), status);
  });

  it('is another one while it stands by, connects or stops', () => {
    const state = (stage: Stage) => {
      const { state, reason, standingBy, nodes } = statusOf(stage, identity, well, moment(0));
      assert.deepEqual(nodes, []);
      return [state, reason, standingBy];
    };
    assert.deepEqual(state({ kind: 'starting' }), ['starting', 'opening /srv/state.json', false]);
    assert.deepEqual(state({ kind: 'standingBy', holder: 'host-9, process 7' }), [
      'standingBy',
      'standing by: another scheduler (host-9, process 7) has /srv/state.json',
      true,
    ]);
    assert.deepEqual(state({ kind: 'stopping' }), ['stopping', 'stopping; nodes run on', false]);
    const world = World.running();
    const lost: Stage = { ...scheduling(world), master: undefined, reason: 'away; trying again' } as Stage;
    assert.equal(statusOf(lost, identity, well, moment(0)).state, 'connecting');
  });

  it('survives its own way over the wire', () => {
    const world = World.running();
    const status = statusOf(scheduling(world), identity, well, moment(world.now));
    assert.deepEqual(schedulerStatus.parse(JSON.parse(JSON.stringify(status))), status);
    // A later release says more.
    assert.deepEqual(schedulerStatus.parse({ ...status, more: 1 }), status);
  });
});

describe('the status of a paused cluster', () => {
  const since = '2025-12-31T23:59:00.000Z';
  const statusNow = (world: World) =>
    statusOf(scheduling(world), identity, well, { ...moment(world.now), wallMs: Date.UTC(2026, 0, 1) });

  it('says since when, why, what would be done, and which nodes know', () => {
    const world = World.running();
    world.send({ kind: 'pause', since, reason: 'switch work' });
    for (const node of [0, 2]) world.heardPause(node, true);
    world.exit(world.task(2).id, 137);
    const status = statusNow(world);
    assert.deepEqual(status.paused, { since, reason: 'switch work' });
    assert.match(status.reason, /; paused by the operator$/);
    assert.deepEqual(
      status.nodes.map(({ paused }) => paused),
      [true, null, null],
    );
    const lines = statusLines(status).join('\n');
    assert.match(lines, /^Paused for 1 min \(switch work\): nothing is launched or killed/m);
    assert.match(lines, /^Node 1 has not been heard to know of it/m);
    assert.match(lines, /^node 2: .*; paused, or a task would be launched after a wait$/m);
    assert.deepEqual(schedulerStatus.parse(JSON.parse(JSON.stringify(status))), status);
  });

  it('names the nodes that have not heard of its end', () => {
    const world = World.running();
    world.send({ kind: 'pause', since });
    world.send({ kind: 'resume' });
    world.heardPause(1, true);
    const status = statusNow(world);
    assert.equal(status.paused, null);
    assert.match(statusLines(status).join('\n'), /^Node 1 still takes the cluster for paused/m);
  });
});

describe('offers that did not fit', () => {
  it('are told host by host, each by its last offer, until the node has one', () => {
    const world = new World();
    world.subscribe();
    world.offer([{ hostname: 'host-1', cpus: 0.1 }]);
    world.pass(1_000);
    world.offer([{ hostname: 'host-2', memMb: 1 }]);
    world.pass(1_000);
    const misfits = () =>
      statusOf(scheduling(world), identity, well, moment(world.now)).misfits.map(({ host, unmet }) => [
        host,
        unmet.join(),
      ]);
    assert.deepEqual(misfits(), [
      ['host-1', 'cpus (1 needed)'],
      ['host-2', 'memMb (512 needed)'],
    ]);
    world.offer([{ hostname: 'host-1', cpus: 16, memMb: 65_536 }]);
    world.pass(1_000);
    assert.deepEqual(misfits(), []);
  });
});

describe('the status in lines', () => {
  it('shows a table, why a node does not run, warnings and offers that did not fit', () => {
    const world = World.running();
    world.exit(world.task(1).id, 137);
    const status = statusOf(scheduling(world), identity, well, moment(world.now));
    const warnings = ['host host-1 runs 2 of 3 nodes'];
    const misfits = [
      { host: 'host-2', agentId: 'a', unmet: ['cpus (1 needed)', 'memMb (9 needed)'], at: status.time },
    ];
    const lines = statusLines({ ...status, warnings, misfits }).join('\n');
    assert.match(lines, /^mesos-jupyter: subscribed at 10\.0\.0\.1:5050 \(framework f-1\), generation 1$/m);
    assert.match(lines, /^ {2}node {4}address .* host .* state .* for .* etcd .* task$/m);
    assert.match(lines, /^ {2}node 0 .* host-1 .* TASK_RUNNING/m);
    assert.match(lines, /^node 1: .*relaunch in/m);
    assert.match(lines, /^Warnings:\n {2}host host-1 runs 2 of 3 nodes$/m);
    assert.match(lines, /^ {2}host-2 does not meet cpus \(1 needed\), memMb \(9 needed\) \(0 s ago\)$/m);
  });

  it('prints nothing that moves a cursor, whatever a container wrote', () => {
    const world = World.running();
    world.exit(world.task(1).id, 137);
    const status = statusOf(scheduling(world), identity, well, moment(world.now));
    const nodes = status.nodes.map((node) => ({ ...node, reason: 'said \u001b[2Jgone\r\nline' }));
    assert.match(statusLines({ ...status, nodes }).join('\n'), /^node 1: said gone {2}line$/m);
  });
});
