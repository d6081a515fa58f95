import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  containerPaths,
  exitCodes,
  type TaskEnvironment,
  writeTaskEnvironment,
} from '../../executor-image/contract.js';
import {
  createTestNetwork,
  docker,
  exitStatusOf,
  imageUnderTest,
  logsOf,
  removeContainer,
  startContainer,
  type TestNetwork,
  uniqueName,
} from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { schedulerKey } from './cluster.js';

describe('a container that is started wrongly ends with a clear error', () => {
  let network: TestNetwork;
  let shared: string;
  const names: string[] = [];

  before(async () => {
    network = await createTestNetwork('mj-image-test');
    shared = mkdtempSync(join(tmpdir(), 'mj-image-test-'));
  });
  after(async () => {
    await Promise.all(names.map(removeContainer));
    await network?.remove();
    if (shared !== undefined) rmSync(shared, { recursive: true, force: true });
  });

  const task = (): TaskEnvironment => ({
    node: 0,
    addresses: [network.address(10), network.address(11), network.address(12)],
    taskId: 'task-0',
    incarnation: 1,
    generation: 1,
    founders: ['task-0', 'task-1', 'task-2'],
    unproven: [],
    basePath: '/notebook/',
    leaseTtlS: 5,
    lookLimitS: 60,
    volumeType: '',
    warmStandby: true,
    cpus: 1,
    healthChecks: false,
    schedulerKey: schedulerKey.fingerprint,
    logLevel: 'info',
  });

  async function ends(options: {
    env: Record<string, string>;
    host?: number;
    mount?: string;
  }): Promise<[number, string]> {
    const name = uniqueName('mj-image-test-refused');
    names.push(name);
    await startContainer(
      name,
      [
        ...['--net', network.name, '--ip', network.address(options.host ?? 10)],
        ...(options.mount === undefined ? [] : ['-v', options.mount]),
        ...Object.entries(options.env).flatMap(([key, value]) => ['-e', `${key}=${value}`]),
      ],
      imageUnderTest(),
    );
    const { code } = await waitFor('its end', 15_000, async () => {
      const status = await exitStatusOf(name);
      return status === undefined ? undefined : { code: status };
    });
    const log = await logsOf(name);
    await docker('rm', '-f', name);
    return [code, log];
  }

  test('with no environment', async () => {
    const [code, log] = await ends({ env: {} });
    assert.equal(code, exitCodes.badEnvironment);
    assert.match(log, /MJ_CONTRACT_VERSION is not set: this image is started by the mesos-jupyter scheduler/);
  });

  test('with an environment of another contract version', async () => {
    const [code, log] = await ends({ env: { ...writeTaskEnvironment(task()), MJ_CONTRACT_VERSION: '99' } });
    assert.equal(code, exitCodes.otherContract);
    assert.match(log, /contract version 99/);
  });

  test('at another address than its node’s', async () => {
    const [code, log] = await ends({
      env: writeTaskEnvironment(task()),
      host: 20,
      mount: `${shared}:${containerPaths.shared}`,
    });
    assert.equal(code, exitCodes.addressNotMine);
    assert.match(
      log,
      new RegExp(
        `should have the address ${network.address(10)}, but this container has ${network.address(20)}`,
      ),
    );
  });

  test('with no shared volume', async () => {
    const [code, log] = await ends({ env: writeTaskEnvironment(task()) });
    assert.equal(code, exitCodes.volumeUnusable);
    assert.match(log, /nothing is mounted at \/root\/sharedfiles/);
  });

  test('with a shared volume of another type than it should be of', async () => {
    const [code, log] = await ends({
      env: writeTaskEnvironment({ ...task(), volumeType: 'fuse.glusterfs' }),
      mount: `${shared}:${containerPaths.shared}`,
    });
    assert.equal(code, exitCodes.volumeUnusable);
    assert.match(log, /is \w+, not fuse\.glusterfs: on this host the volume is not mounted/);
  });

  test('with a shared volume that it cannot write to', async () => {
    const [code, log] = await ends({
      env: writeTaskEnvironment(task()),
      mount: `${shared}:${containerPaths.shared}:ro`,
    });
    assert.equal(code, exitCodes.volumeUnusable);
    assert.match(log, /cannot be used: .*mkdir|Read-only file system/);
  });

  test('with a trusted directory that others may read', async () => {
    await docker(
      ...['run', '--rm', '-v', `${shared}:/v`, '--entrypoint', 'mkdir', imageUnderTest()],
      ...['-p', '-m', '755', '/v/.mesos-jupyter'],
    );
    const [code, log] = await ends({
      env: writeTaskEnvironment(task()),
      mount: `${shared}:${containerPaths.shared}`,
    });
    assert.equal(code, exitCodes.volumeUnusable);
    assert.match(log, /has mode and owner 755:0, not 700:0/);
  });
});
