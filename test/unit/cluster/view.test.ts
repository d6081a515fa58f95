import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contractVersion, exitCodes } from '../../../executor-image/contract.js';
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

  it('says in one sentence that an image does not belong to this scheduler', () => {
    for (const [status, words] of [
      [exitCodes.otherContract, /node agent says otherContract: image and scheduler are not of one release/],
      // What images of before version 4 of the contract end with.
      [exitCodes.badEnvironment, /node agent says badEnvironment: .* not of this scheduler's release/],
    ] as const) {
      const world = World.running();
      world.exit(world.task(1).id, status);
      const reason = viewOf(world.state).nodes[1]?.reason ?? '';
      assert.match(reason, words);
      assert.match(reason, new RegExp(`this scheduler speaks version ${contractVersion} of the contract`));
    }
  });

  it('warns of a node that runs on with an image of another release, until it has another task', () => {
    const world = World.running();
    const taskId = world.task(1).id;
    world.send({ kind: 'nodeTold', taskId, bootId: 'boot', contractVersion: contractVersion - 1 });
    const [warning] = warningsOf(world.state);
    assert.match(
      warning ?? '',
      new RegExp(`node 1 runs an image that speaks version ${contractVersion - 1} .* ${contractVersion}:`),
    );
    world.exit(taskId, 137);
    world.offer(['host-2']);
    world.pass(5000);
    world.offer(['host-2']);
    assert.notEqual(world.task(1).id, taskId);
    assert.ok(!warningsOf(world.state).some((words) => words.includes('image')));
  });
});
