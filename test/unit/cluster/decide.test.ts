import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contractVersion, exitCodes, unknownTasks } from '../../../executor-image/contract.js';
import { nextTickMs } from '../../../framework/cluster/decide.js';
import { backoffMs } from '../../../framework/cluster/updates.js';
import { spec, World } from './world.js';

const kinds = (world: World): string[] =>
  world.actions.map((action) => action.kind).filter((kind) => kind !== 'log');

describe('launching a cluster', () => {
  it('spreads nodes over hosts, one ACCEPT a host, and suppresses offers when complete', () => {
    const world = new World();
    world.subscribe();
    world.offer(['host-1', 'host-2']);
    assert.deepEqual(world.take('accept'), [], 'two hosts for three nodes: a third may still be offered');
    world.pass(500);
    const accepts = world.take('accept');
    assert.deepEqual(
      accepts.map(({ launches }) => launches.map(({ task }) => [task.node, task.hostname])),
      [
        [
          [0, 'host-1'],
          [2, 'host-1'],
        ],
        [[1, 'host-2']],
      ],
    );
    assert.equal(world.take('suppress').length, 1);
    assert.equal(world.take('decline').length, 0);
  });

  it('does not wait for more offers once every node can have a host of its own', () => {
    const world = new World();
    world.subscribe();
    world.offer(['host-1', 'host-2', 'host-3', 'host-4']);
    assert.equal(world.take('accept').length, 3);
    assert.deepEqual(world.take('decline'), [
      { kind: 'decline', offerIds: ['o-4'], refuseMs: spec.declineMs },
    ]);
  });

  it('stores records before the ACCEPT that launches them, and the framework id before that', () => {
    const world = new World();
    const first = world.send({ kind: 'subscribed', frameworkId: 'f-1' });
    const stored = first.findIndex((action) => action.kind === 'store');
    assert.ok(stored === 0, 'the first action stores');
    world.offer(['host-1', 'host-2', 'host-3']);
    const order = kinds(world);
    assert.ok(order.lastIndexOf('store') < order.indexOf('accept'), order.join(' '));
    for (const { record } of world.take('store').slice(-1)) {
      assert.equal(record.frameworkId, 'f-1');
      assert.deepEqual(
        record.nodes.map(({ task }) => task?.id),
        record.generation.founders.map((founder) => founder.taskId),
      );
    }
  });

  it('says what each offer lacks when none is large enough, and takes the next that is', () => {
    const world = new World({ spec: { needs: { cpus: 2, memMb: 4096, diskMb: 0 } } });
    world.subscribe();
    world.offer([{ hostname: 'host-1', cpus: 1 }]);
    world.pass(500);
    assert.equal(world.reason(0), 'no offer fits: 1 of 1 do not meet cpus (2 needed)');
    assert.equal(world.take('decline').length, 1);
    world.offer([{ hostname: 'host-2', cpus: 6, memMb: 12288 }]);
    world.pass(500);
    assert.equal(world.take('accept')[0]?.launches.length, 3);
  });

  it('never uses an offer that was rescinded while it was held', () => {
    const world = new World();
    world.subscribe();
    const [offer] = world.offer(['host-1']);
    world.send({ kind: 'rescinded', offerId: offer?.id ?? '' });
    world.pass(5_000);
    assert.deepEqual(world.take('accept'), []);
    assert.deepEqual(world.take('decline'), []);
  });

  it('takes several offers of one Mesos agent together', () => {
    const world = new World({
      spec: { addresses: ['198.51.100.100'], needs: { cpus: 2, memMb: 64, diskMb: 0 } },
    });
    world.subscribe();
    world.offer([
      { hostname: 'host-1', cpus: 1 },
      { hostname: 'host-1', cpus: 1 },
    ]);
    world.pass(500);
    assert.deepEqual(world.take('accept')[0]?.offerIds, ['o-1', 'o-2']);
  });
});

