/** Tasks of the embedded host in real containers: how they run, and every way in which they end (FACTS, real master 15). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { silentLogger } from '../../framework/log.js';
import type { HealthCheck, Offer, TaskInfo, TaskStatus } from '../../framework/mesos/schema/codec.js';
import { createTestNetwork, type TestNetwork } from '../support/docker.js';
import { TestScheduler } from '../unit/local/test-scheduler.js';
import { accept, taskFor } from '../unit/local/world.js';
import { makeTinyImage, type TinyImage } from './tiny-image.js';

const docker = (...args: string[]): string =>
  execFileSync('docker', args, { encoding: 'utf8', stdio: 'pipe' });

describe('a task in a container', () => {
  let image: TinyImage;
  let network: TestNetwork;
  let master: EmbeddedMaster;
  let host: EmbeddedHost;
  let scheduler: TestScheduler;
  let workDirectory: string;
  let taskNumber = 0;

  before(async () => {
    image = makeTinyImage();
    network = await createTestNetwork('mesos-jupyter-tasks');
    workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
    master = await EmbeddedMaster.start({ logger: silentLogger, allocationIntervalMs: 100 });
    host = await EmbeddedHost.start({
      master,
      name: 'host-1',
      resources: { cpus: 2, memMb: 1024, diskMb: 1000 },
      workDirectory,
      logger: silentLogger,
    });
    scheduler = await TestScheduler.subscribe(master.url);
  });

  after(async () => {
    scheduler?.close();
    await host?.stop();
    await master?.stop();
    await network?.remove();
    image?.remove();
    if (workDirectory !== undefined) rmSync(workDirectory, { recursive: true, force: true });
  });

  /** Launches a script; its updates are for the test to wait for. */
  async function launch(script: string, more: Partial<TaskInfo> = {}, last?: number): Promise<string> {
    const offers = await scheduler.offersOf('host-1');
    const offer = offers[0] as Offer;
    taskNumber += 1;
    const id = `task-${taskNumber}`;
    const task = taskFor(offer, id, {
      command: {
        shell: false,
        arguments: [script],
        environment: { variables: [{ name: 'NODE_INDEX', value: '0' }] },
      },
      container: {
        type: 'DOCKER',
        docker: {
          image: image.name,
          network: 'USER',
          parameters: [{ key: 'ip', value: network.address(last ?? 10 + taskNumber) }],
        },
        network_infos: [{ name: network.name }],
        volumes: [{ host_path: workDirectory, container_path: '/shared', mode: 'RW' }],
      },
      kill_policy: { grace_period: { nanoseconds: 2e9 } },
      ...more,
    });
    await scheduler.call(accept(offers, [task], 0));
    return id;
  }

  async function running(id: string): Promise<TaskStatus> {
    await scheduler.update('TASK_STARTING', { task: id });
    return scheduler.update('TASK_RUNNING', { task: id });
  }

  const isRunning = (name: string): boolean =>
    docker('ps', '--quiet', '--filter', `name=${name}`).trim() !== '';

  test('runs as the Docker containerizer runs it: name, network, address, volume, limits, environment', async () => {
    const id = await launch('exec sleep 3600');
    const starting = await scheduler.update('TASK_STARTING', { task: id });
    assert.deepEqual(starting.container_status?.network_infos, [
      { ip_addresses: [{ protocol: 'IPv4', ip_address: '127.0.0.1' }] },
    ]);
    const status = await scheduler.update('TASK_RUNNING', { task: id });
    assert.deepEqual(status.container_status?.network_infos, [
      { ip_addresses: [{ protocol: 'IPv4', ip_address: network.address(11) }], name: network.name },
    ]);
    const [container] = JSON.parse(Buffer.from(status.data ?? '', 'base64').toString('utf8'));
    assert.equal(container.Name, `/mesos-${status.container_status?.container_id?.value}`);
    assert.equal(container.Name, `/${host.containerNameOf(id)}`);
    assert.equal(container.HostConfig.NetworkMode, network.name);
    assert.equal(container.HostConfig.CpuShares, 102);
    assert.equal(container.HostConfig.Memory, 64 * 1024 * 1024);
    assert.equal(container.HostConfig.AutoRemove, false);
    assert.ok(container.HostConfig.Binds.includes(`${workDirectory}:/shared:rw`));
    const sandbox = /\/executors\/task-\d+\/runs\/[0-9a-f-]+:\/mnt\/mesos\/sandbox$/;
    assert.ok(container.HostConfig.Binds.some((bind: string) => sandbox.test(bind)));
    const environment = [
      'MESOS_ALLOCATION_ROLE=jupyter',
      `MESOS_CONTAINER_NAME=${container.Name.slice(1)}`,
      'MESOS_SANDBOX=/mnt/mesos/sandbox',
      'NODE_INDEX=0',
    ];
    assert.deepEqual(
      container.Config.Env.filter((entry: string) => !entry.startsWith('PATH=')).sort(),
      environment,
    );
    await scheduler.call({ type: 'KILL', kill: { task_id: { value: id } } });
    await scheduler.update('TASK_KILLING', { task: id });
    const killed = await scheduler.update('TASK_KILLED', { task: id });
    // sleep as the first process takes no SIGTERM: the grace runs out.
    assert.equal(killed.message, 'Container exited with status 137');
    assert.equal(killed.source, 'SOURCE_EXECUTOR');
  });

  test('a kill is a SIGTERM first, and the end of a program that takes it is told', async () => {
    const id = await launch('trap "exit 42" TERM; while true; do sleep 0.1; done');
    await running(id);
    await scheduler.call({
      type: 'KILL',
      kill: { task_id: { value: id }, kill_policy: { grace_period: { nanoseconds: 20e9 } } },
    });
    await scheduler.update('TASK_KILLING', { task: id });
    const killed = await scheduler.update('TASK_KILLED', { task: id });
    assert.equal(killed.message, 'Container exited with status 42');
    assert.equal(killed.reason, undefined);
  });

  for (const [status, state] of [
    [0, 'TASK_FINISHED'],
    [71, 'TASK_FAILED'],
  ] as const) {
    test(`exit status ${status} is ${state}`, async () => {
      const id = await launch(`sleep 0.7; exit ${status}`);
      await running(id);
      const ended = await scheduler.update(state, { task: id });
      assert.equal(ended.message, `Container exited with status ${status}`);
      assert.equal(ended.source, 'SOURCE_EXECUTOR');
    });
  }

  test('a container killed from outside is TASK_FAILED with status 137', async () => {
    const id = await launch('exec sleep 3600');
    await running(id);
    docker('kill', host.containerNameOf(id));
    const ended = await scheduler.update('TASK_FAILED', { task: id });
    assert.equal(ended.message, 'Container exited with status 137');
  });

  test('an address that is taken: TASK_FAILED with status 125 after the patience for an inspection, the words of Docker in the sandbox', async () => {
    const first = await launch('exec sleep 3600', {}, 50);
    await running(first);
    const second = await launch('exec sleep 3600', {}, 50);
    await scheduler.update('TASK_STARTING', { task: second });
    const ended = await scheduler.update('TASK_FAILED', { task: second });
    assert.equal(ended.message, 'Container exited with status 125');
    assert.deepEqual([ended.source, ended.reason], ['SOURCE_EXECUTOR', undefined]);
    const path = `/frameworks/${scheduler.frameworkId}/executors/${second}/runs/latest/stderr`;
    const answer = await fetch(`${host.url}/files/read?path=${path}&offset=0`);
    const { data, offset } = (await answer.json()) as { data: string; offset: number };
    assert.equal(offset, 0);
    assert.match(data, /docker: Error response from daemon: .*Address already in use/);
    assert.match(data, /Docker inspect timed out after 5secs/);
    assert.match(data, /Container exited with status 125\n$/);
    const end = (await (await fetch(`${host.url}/files/read?path=${path}&offset=-1`)).json()) as {
      data: string;
      offset: number;
    };
    assert.deepEqual(end, { data: '', offset: Buffer.byteLength(data) });
    const listing = (await (
      await fetch(`${host.url}/files/browse?path=${path.replace('/stderr', '')}`)
    ).json()) as { path: string }[];
    assert.deepEqual(
      listing.map((entry) => entry.path),
      [path, path.replace('stderr', 'stdout')],
    );
    assert.equal((await fetch(`${host.url}/files/read?path=${path}x&offset=0`)).status, 404);
    docker('kill', host.containerNameOf(first));
    await scheduler.update('TASK_FAILED', { task: first });
  });

  test('an image that cannot be pulled: TASK_FAILED by the Mesos agent, REASON_CONTAINER_LAUNCH_FAILED', async () => {
    const id = await launch('true', {
      container: {
        type: 'DOCKER',
        docker: { image: '127.0.0.1:1/no-such-image:1', network: 'USER' },
        network_infos: [{ name: network.name }],
      },
    });
    const ended = await scheduler.update('TASK_FAILED', { task: id });
    assert.deepEqual([ended.source, ended.reason], ['SOURCE_AGENT', 'REASON_CONTAINER_LAUNCH_FAILED']);
    assert.match(
      ended.message ?? '',
      /^Failed to launch container: Failed to run 'docker .* pull 127.0.0.1:1\/no-such-image:1': exited with status 1; stderr='/,
    );
    assert.equal(ended.container_status, undefined);
  });

  test("the death of docker run's client says nothing of the container, which lives on", async () => {
    const id = await launch('exec sleep 3600');
    await running(id);
    const name = host.containerNameOf(id);
    host.killDockerClient(id);
    const ended = await scheduler.update('TASK_FAILED', { task: id });
    assert.equal(ended.message, 'Container terminated with signal Killed');
    assert.equal(ended.source, 'SOURCE_EXECUTOR');
    assert.equal(isRunning(name), true);
    docker('rm', '--force', name);
  });

  test('the death of the executor says nothing of the container, which lives on', async () => {
    const id = await launch('exec sleep 3600');
    await running(id);
    const name = host.containerNameOf(id);
    host.killExecutor(id);
    const ended = await scheduler.update('TASK_FAILED', { task: id });
    assert.deepEqual(
      [ended.message, ended.source, ended.reason],
      ['Container terminated', 'SOURCE_AGENT', 'REASON_EXECUTOR_TERMINATED'],
    );
    assert.equal(isRunning(name), true);
    docker('rm', '--force', name);
  });

  const checks: [string, string, string, HealthCheck][] = [
    [
      'HTTP',
      'mkdir /tmp/w; echo fine >/tmp/w/livez; exec httpd -f -p 127.0.0.1:8888 -h /tmp/w',
      'exec sleep 3600',
      { type: 'HTTP', http: { port: 8888, path: '/livez' } },
    ],
    [
      'TCP',
      'exec httpd -f -p 127.0.0.1:8889 -h /tmp',
      'exec sleep 3600',
      { type: 'TCP', tcp: { port: 8889 } },
    ],
    [
      'COMMAND',
      'echo 1 >/tmp/ok; exec sleep 3600',
      'exec sleep 3600',
      { type: 'COMMAND', command: { value: 'test -f /tmp/ok' } },
    ],
  ];
  const often = { delay_seconds: 0.5, interval_seconds: 0.3, timeout_seconds: 5, grace_period_seconds: 0 };
  for (const [type, well, unwell, check] of checks) {
    test(`a ${type} health check tells health once, and kills after enough failures in a row`, async () => {
      const isHealth = (s: TaskStatus) => s.reason === 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED';
      const good = await launch(well, { health_check: { ...check, ...often, grace_period_seconds: 10 } });
      await running(good);
      const healthy = await scheduler.update('TASK_RUNNING', { task: good });
      assert.equal(isHealth(healthy), true);
      assert.equal(healthy.healthy, true);
      assert.equal(healthy.data, undefined);
      assert.equal(healthy.container_status?.network_infos?.[0]?.name, network.name);
      docker('kill', host.containerNameOf(good));
      await scheduler.update('TASK_FAILED', { task: good });

      const policy = { kill_policy: { grace_period: { nanoseconds: 0 } } };
      const bad = await launch(
        unwell,
        { health_check: { ...check, ...often, consecutive_failures: 2 }, ...policy },
        41,
      );
      await running(bad);
      for (let failure = 0; failure < 2; failure += 1) {
        const status = await scheduler.update('TASK_RUNNING', { task: bad });
        assert.deepEqual([isHealth(status), status.healthy], [true, false]);
      }
      await scheduler.update('TASK_KILLING', { task: bad });
      const killed = await scheduler.update('TASK_KILLED', { task: bad });
      assert.deepEqual(
        [killed.healthy, killed.reason, killed.message],
        [false, undefined, 'Container exited with status 137'],
      );
    });
  }

  test('TEARDOWN ends the containers of the framework', async () => {
    const other = await TestScheduler.subscribe(master.url, { info: { name: 'other' } });
    const ours = await scheduler.offersOf('host-1');
    await scheduler.call({
      type: 'DECLINE',
      decline: { offer_ids: ours.map((offer) => offer.id), filters: { refuse_seconds: 1000 } },
    });
    const offer = await other.offer();
    const task = taskFor(offer, 'other-task', {
      command: { shell: false, arguments: ['exec sleep 3600'] },
      container: {
        type: 'DOCKER',
        docker: { image: image.name, network: 'USER' },
        network_infos: [{ name: network.name }],
      },
    });
    await other.call(accept([offer], [task]));
    await other.update('TASK_STARTING');
    await other.update('TASK_RUNNING');
    const name = host.containerNameOf('other-task');
    assert.equal(isRunning(name), true);
    await other.call({ type: 'TEARDOWN' });
    for (let left = 100; isRunning(name) && left > 0; left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(isRunning(name), false);
    other.close();
    await scheduler.call({ type: 'REVIVE' });
  });

  test('stopping the host leaves no container behind, whatever state its task is in', async () => {
    const second = await EmbeddedHost.start({
      master,
      name: 'host-2',
      resources: { cpus: 2, memMb: 1024, diskMb: 1000 },
      workDirectory: join(workDirectory, 'second'),
      logger: silentLogger,
    });
    const [offer] = (await scheduler.offersOf('host-2')) as [Offer];
    const tasks = [0, 1, 2].map((n) =>
      taskFor(offer, `stopped-${n}`, {
        command: { shell: false, arguments: ['exec sleep 3600'] },
        container: {
          type: 'DOCKER',
          docker: { image: image.name, network: 'USER' },
          network_infos: [{ name: network.name }],
        },
      }),
    );
    await scheduler.call(accept([offer], tasks));
    // The first is past its start, the others are anywhere in it.
    await scheduler.update('TASK_STARTING', { task: 'stopped-0' });
    const names = second.taskIds.map((id) => second.containerNameOf(id));
    assert.equal(names.length, 3);
    await second.stop();
    const left = docker('ps', '--all', '--format', '{{.Names}}').split('\n');
    assert.deepEqual(
      names.filter((name) => left.includes(name)),
      [],
    );
    assert.equal(
      (await scheduler.update('TASK_LOST')).message,
      'Agent host-2 removed: the agent unregistered',
    );
  });
});
