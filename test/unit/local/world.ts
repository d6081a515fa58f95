/** A master and hosts with no Docker, on a clock that the test drives. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedHost, type HostOptions } from '../../../framework/local/host/host.js';
import { EmbeddedMaster, type MasterOptions } from '../../../framework/local/master/master.js';
import { silentLogger } from '../../../framework/log.js';
import type { Call, Offer, TaskInfo } from '../../../framework/mesos/schema/codec.js';
import { FakeRunner, type FakeTask } from './fake-runner.js';
import { ManualClock } from './manual-clock.js';
import { TestScheduler } from './test-scheduler.js';

export interface World {
  readonly clock: ManualClock;
  readonly master: EmbeddedMaster;
  readonly hosts: EmbeddedHost[];
  readonly runner: FakeRunner;
  addHost(options?: Partial<HostOptions>): Promise<EmbeddedHost>;
  subscribe(options?: Parameters<typeof TestScheduler.subscribe>[1]): Promise<TestScheduler>;
}

/** Runs a test in a world of its own, and takes the world down afterwards. */
export async function inWorld(
  options: { readonly master?: Partial<MasterOptions>; readonly hosts?: number },
  test: (world: World) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock();
  const workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const master = await EmbeddedMaster.start({ logger: silentLogger, clock, ...options.master });
  const runner = new FakeRunner();
  const hosts: EmbeddedHost[] = [];
  const schedulers: TestScheduler[] = [];
  const world: World = {
    clock,
    master,
    hosts,
    runner,
    async addHost(more = {}) {
      const host = await EmbeddedHost.start({
        master,
        name: `host-${hosts.length + 1}`,
        resources: { cpus: 2, memMb: 4096, diskMb: 10_000 },
        workDirectory: join(workDirectory, String(hosts.length)),
        logger: silentLogger,
        clock,
        runner,
        ...more,
      });
      hosts.push(host);
      return host;
    },
    async subscribe(more = {}) {
      const scheduler = await TestScheduler.subscribe(master.url, more);
      schedulers.push(scheduler);
      return scheduler;
    },
  };
  try {
    for (let at = 0; at < (options.hosts ?? 1); at += 1) await world.addHost();
    await test(world);
  } finally {
    for (const scheduler of schedulers) scheduler.close();
    for (const host of hosts) await host.stop();
    await master.stop();
    rmSync(workDirectory, { recursive: true, force: true });
  }
}

export const taskFor = (offer: Offer, id: string, more: Partial<TaskInfo> = {}): TaskInfo => ({
  name: 'node0',
  task_id: { value: id },
  agent_id: offer.agent_id,
  resources: [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
    { name: 'mem', type: 'SCALAR', scalar: { value: 64 } },
  ],
  command: { shell: false },
  container: {
    type: 'DOCKER',
    docker: { image: 'tiny', network: 'USER', parameters: [{ key: 'ip', value: '198.51.100.100' }] },
    network_infos: [{ name: 'calico' }],
  },
  ...more,
});

export const accept = (offers: readonly Offer[], tasks: readonly TaskInfo[], refuseS = 1): Call => ({
  type: 'ACCEPT',
  accept: {
    offer_ids: offers.map((offer) => offer.id),
    operations: [{ type: 'LAUNCH', launch: { task_infos: [...tasks] } }],
    filters: { refuse_seconds: refuseS },
  },
});

/** A task that is launched and running, all updates acknowledged. */
export async function runTask(
  world: World,
  scheduler: TestScheduler,
  id: string,
): Promise<{ offer: Offer; task: FakeTask }> {
  const offer = await scheduler.offer();
  await scheduler.call(accept([offer], [taskFor(offer, id)]));
  const task = world.runner.last;
  task.starting();
  await scheduler.update('TASK_STARTING');
  task.running();
  await scheduler.update('TASK_RUNNING');
  return { offer, task };
}