describe('a task that ends', () => {
  it('is relaunched at once after a wait, as a joiner with the next incarnation', () => {
    const world = World.running();
    const dead = world.task(1);
    world.exit(dead.id, 137);
    assert.equal(world.phase(1), 'backingOff');
    world.pass(1_000);
    assert.equal(world.take('revive').length, 1);
    world.offer(['host-1', 'host-2']);
    world.pass(500);
    const [accept] = world.take('accept');
    const task = accept?.launches[0]?.task;
    assert.equal(task?.node, 1);
    assert.equal(task?.incarnation, dead.incarnation + 1);
    assert.ok(!accept?.launches[0]?.founders.includes(task?.id ?? ''), 'not a founder');
    assert.equal(task?.generation, 1);
    assert.equal(task?.hostname, 'host-2', 'one failure does not put three nodes on one host');
  });

  it('backs off exponentially while it keeps failing, and starts afresh after a healthy spell', () => {
    const world = World.running();
    const waits: number[] = [];
    for (let round = 0; round < 5; round++) {
      world.exit(world.task(0).id, 1);
      const phase = world.state.nodes[0]?.phase;
      assert.ok(phase?.kind === 'backingOff');
      waits.push(phase.untilMs - world.now);
      world.pass(phase.untilMs - world.now);
      world.offer(['host-2']);
      world.run(0);
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000]);
    world.pass(spec.healthySpellMs);
    assert.equal(world.state.nodes[0]?.failures, 0);
    world.exit(world.task(0).id, 1);
    assert.equal(world.phase(0), 'waiting');
    assert.equal(backoffMs(40, spec), spec.backoffMaxMs);
  });

  it('is relaunched when its health check failed, which Mesos reports as TASK_KILLED', () => {
    const world = World.running();
    world.update(world.task(2).id, 'TASK_KILLED', {
      healthy: false,
      message: 'Container exited with status 137',
    });
    assert.equal(world.phase(2), 'backingOff');
    assert.match(world.reason(2), /health check failed/);
  });

  it('is acknowledged after its end is stored', () => {
    const world = World.running();
    world.exit(world.task(1).id, 137);
    const order = kinds(world);
    assert.ok(order.indexOf('store') !== -1 && order.indexOf('store') < order.indexOf('acknowledge'));
  });

  it('changes nothing when its end is reported again, and the report is acknowledged again', () => {
    const world = World.running();
    const dead = world.task(1).id;
    world.exit(dead, 137);
    world.pass(1_000);
    world.offer(['host-1']);
    const before = world.state;
    world.forget();
    world.exit(dead, 137);
    assert.deepEqual(world.state, before);
    assert.equal(world.take('acknowledge').length, 1);
    assert.equal(world.take('kill').length, 0);
  });

  it('leaves a note when nothing proves its container gone', () => {
    const world = World.running();
    const [first, second, third] = [0, 1, 2].map((node) => world.task(node).id);
    world.update(first ?? '', 'TASK_FAILED', { message: 'Container terminated with signal Killed' });
    world.update(second ?? '', 'TASK_FAILED', {
      source: 'SOURCE_AGENT',
      reason: 'REASON_EXECUTOR_TERMINATED',
    });
    assert.deepEqual(
      world.state.record.unproven.map((task) => task.id),
      [first, second],
    );
    world.exit(third ?? '', 137);
    assert.equal(world.state.record.unproven.length, 2);
    world.exit(first ?? '', 137);
    assert.deepEqual(
      world.state.record.unproven.map((task) => task.id),
      [second],
      'a later word may prove it',
    );
  });
});

