import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTaskEnvironment } from '../../../executor-image/contract.js';
import { newRecord } from '../../../framework/cluster/record.js';
import { takeResources, usableOf } from '../../../framework/mesos/resources.js';
import type { Resource } from '../../../framework/mesos/schema/codec.js';
import { taskInfoFor } from '../../../framework/mesos/task-info.js';
import { settingsOf } from '../../support/settings.js';

const schedulerKey = 'SHA256:oh+Yx3mPkq7bYw1mX1dJ0P1Zr9kq0pXcUuW3n5t7y9Q=';

const scalar = (name: string, value: number, more: Partial<Resource> = {}): Resource => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  allocation_info: { role: 'jupyter' },
  ...more,
});

describe('the TaskInfo of a node', () => {
  const settings = settingsOf({ dockerParameters: [{ key: 'shm-size', value: '1g' }], killGraceS: 7 });
  const record = newRecord(settings.ips, 'abcd');
  const founders = record.generation.founders.map(({ taskId }) => taskId);
  const info = taskInfoFor(
    settings,
    {
      founders,
      unproven: ['node2.1.efgh'],
      task: {
        id: founders[1] ?? '',
        node: 1,
        incarnation: 1,
        generation: 1,
        agentId: 'a-1',
        hostname: 'host-1',
        attributes: {},
        seenAlive: false,
      },
    },
    schedulerKey,
  );

  it('is the docker run of the design', () => {
    assert.deepEqual(info.container, {
      type: 'DOCKER',
      hostname: 'jupyter-1',
      docker: {
        image: settings.image,
        network: 'USER',
        force_pull_image: false,
        parameters: [
          { key: 'ip', value: settings.ips[1] },
          { key: 'shm-size', value: '1g' },
        ],
      },
      network_infos: [{ name: 'calico' }],
      volumes: [{ host_path: settings.shared, container_path: '/root/sharedfiles', mode: 'RW' }],
    });
    assert.equal(info.command?.shell, false);
    assert.equal(info.command?.value, undefined, 'a command would take the place of the entry point');
    assert.deepEqual(info.kill_policy, { grace_period: { nanoseconds: 7e9 } });
    assert.equal(info.health_check?.http?.path, '/livez');
  });

  it('tells the node agent what the contract says', () => {
    const variables = info.command?.environment?.variables ?? [];
    const environment = readTaskEnvironment(
      Object.fromEntries(variables.map(({ name, value }) => [name, value])),
    );
    assert.deepEqual(environment.addresses, settings.ips);
    assert.equal(environment.node, 1);
    assert.equal(environment.taskId, founders[1]);
    assert.deepEqual(environment.founders, founders);
    assert.deepEqual(environment.unproven, ['node2.1.efgh']);
    assert.equal(environment.lookLimitS, 60);
  });
});

describe('resources', () => {
  it('of other kinds than plain scalars are not counted', () => {
    const offered: Resource[] = [
      scalar('cpus', 2),
      scalar('cpus', 1.5, { reservations: [{ type: 'DYNAMIC', role: 'jupyter' }] }),
      scalar('cpus', 8, { revocable: {} }),
      scalar('mem', 1024),
      scalar('disk', 100, { disk: { persistence: { id: 'v' } } }),
      { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 1, end: 2 }] } },
    ];
    assert.deepEqual(usableOf(offered), { cpus: 3.5, memMb: 1024, diskMb: 0 });
  });

  it('that are reserved are taken first, each as it was offered', () => {
    const reserved = scalar('cpus', 1.5, { reservations: [{ type: 'DYNAMIC', role: 'jupyter' }] });
    const { taken, left } = takeResources([scalar('cpus', 2), reserved, scalar('mem', 1024)], {
      cpus: 2,
      memMb: 512,
      diskMb: 0,
    });
    assert.deepEqual(taken, [reserved, scalar('cpus', 0.5), scalar('mem', 512)]);
    assert.deepEqual(left, [scalar('cpus', 1.5), scalar('mem', 512)]);
  });

  it('are counted to three decimals, as Mesos does', () => {
    const offered = [scalar('cpus', 0.1), scalar('cpus', 0.2)];
    assert.equal(usableOf(offered).cpus, 0.3);
    assert.deepEqual(takeResources(offered, { cpus: 0.3, memMb: 0, diskMb: 0 }).left, []);
  });
});
