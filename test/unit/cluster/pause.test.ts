import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contractVersion } from '../../../executor-image/contract.js';
import { viewOf, warningsOf } from '../../../framework/cluster/view.js';
import { spec, World } from './world.js';

const since = '2026-01-01T00:00:00.000Z';
const pause = { kind: 'pause', since, reason: 'switch work' } as const;

/** All nodes run, and the operator has paused it. */
function paused(options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = World.running(options);
  world.send(pause);
  world.forget();
  return world;
}

const recipients = (world: World, ...nodes: number[]) =>
  nodes.map((node) => ({
    taskId: world.task(node).id,
    address: world.state.record.addresses[node] ?? '',
  }));

describe('a pause', () => {
  it('is stored before anybody is told, and said once', () => {
    const world = World.running();
    const actions = world.send(pause);
    assert.deepEqual(
      actions.map(({ kind }) => kind),
      ['store', 'log', 'tellPause'],
    );
    assert.deepEqual(world.take('store')[0]?.record.paused, { since, reason: 'switch work' });
    assert.deepEqual(world.take('tellPause'), [
      { kind: 'tellPause', paused: { since, reason: 'switch work' }, nodes: recipients(world, 0, 1, 2) },
    ]);
    const [said] = world.take('log');
    assert.match(
      said?.message ?? '',
      /paused by the operator since 2026.* \(switch work\): nothing is launched/,
    );
    world.pass(3600_000);
    assert.deepEqual(world.take('log'), []);
  });

  it('keeps its beginning when it is ordered again, and takes the new reason', () => {
    const world = paused();
    world.send({ kind: 'pause', since: '2026-02-02T00:00:00.000Z', reason: 'longer' });
    assert.deepEqual(world.state.record.paused, { since, reason: 'longer' });
    assert.deepEqual(world.take('tellPause'), []);
  });

  it('outlives the scheduler', () => {
    const { record } = paused().state;
    const world = new World({ record, idSuffix: 'bbbb' });
    world.subscribe();
    assert.match(world.take('log').at(-1)?.message ?? '', /paused by the operator/);
    for (const node of [0, 1, 2]) world.run(node);
    world.exit(world.task(1).id, 137);
    world.pass(10_000);
    world.offer(['host-1', 'host-2', 'host-3']);
    world.pass(3600_000);
    assert.deepEqual([world.take('accept'), world.take('revive'), world.take('kill')], [[], [], []]);
  });

  it('launches nothing, wants no offers, tells no death; ends are stored and acknowledged all the same', () => {
    const world = paused();
    const { id } = world.task(1);
    const kinds = world.exit(id, 137).map(({ kind }) => kind);
    assert.ok(kinds.includes('store') && kinds.includes('acknowledge'), kinds.join());
    assert.equal(world.state.record.nodes[1]?.task?.end?.provenDead, true);
    world.pass(spec.backoffMaxMs);
    world.offer(['host-1', 'host-2']);
    world.pass(3600_000);
    for (const kind of ['accept', 'revive', 'tellDeath'] as const) assert.deepEqual(world.take(kind), []);
    assert.equal(world.take('decline').length, 1);
    assert.match(viewOf(world.state).nodes[1]?.reason ?? '', /; paused, or a task would be launched$/);
    world.send({ kind: 'resume' });
    assert.equal(world.take('revive').length, 1);
    world.offer(['host-2']);
    world.pass(500);
    assert.equal(world.take('accept')[0]?.launches[0]?.task.node, 1);
  });

  it('goes on asking Mesos about tasks', () => {
    const world = paused();
    world.send({ kind: 'disconnected' });
    world.subscribe();
    assert.ok(world.take('reconcile').some(({ tasks }) => tasks.length === 3));
    assert.equal(world.take('suppress').length, 1, 'offers stay unwanted on the next connection');
  });

  it('kills no task that nobody knows, and does when it is over, before its node has another', () => {
    const world = paused();
    const { agentId } = world.task(0);
    world.update('node0.9.zzzz', 'TASK_RUNNING', { agentId });
    world.exit(world.task(0).id, 137);
    world.pass(3600_000);
    assert.deepEqual(world.take('kill'), []);
    assert.match(warningsOf(world.state).join(), /task node0\.9\.zzzz, .* is killed when the pause is over/);
    world.send({ kind: 'resume' });
    assert.deepEqual(world.take('kill'), [{ kind: 'kill', taskId: 'node0.9.zzzz', agentId }]);
    world.offer(['host-1']);
    world.pass(500);
    assert.deepEqual(world.take('accept'), []);
    assert.deepEqual(warningsOf(world.state), []);
  });

  it('lets a launch take as long as it takes, and kills it when it is over', () => {
    const world = World.running();
    world.exit(world.task(2).id, 137);
    world.pass(1_000);
    world.offer(['host-1']);
    world.send(pause);
    world.forget();
    world.pass(spec.launchTimeoutMs * 3);
    assert.deepEqual(world.take('kill'), []);
    assert.equal(world.take('reconcile').filter(({ tasks }) => tasks.length > 0).length, 1);
    assert.match(viewOf(world.state).nodes[2]?.reason ?? '', /did not come up, would be killed/);
    world.send({ kind: 'resume' });
    assert.equal(world.take('kill').length, 1);
  });

  it('sends no KILL again', () => {
    const world = World.running();
    world.update(world.task(0).id, 'TASK_KILLING');
    world.send(pause);
    world.forget();
    world.pass(3600_000);
    assert.deepEqual(world.take('kill'), []);
    world.send({ kind: 'resume' });
    assert.equal(world.take('kill').length, 1);
  });

  it('gives up no host that is lost, and does when it is over', () => {
    const world = paused();
    const { id } = world.task(0);
    world.update(id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(spec.unreachableGraceMs * 10);
    assert.equal(world.phase(0), 'unreachable');
    assert.match(viewOf(world.state).nodes[0]?.reason ?? '', /; paused, or after its grace/);
    world.send({ kind: 'resume' });
    assert.equal(world.phase(0), 'waiting');
    assert.equal(world.take('revive').length, 1);
  });

  it('founds nothing while it lasts, and what is lost is founded anew after it', () => {
    const world = paused();
    for (const node of [0, 1]) world.exit(world.task(node).id, 137);
    world.pass(3600_000);
    assert.equal(world.state.record.generation.number, 1);
    assert.deepEqual(world.take('kill'), []);
    assert.match(warningsOf(world.state).join(), /generation 1 has lost its quorum for good: the next/);
    const last = world.task(2).id;
    world.send({ kind: 'resume' });
    assert.deepEqual(
      world.take('kill').map(({ taskId }) => taskId),
      [last],
    );
    world.exit(last, 137);
    assert.equal(world.state.record.generation.number, 2);
  });

  it('lets a founding that was under way rest', () => {
    const world = World.running();
    for (const node of [0, 1]) world.exit(world.task(node).id, 137);
    assert.notEqual(world.state.refoundingSinceMs, undefined);
    world.send(pause);
    world.exit(world.task(2).id, 137);
    world.pass(3600_000);
    assert.equal(world.state.record.generation.number, 1);
    world.send({ kind: 'resume' });
    assert.equal(world.state.record.generation.number, 2);
  });

  it('leaves a task of a former generation that comes back alone, and kills it when it is over', () => {
    const world = World.running();
    const lost = world.task(2);
    world.update(lost.id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    for (const node of [0, 1]) world.exit(world.task(node).id, 68);
    world.pass(60_000);
    assert.equal(world.state.record.generation.number, 2);
    world.send(pause);
    world.forget();
    world.update(lost.id, 'TASK_RUNNING', { agentId: lost.agentId });
    world.pass(10_000);
    assert.deepEqual(world.take('kill'), []);
    assert.match(viewOf(world.state).nodes[2]?.reason ?? '', /of a former generation, would be killed/);
    world.send({ kind: 'resume' });
    assert.deepEqual(world.take('kill'), [{ kind: 'kill', taskId: lost.id, agentId: lost.agentId }]);
  });

  it('releases no address', () => {
    const world = World.running({ spec: { canReleaseAddress: true } });
    world.exit(world.task(0).id, 137);
    world.pass(1_000);
    world.offer(['host-1']);
    world.send(pause);
    world.exit(world.task(0).id, 125);
    const stderr = 'docker: Error response from daemon: Address already in use\n';
    world.send({ kind: 'explained', taskId: world.task(0).id, stderr });
    world.pass(3600_000);
    assert.deepEqual(world.take('releaseAddress'), []);
  });

  it('keeps no operator from a teardown, nor from saying that a task is dead', () => {
    const world = paused();
    const { id } = world.task(0);
    world.update(id, 'TASK_LOST', { source: 'SOURCE_MASTER' });
    world.send({ kind: 'confirmedDead', taskId: id });
    assert.deepEqual(world.state.record.unproven, []);
    world.send({ kind: 'teardown' });
    assert.equal(world.take('kill').length, 2);
    world.pass(15_000);
    assert.equal(world.take('kill').length, 2, 'again, since one may have been lost');
    world.pass(60_000);
    assert.ok(world.take('teardown').length > 0);
  });
});

describe('what nodes are told of a pause', () => {
  it('they are told again until they say so themselves, of its end, too', () => {
    const world = paused();
    world.heardPause(1, false);
    assert.deepEqual(world.take('tellPause').at(-1)?.nodes, recipients(world, 1));
    world.heardPause(1, true);
    assert.deepEqual(world.take('tellPause'), []);
    assert.deepEqual(
      viewOf(world.state).nodes.map(({ heardPaused }) => heardPaused),
      [undefined, true, undefined],
    );
    world.send({ kind: 'resume' });
    assert.deepEqual(world.take('tellPause'), [{ kind: 'tellPause', nodes: recipients(world, 0, 1, 2) }]);
    world.heardPause(1, true);
    assert.deepEqual(world.take('tellPause'), [{ kind: 'tellPause', nodes: recipients(world, 1) }]);
    world.heardPause(1, false);
    assert.deepEqual(world.take('tellPause'), []);
  });

  it('one that comes to run later, and says nothing of it, is told nothing', () => {
    const world = World.running();
    world.send({ kind: 'nodeTold', taskId: world.task(0).id, bootId: 'boot', contractVersion });
    assert.deepEqual(world.take('tellPause'), []);
    assert.equal(viewOf(world.state).nodes[0]?.heardPaused, undefined);
  });

  it('an orphan that answers is told, too: it waits for the end of the pause with its own', () => {
    const world = paused();
    const { id } = world.task(1);
    const orphan = recipients(world, 1);
    world.update(id, 'TASK_LOST', { source: 'SOURCE_MASTER' });
    world.send({ kind: 'resume' });
    assert.deepEqual(world.take('tellPause')[0]?.nodes, [...recipients(world, 0, 2), ...orphan]);
    world.send({ kind: 'nodeTold', taskId: id, bootId: 'boot', contractVersion, paused: true });
    assert.deepEqual(world.take('tellPause'), [{ kind: 'tellPause', nodes: orphan }]);
    world.send({ kind: 'nodeTold', taskId: 'unknown', bootId: 'boot', contractVersion, paused: true });
    assert.deepEqual(world.take('tellPause'), []);
  });

  it('a resume without a pause changes nothing', () => {
    const world = World.running();
    assert.deepEqual(world.send({ kind: 'resume' }), []);
  });
});