describe('a task that Mesos lost sight of', () => {
  it('is not replaced within its grace, and goes on when its host comes back', () => {
    const world = World.running();
    const { id } = world.task(0);
    world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(spec.unreachableGraceMs - 1);
    assert.equal(world.phase(0), 'unreachable');
    world.update(id, 'TASK_RUNNING', { reason: 'REASON_AGENT_REREGISTERED' });
    assert.equal(world.phase(0), 'running');
    world.pass(spec.unreachableGraceMs * 2);
    assert.deepEqual(world.take('accept'), []);
  });

  it('is replaced after its grace, and killed when it comes back', () => {
    const world = World.running();
    const old = world.task(0);
    world.update(old.id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(spec.unreachableGraceMs);
    assert.equal(world.take('revive').length, 1);
    world.offer(['host-2']);
    const replacement = world.task(0).id;
    assert.notEqual(replacement, old.id);
    world.run(0);
    world.forget();
    world.update(old.id, 'TASK_RUNNING', { agentId: old.agentId });
    assert.deepEqual(world.take('kill'), [{ kind: 'kill', taskId: old.id, agentId: old.agentId }]);
    assert.equal(world.task(0).id, replacement);
  });
});

describe('a launch that Docker refuses', () => {
  const refused = (options: ConstructorParameters<typeof World>[0] = {}): World => {
    const world = World.running(options);
    world.exit(world.task(0).id, 137);
    world.pass(1_000);
    world.offer(['host-1']);
    world.exit(world.task(0).id, 125);
    return world;
  };
  const words = [
    'I1124 04:39:50.713708 26921 exec.cpp:237] Executor registered on agent S0',
    'docker: Error response from daemon: Address already in use',
    '',
    "Run 'docker run --help' for more information",
    'W1124 04:39:55.823410 26923 executor.cpp:255] Docker inspect timed out after 5secs',
  ].join('\n');

  it('has its reason found out, without the relaunch waiting for it', () => {
    const world = refused();
    assert.deepEqual(world.take('explain'), [
      { kind: 'explain', taskId: world.task(0).id, agentId: 'agent-of-host-1' },
    ]);
    world.send({
      kind: 'explained',
      taskId: world.task(0).id,
      stderr: "docker: Error: no such network.\nSee 'docker run --help'.\n",
    });
    assert.match(
      world.reason(0),
      /relaunch in 2 s, 2nd failure in a row.*status 125\).*: Error: no such network$/,
    );
    assert.equal(world.phase(0), 'backingOff');
  });

  it('because the mount of its volume is dead tells the operator what to do', () => {
    const world = refused();
    world.send({
      kind: 'explained',
      taskId: world.task(0).id,
      stderr:
        "docker: Error response from daemon: error while creating mount source path '/srv/v': mkdir /srv/v: file exists.\n",
    });
    assert.match(
      world.reason(0),
      /file exists\. The mount of the shared volume is dead there: mount it anew/,
    );
    assert.equal(world.task(0).end?.provenDead, true, 'what Docker could not give its volume never ran');
  });

  it('is no proof of a death where the words are not of Docker’s refusal', () => {
    const world = refused();
    world.send({
      kind: 'explained',
      taskId: world.task(0).id,
      stderr: 'ls: cannot open directory: Transport endpoint is not connected\n',
    });
    assert.equal(world.task(0).end?.provenDead, false);
  });

  it('because its address is taken tells the operator what to run', () => {
    const world = refused();
    world.send({ kind: 'explained', taskId: world.task(0).id, stderr: words });
    assert.match(
      world.reason(0),
      /Address already in use\. Once no container of node 0 runs anywhere, release it: calicoctl ipam release --ip=198\.51\.100\.100/,
    );
    assert.deepEqual(world.take('releaseAddress'), []);
    assert.equal(world.task(0).end?.provenDead, true, 'what Docker could not give its address never ran');
  });

  it('because its address is taken has it released when the container that held it is proven dead', () => {
    const world = refused({ spec: { canReleaseAddress: true } });
    world.send({ kind: 'explained', taskId: world.task(0).id, stderr: words });
    assert.deepEqual(world.take('releaseAddress'), [{ kind: 'releaseAddress', address: '198.51.100.100' }]);
  });

  it('because its address is taken waits for a container that may live', () => {
    const world = World.running({ spec: { canReleaseAddress: true } });
    world.update(world.task(0).id, 'TASK_FAILED', { message: 'Container terminated with signal Killed' });
    const retry = (): void => {
      world.pass(spec.backoffMaxMs);
      world.offer(['host-1']);
      world.exit(world.task(0).id, 125);
      world.send({ kind: 'explained', taskId: world.task(0).id, stderr: words });
    };
    retry();
    assert.deepEqual(world.take('releaseAddress'), []);
    retry();
    assert.equal(world.take('releaseAddress').length, 1, 'for as long as a lost host');
  });

  it('is not explained by words about an older task', () => {
    const world = refused();
    const before = world.state;
    world.send({ kind: 'explained', taskId: 'node0.1.zzzz', stderr: words });
    assert.deepEqual(world.state, before);
  });
});

