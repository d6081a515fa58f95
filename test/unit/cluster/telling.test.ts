import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from './world.js';

const others = (world: World, node: number) =>
  [0, 1, 2]
    .filter((other) => other !== node)
    .map((other) => ({ taskId: world.task(other).id, address: world.state.record.addresses[other] ?? '' }));

describe('the word of a death', () => {
  it('goes to all that run, when it is proven, by task id (rule 11)', () => {
    const world = World.running();
    const { id } = world.task(1);
    const survivors = others(world, 1);
    world.exit(id, 137);
    assert.deepEqual(world.take('tellDeath'), [{ kind: 'tellDeath', taskId: id, survivors }]);
  });

  it('is stored before it is told', () => {
    const world = World.running();
    const kinds = world.exit(world.task(1).id, 137).map(({ kind }) => kind);
    assert.ok(kinds.indexOf('store') < kinds.indexOf('tellDeath'), kinds.join(' '));
  });

  it('is not told of an end that proves nothing', () => {
    const world = World.running();
    world.update(world.task(0).id, 'TASK_FAILED', { message: 'Container terminated with signal Killed' });
    world.update(world.task(1).id, 'TASK_LOST', { source: 'SOURCE_MASTER' });
    world.update(world.task(2).id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.pass(3600_000);
    assert.deepEqual(world.take('tellDeath'), []);
  });

  it('is told when the proof comes later, and once', () => {
    const world = World.running();
    const { id } = world.task(0);
    world.update(id, 'TASK_LOST', { source: 'SOURCE_MASTER' });
    const survivors = others(world, 0);
    world.exit(id, 137);
    world.exit(id, 137);
    assert.deepEqual(world.take('tellDeath'), [{ kind: 'tellDeath', taskId: id, survivors }]);
  });

  it('goes to nobody who is out of reach, or being killed', () => {
    const world = World.running();
    const survivors = others(world, 0).slice(0, 1);
    world.update(world.task(2).id, 'TASK_UNREACHABLE', { source: 'SOURCE_MASTER' });
    world.exit(world.task(0).id, 137);
    assert.deepEqual(world.take('tellDeath')[0]?.survivors, survivors);
  });
});

describe('the cluster’s CA', () => {
  it('is asked for while none is known, and the first that is shown is stored', () => {
    const world = World.running();
    const { id } = world.task(0);
    world.update(id, 'TASK_RUNNING', { healthy: true });
    const address = world.state.record.addresses[0] ?? '';
    assert.deepEqual(world.take('greet'), [{ kind: 'greet', node: { taskId: id, address } }]);
    world.send({ kind: 'caShown', ca: 'the first' });
    assert.equal(world.take('store').at(-1)?.record.ca, 'the first');
    world.send({ kind: 'caShown', ca: 'another' });
    assert.deepEqual(world.take('store'), []);
    world.update(id, 'TASK_RUNNING', { healthy: true });
    assert.deepEqual(world.take('greet'), []);
    assert.equal(world.state.record.ca, 'the first');
  });
});
