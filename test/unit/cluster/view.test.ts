import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { viewOf, warningsOf } from '../../../framework/cluster/view.js';
import { World } from './world.js';

describe('the view of a cluster', () => {
  it('names each node, its task and why it is where it is', () => {
    const world = World.running();
    world.exit(world.task(1).id, 137);
    const { frameworkId, generation, nodes } = viewOf(world.state);
    assert.deepEqual([frameworkId, generation], ['f-1', 1]);
    assert.deepEqual(
      nodes.map(({ state, hostname }) => [state, hostname]),
      [
        ['TASK_RUNNING', 'host-1'],
        ['backing off', undefined],
        ['TASK_RUNNING', 'host-1'],
      ],
    );
    assert.match(nodes[1]?.reason ?? '', /relaunch in 1 s, 1st failure in a row, last on host-2/);
  });

  it('warns of a host whose loss would cost the quorum, once all nodes run', () => {
    const world = World.running();
    assert.deepEqual(warningsOf(world.state), [
      'host host-1 runs 2 of 3 nodes: its loss would cost the quorum, and Jupyter would be away until the rest is founded anew',
    ]);
    world.exit(world.task(1).id, 137);
    assert.deepEqual(warningsOf(world.state), []);
  });
});