describe('a task that comes back', () => {
  /** Node 0 was given up for its host's sake. */
  const givenUp = (): { world: World; old: string } => {
    const world = World.running();
    const old = world.task(0).id;
    world.update(old, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(spec.unreachableGraceMs);
    return { world, old };
  };

  it('goes on as if nothing had been when its node has no other yet', () => {
    const { world, old } = givenUp();
    assert.equal(world.phase(0), 'waiting');
    world.update(old, 'TASK_RUNNING', { reason: 'REASON_AGENT_REREGISTERED' });
    assert.equal(world.phase(0), 'running');
    assert.equal(world.task(0).end, undefined);
    assert.deepEqual(world.state.record.unproven, []);
    assert.deepEqual(world.take('kill'), []);
  });

  it('is awaited, once killed, before its node is launched again', () => {
    const { world, old } = givenUp();
    world.offer(['host-2']);
    world.run(0);
    world.update(old, 'TASK_RUNNING', { agentId: 'agent-of-host-1' });
    world.exit(world.task(0).id, 125);
    world.pass(spec.backoffMaxMs);
    world.offer(['host-1', 'host-2', 'host-3']);
    assert.deepEqual(
      world.take('accept').flatMap(({ launches }) => launches.map(({ task }) => task.incarnation)),
      [2],
    );
    assert.match(world.reason(0), /waiting for the end of task .* which came back/);
    assert.ok(world.take('kill').length > 1, 'the KILL is sent again while it lives');
    world.update(old, 'TASK_KILLED', { message: 'Container exited with status 0' });
    world.offer(['host-1']);
    assert.equal(world.take('accept')[0]?.launches[0]?.task.node, 0);
  });

  it('may be on the way back after a subscription: its node is not launched before it has answered', () => {
    const { world, old } = givenUp();
    world.send({ kind: 'disconnected' });
    world.subscribe();
    world.pass(10_000);
    world.offer(['host-1', 'host-2']);
    world.pass(1_000);
    assert.deepEqual(world.take('accept'), []);
    world.update(old, 'TASK_UNKNOWN', { source: 'SOURCE_MASTER', reason: 'REASON_RECONCILIATION' });
    world.offer(['host-1', 'host-2']);
    world.pass(1_000);
    assert.equal(world.take('accept').length, 1);
  });

  it('is waited for no longer than a lost host is', () => {
    const { world } = givenUp();
    world.send({ kind: 'disconnected' });
    world.subscribe();
    world.pass(spec.unreachableGraceMs);
    world.offer(['host-2']);
    world.pass(500);
    assert.equal(world.take('accept').length, 1);
  });
});

describe('a scheduler that starts again', () => {
  const restarted = (): { world: World; before: World } => {
    const before = World.running();
    return { before, world: new World({ record: before.state.record, idSuffix: 'bbbb' }) };
  };

  it('takes its tasks over, and launches none', () => {
    const { world, before } = restarted();
    world.subscribe();
    assert.deepEqual(
      world.take('reconcile').map(({ tasks }) => tasks.map((task) => task.taskId)),
      [[], [0, 1, 2].map((node) => before.task(node).id)],
      'for tasks that it does not know, and for those that it does',
    );
    world.offer(['host-1', 'host-2', 'host-3']);
    assert.deepEqual(world.take('accept'), []);
    for (const node of [0, 1, 2]) {
      world.update(before.task(node).id, 'TASK_RUNNING', { reason: 'REASON_RECONCILIATION', healthy: true });
      assert.equal(world.phase(node), 'running');
    }
    assert.deepEqual(world.take('reconcile').at(-1)?.tasks, [], 'then asks for tasks that it does not know');
    assert.equal(world.take('suppress').length, 1);
  });

  it('asks again, ever more rarely, until each task has answered', () => {
    const { world, before } = restarted();
    world.subscribe();
    world.update(before.task(0).id, 'TASK_RUNNING');
    world.forget();
    world.pass(8_000);
    const asked = world.take('reconcile');
    assert.deepEqual(
      asked.map(({ tasks }) => tasks.length),
      [2, 2, 2],
      'after 1, 3 and 7 seconds',
    );
  });

  it('launches anew only the node whose task has answered that it ended', () => {
    const { world, before } = restarted();
    world.subscribe();
    world.exit(before.task(1).id, 137);
    world.pass(1_000);
    world.offer(['host-1', 'host-2', 'host-3']);
    assert.deepEqual(world.take('accept'), [], 'not before tasks that the record does not know are heard of');
    world.pass(1_000);
    world.offer(['host-1', 'host-2', 'host-3']);
    const launched = world.take('accept').flatMap(({ launches }) => launches.map(({ task }) => task.node));
    assert.deepEqual(launched, [1]);
    assert.match(world.task(1).id, /bbbb$/);
  });

  it('asks again after a call that may be lost, but not in a hot loop', () => {
    const world = World.running();
    for (let call = 0; call < 50; call++) world.send({ kind: 'callFailed' });
    assert.deepEqual(world.take('reconcile'), []);
    world.pass(3_600_000);
    assert.ok(world.take('reconcile').length > 0);
    const again = World.running();
    again.send({ kind: 'callFailed' });
    again.pass(1_000);
    assert.equal(again.take('reconcile').filter(({ tasks }) => tasks.length === 3).length, 1);
  });

  it('launches no founder that the last one chose: another may have been launched by that id since', () => {
    const before = new World();
    before.subscribe();
    before.offer([{ hostname: 'host-1', cpus: 2 }]);
    before.pass(500);
    assert.deepEqual(
      before.state.record.generation.founders.map(({ launched }) => launched),
      [true, true, false],
    );
    const world = new World({ record: before.state.record, idSuffix: 'bbbb' });
    world.subscribe();
    for (const node of [0, 1]) world.update(world.task(node).id, 'TASK_RUNNING');
    world.pass(2_000);
    world.offer(['host-2']);
    const [launch] = world.take('accept').flatMap(({ launches }) => launches);
    assert.equal(launch?.task.node, 2);
    assert.ok(!launch?.founders.includes(launch.task.id), 'a joiner');
    assert.equal(launch?.task.generation, 1);
  });

  it('chooses the founders anew where none was launched', () => {
    const before = new World();
    before.subscribe();
    const world = new World({ record: before.state.record, idSuffix: 'bbbb' });
    world.subscribe();
    world.pass(2_000);
    world.offer(['host-1', 'host-2', 'host-3']);
    const launches = world.take('accept').flatMap((accept) => accept.launches);
    assert.equal(launches.length, 3);
    for (const { task, founders } of launches) {
      assert.match(task.id, /bbbb$/);
      assert.equal(founders[task.node], task.id);
    }
  });

  it('kills a task that the store does not know', () => {
    const { world } = restarted();
    world.subscribe();
    world.forget();
    world.update('node0.99.zzzz', 'TASK_RUNNING');
    assert.equal(world.take('kill')[0]?.taskId, 'node0.99.zzzz');
  });
});

describe('a launch', () => {
  it('is not given up because a reconciliation overtook its ACCEPT', () => {
    const world = new World();
    world.subscribe();
    world.offer(['host-1', 'host-2', 'host-3']);
    const { id } = world.task(0);
    world.send({ kind: 'disconnected' });
    world.subscribe();
    world.update(id, 'TASK_UNKNOWN', { source: 'SOURCE_MASTER', reason: 'REASON_RECONCILIATION' });
    assert.equal(world.phase(0), 'launching');
    world.pass(31_000);
    world.update(id, 'TASK_UNKNOWN', { source: 'SOURCE_MASTER', reason: 'REASON_RECONCILIATION' });
    assert.equal(world.phase(0), 'backingOff', 'long after it, unknown means that it never arrived');
  });

  it('that brings no word in time is reconciled, then killed, and ends only with a terminal update', () => {
    const world = new World();
    world.subscribe();
    world.offer(['host-1', 'host-2', 'host-3']);
    const { id } = world.task(0);
    world.update(world.task(1).id, 'TASK_RUNNING');
    world.update(world.task(2).id, 'TASK_RUNNING');
    world.forget();
    world.pass(spec.launchTimeoutMs);
    assert.ok(world.take('reconcile').some(({ tasks }) => tasks.some((task) => task.taskId === id)));
    world.pass(10_000);
    assert.equal(world.take('kill')[0]?.taskId, id);
    world.pass(30_000);
    assert.equal(world.take('kill').length, 3, 'again every ten seconds');
    assert.equal(world.phase(0), 'killing');
    world.update(id, 'TASK_KILLED', { message: 'Container exited with status 137' });
    assert.equal(world.phase(0), 'waiting');
  });

  it('that the master refused proves that nothing started', () => {
    const world = new World();
    world.subscribe();
    world.offer(['host-1', 'host-2', 'host-3']);
    world.update(world.task(0).id, 'TASK_DROPPED', {
      source: 'SOURCE_MASTER',
      reason: 'REASON_INVALID_OFFERS',
    });
    assert.equal(world.task(0).end?.provenDead, true);
    assert.deepEqual(world.state.record.unproven, []);
  });
});

describe('a generation', () => {
  const relaunch = (world: World, node: number): void => {
    world.pass(spec.backoffMaxMs);
    world.offer([`host-${node + 1}`]);
    world.run(node);
  };

  it('is followed by the next when all of its tasks but one are proven dead: that one is killed first', () => {
    const world = World.running();
    const [first, second, third] = [0, 1, 2].map((node) => world.task(node).id) as [string, string, string];
    world.exit(first, 137);
    assert.equal(world.state.record.generation.number, 1);
    world.exit(second, 137);
    assert.equal(world.take('kill')[0]?.taskId, third);
    world.offer(['host-1', 'host-2', 'host-3']);
    assert.deepEqual(world.take('accept'), [], 'nothing is launched while the last one lives');
    world.update(third, 'TASK_KILLED', { message: 'Container exited with status 0' });
    assert.equal(world.state.record.generation.number, 2);
    assert.ok(world.take('revive').length > 0);
    world.offer(['host-1', 'host-2', 'host-3']);
    const launches = world.take('accept').flatMap((accept) => accept.launches);
    assert.equal(launches.length, 3);
    for (const { task, founders } of launches) assert.equal(founders[task.node], task.id);
  });

  it('does not wait for the end of its last task beyond the grace', () => {
    const world = World.running();
    world.exit(world.task(0).id, 137);
    world.exit(world.task(1).id, 137);
    world.pass(spec.killGraceMs + 10_000);
    assert.equal(world.state.record.generation.number, 2);
    world.offer(['host-1', 'host-2', 'host-3']);
    const nodes = world.take('accept').flatMap(({ launches }) => launches.map(({ task }) => task.node));
    assert.deepEqual(nodes, [0, 1], 'the node whose task has not ended is not launched');
    world.exit(world.task(2).id, 137);
    world.offer(['host-3']);
    assert.equal(world.task(2).id, world.state.record.generation.founders[2]?.taskId);
  });

  it('goes on after all when hosts that were given up bring enough of it back', () => {
    const world = World.running();
    const [first, second, third] = [0, 1, 2].map((node) => world.task(node).id) as [string, string, string];
    for (const id of [first, second]) world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.exit(third, exitCodes.noQuorum);
    world.offer(['host-3']);
    world.run(2);
    world.pass(spec.unreachableGraceMs);
    assert.notEqual(world.state.refoundingSinceMs, undefined);
    for (const id of [first, second]) {
      world.update(id, 'TASK_RUNNING', { source: 'SOURCE_MASTER', reason: 'REASON_AGENT_REREGISTERED' });
    }
    world.update(world.task(2).id, 'TASK_KILLED', { message: 'Container exited with status 0' });
    assert.equal(world.state.record.generation.number, 1);
    assert.deepEqual([world.phase(0), world.phase(1), world.phase(2)], ['running', 'running', 'waiting']);
  });

  it('is not given up by what was known before the connection to the master broke', () => {
    const unreachableGraceMs = 60_000;
    const world = World.running({ spec: { unreachableGraceMs } });
    const ids = [0, 1, 2].map((node) => world.task(node).id) as [string, string, string];
    world.exit(ids[2], exitCodes.noQuorum);
    world.offer(['host-3']);
    world.run(2);
    for (const id of ids.slice(0, 2)) world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.send({ kind: 'disconnected' });
    world.pass(unreachableGraceMs);
    world.subscribe();
    assert.equal(world.state.refoundingSinceMs, undefined);
    assert.deepEqual([world.phase(0), world.phase(1)], ['unreachable', 'unreachable']);
    world.pass(unreachableGraceMs);
    assert.notEqual(
      world.state.refoundingSinceMs,
      undefined,
      'their silence is waited out as that of a lost host',
    );
  });

  it('kills a task of the former one that was out of reach when that was ended', () => {
    const world = World.running();
    const { id } = world.task(2);
    world.exit(world.task(0).id, 137);
    world.exit(world.task(1).id, 137);
    world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(spec.killGraceMs + 10_000);
    assert.equal(world.state.record.generation.number, 2);
    world.forget();
    world.update(id, 'TASK_RUNNING', { reason: 'REASON_AGENT_REREGISTERED' });
    assert.equal(world.take('kill')[0]?.taskId, id);
    assert.equal(world.phase(2), 'killing');
  });

  it('goes on when tasks end one after another with time to rejoin between them', () => {
    const world = World.running();
    for (const node of [0, 1, 2, 0, 1, 2]) {
      world.exit(world.task(node).id, 137);
      relaunch(world, node);
    }
    assert.equal(world.state.record.generation.number, 1);
  });

  it('is given up when half of the nodes have no task or found no quorum, and one said so', () => {
    const world = World.running();
    for (const node of [0, 1]) {
      world.update(world.task(node).id, 'TASK_FAILED', {
        message: 'Container terminated with signal Killed',
      });
      relaunch(world, node);
    }
    assert.equal(world.state.record.generation.number, 1);
    world.exit(world.task(0).id, exitCodes.noQuorum);
    assert.equal(world.state.record.generation.number, 1, 'one of three is no half');
    world.offer(['host-1']);
    world.run(0);
    world.exit(world.task(1).id, exitCodes.noQuorum);
    assert.ok(world.take('kill').length >= 2);
  });

  it("forgets a node's word that there is no quorum when a later task of it lives on", () => {
    const world = World.running();
    world.exit(world.task(0).id, exitCodes.noQuorum);
    assert.equal(world.phase(0), 'waiting', 'no backoff');
    world.offer(['host-1']);
    world.run(0);
    world.pass(4 * 60_000);
    assert.equal(world.state.nodes[0]?.saidNoQuorum, false);
  });

  it("counts a task's life through a time in which its host is out of reach", () => {
    const world = World.running();
    world.exit(world.task(0).id, exitCodes.noQuorum);
    world.offer(['host-1']);
    world.run(0);
    world.pass(3 * 60_000);
    const { id } = world.task(0);
    world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(30_000);
    world.update(id, 'TASK_RUNNING', { source: 'SOURCE_MASTER' });
    assert.equal(world.state.nodes[0]?.saidNoQuorum, true);
    world.pass(30_000);
    assert.equal(world.state.nodes[0]?.saidNoQuorum, false);
  });

  /** A cluster whose node 0 says that its generation's number is taken, up to the founding of the next. */
  const taken = (world: World): void => {
    world.exit(world.task(0).id, exitCodes.numberTaken);
    for (const node of [1, 2]) world.exit(world.task(node).id, 137);
  };

  it('is given up at once when its number is taken, and the next one found with no backoff', () => {
    const world = World.running();
    world.exit(world.task(0).id, exitCodes.numberTaken);
    assert.equal(world.take('kill').length, 2);
    for (const node of [1, 2]) world.exit(world.task(node).id, 0);
    assert.equal(world.state.record.generation.number, 2);
    assert.deepEqual([world.phase(0), world.phase(1), world.phase(2)], ['waiting', 'waiting', 'waiting']);
  });

  it('is given up when a node saw a higher one, even if all the others run', () => {
    const world = World.running();
    world.exit(world.task(1).id, exitCodes.generationPast);
    assert.deepEqual(
      world.take('kill').map(({ taskId }) => taskId),
      [world.task(0).id, world.task(2).id],
    );
    world.pass(spec.killGraceMs + 10_000);
    assert.equal(world.state.record.generation.number, 2);
  });

  it('has a number ever further on while numbers are taken, and one further when no more are', () => {
    const world = World.running();
    const numbers: number[] = [];
    for (let round = 0; round < 5; round++) {
      taken(world);
      numbers.push(world.state.record.generation.number);
      world.offer(['host-1', 'host-2']);
      world.pass(500);
    }
    assert.deepEqual(numbers, [2, 4, 8, 16, 32]);
    for (const node of [0, 1, 2]) world.run(node);
    for (const node of [0, 1, 2]) world.exit(world.task(node).id, 137);
    assert.equal(world.state.record.generation.number, 33);
  });

  it('is past for a word about the present one only', () => {
    const world = World.running();
    const former = world.task(0).id;
    taken(world);
    world.exit(former, exitCodes.generationPast);
    assert.equal(world.state.record.generation.number, 2);
    assert.equal(world.state.generationIsPast, undefined);
  });

  it('tells its founders of tasks of former ones that may be alive, and joiners of none', () => {
    const world = World.running();
    const lost = world.task(2).id;
    world.update(lost, 'TASK_LOST', { source: 'SOURCE_MASTER' });
    world.pass(1_000);
    world.offer(['host-1']);
    world.run(2);
    for (const node of [0, 1]) world.exit(world.task(node).id, 137);
    world.exit(world.task(2).id, exitCodes.noQuorum);
    assert.equal(world.state.record.generation.number, 2);
    world.forget();
    world.offer(['host-1', 'host-2']);
    world.pass(500);
    const launches = world.take('accept').flatMap((accept) => accept.launches);
    assert.deepEqual(
      launches.map(({ unproven }) => unproven),
      [[lost], [lost], [lost]],
    );
    world.run(0);
    world.exit(world.task(0).id, 137);
    world.pass(10_000);
    world.offer(['host-1']);
    assert.deepEqual(world.take('accept')[0]?.launches[0]?.unproven, []);
  });

  it('tells its founders of nothing when all tasks of former ones are proven dead', () => {
    const world = World.running();
    for (const node of [0, 1, 2]) world.exit(world.task(node).id, 137);
    world.offer(['host-1', 'host-2']);
    world.pass(500);
    const launches = world.take('accept').flatMap((accept) => accept.launches);
    assert.deepEqual(
      launches.map(({ unproven }) => unproven),
      [[], [], []],
    );
  });

  it('that follows one whose number was taken tells its founders of tasks that nobody knows of, until it has lived', () => {
    const world = World.running();
    taken(world);
    const unprovenAtLaunch = (): (readonly string[])[] => {
      world.forget();
      world.offer(['host-1', 'host-2']);
      world.pass(500);
      return world.take('accept').flatMap((accept) => accept.launches.map(({ unproven }) => unproven));
    };
    assert.deepEqual(unprovenAtLaunch(), [[unknownTasks], [unknownTasks], [unknownTasks]]);
    // Also what is founded right after it, by a scheduler that knows this from its store.
    const next = new World({ record: world.state.record, idSuffix: 'bbbb' });
    next.subscribe();
    for (const node of [0, 1, 2]) next.exit(next.task(node).id, 137);
    assert.equal(next.state.record.generation.pastBefore, 1);
    for (const node of [0, 1, 2]) world.run(node);
    world.pass(4 * 60_000);
    assert.equal(world.state.record.generation.pastBefore, undefined);
    for (const node of [0, 1, 2]) world.exit(world.task(node).id, 137);
    assert.deepEqual(unprovenAtLaunch(), [[], [], []]);
  });

  it('whose founders fail again and again is not founded in a crash loop', () => {
    const world = new World({ spec: { addresses: ['198.51.100.100'] } });
    world.subscribe();
    const launchedMs: number[] = [];
    while (launchedMs.length < 6) {
      world.offer(['host-1']);
      world.pass(500);
      if (world.take('accept').length === 0) continue;
      launchedMs.push(world.now);
      world.exit(world.task(0).id, 137);
    }
    const waits = launchedMs.slice(1).map((at, index) => at - (launchedMs[index] ?? 0));
    assert.ok(
      waits.slice(1).every((wait, index) => wait > (waits[index] ?? 0)),
      `${waits}`,
    );
    assert.ok((waits.at(-1) ?? 0) >= 16_000, `${waits}`);
  });

  it('of a single node ends with its task', () => {
    const world = new World({ spec: { addresses: ['198.51.100.100'] } });
    world.subscribe();
    world.offer(['host-1']);
    world.run(0);
    world.exit(world.task(0).id, 137);
    assert.equal(world.state.record.generation.number, 2);
    world.offer(['host-1']);
    assert.equal(world.task(0).id, world.state.record.generation.founders[0]?.taskId);
  });
});

describe('teardown', () => {
  it('kills every task, awaits the ends, and only then removes the framework', () => {
    const world = World.running();
    world.send({ kind: 'teardown' });
    assert.equal(world.take('kill').length, 3);
    assert.deepEqual(world.take('teardown'), []);
    for (const node of [0, 1, 2]) {
      world.update(world.task(node).id, 'TASK_KILLED', { message: 'Container exited with status 0' });
    }
    assert.deepEqual(world.take('accept'), []);
    assert.equal(world.take('teardown').length, 1);
    assert.ok(world.state.record.frameworkId, 'forgotten only when the master has taken it');
  });

  it('asks again until the master has taken it, over a broken connection, too', () => {
    const world = World.running();
    world.send({ kind: 'teardown' });
    world.pass(spec.killGraceMs + 10_000);
    assert.equal(world.take('teardown').length, 1);
    world.send({ kind: 'disconnected' });
    world.send({ kind: 'subscribed', frameworkId: 'framework' });
    world.pass(10_000);
    assert.ok(world.take('teardown').length >= 1);
  });

  it('does not wait for ever', () => {
    const world = World.running();
    world.send({ kind: 'teardown' });
    world.pass(spec.killGraceMs + 10_000);
    assert.equal(world.take('teardown').length, 1);
  });
});

describe('a record that is behind the cluster', () => {
  it('gives a node numbers further and further on, until its tasks are the newest', () => {
    const world = World.running();
    const skips = [1, 2, 3].map(() => {
      const { id, incarnation } = world.task(1);
      world.exit(id, 69);
      world.pass(spec.backoffMaxMs);
      world.offer(['host-1', 'host-2']);
      world.run(1);
      return world.task(1).incarnation - incarnation;
    });
    assert.deepEqual(skips, [3, 5, 9]);
  });
});

describe('a death that no update proves', () => {
  /** Node 0's task is reported as ended, with no proof, and it has another. */
  const inDoubt = (): { world: World; doubtful: string } => {
    const world = World.running();
    const doubtful = world.task(0).id;
    world.send({ kind: 'nodeTold', taskId: doubtful, bootId: 'boot-1', contractVersion });
    world.update(doubtful, 'TASK_FAILED', { source: 'SOURCE_AGENT', message: 'Container terminated' });
    assert.deepEqual(
      world.state.record.unproven.map(({ id }) => id),
      [doubtful],
    );
    return { world, doubtful };
  };

  it('is proven by a task on the same host that tells of another boot', () => {
    const { world, doubtful } = inDoubt();
    const neighbour = [1, 2]
      .map((node) => world.task(node))
      .find(({ agentId }) => agentId === world.task(0).agentId);
    const stranger = [1, 2]
      .map((node) => world.task(node))
      .find(({ agentId }) => agentId !== world.task(0).agentId);
    assert.ok(neighbour && stranger);
    world.send({ kind: 'nodeTold', taskId: stranger.id, bootId: 'boot-of-another-host', contractVersion });
    world.send({ kind: 'nodeTold', taskId: neighbour.id, bootId: 'boot-1', contractVersion });
    assert.equal(world.state.record.unproven.length, 1);
    world.send({ kind: 'nodeTold', taskId: neighbour.id, bootId: 'boot-2', contractVersion });
    assert.deepEqual(world.state.record.unproven, []);
    assert.deepEqual([world.task(0).id, world.task(0).end?.provenDead], [doubtful, true]);
  });

  it("is proven by the operator's word", () => {
    const { world, doubtful } = inDoubt();
    world.send({ kind: 'confirmedDead', taskId: 'node0.77.none' });
    assert.equal(world.state.record.unproven.length, 1);
    world.send({ kind: 'confirmedDead', taskId: doubtful });
    assert.deepEqual(world.state.record.unproven, []);
  });

  it("ends the wait for a host that is out of reach, by the operator's word", () => {
    const world = World.running();
    const { id } = world.task(0);
    world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.send({ kind: 'confirmedDead', taskId: id });
    assert.equal(world.task(0).end?.provenDead, true);
    assert.match(world.reason(0), /the operator confirms/);
    world.offer(['host-1']);
    assert.equal(world.phase(0), 'launching');
  });

  it('is not believed of a task that Mesos says runs', () => {
    const world = World.running();
    world.send({ kind: 'confirmedDead', taskId: world.task(0).id });
    assert.equal(world.phase(0), 'running');
    assert.match(world.take('log').at(-1)?.message ?? '', /Mesos says that it runs/);
  });
});

describe('time', () => {
  it('is asked for only while something is due, and never for nothing', () => {
    const world = World.running();
    world.pass(24 * 3600_000);
    assert.equal(world.take('reconcile').length, 24 * 6, 'implicit reconciliation every ten minutes');
    world.send({ kind: 'disconnected' });
    assert.equal(nextTickMs(world.state), undefined);
  });
});
