import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { ensureSchedulerImage } from '../../framework/local/image.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { createTerminal } from '../../framework/local/terminal.js';
import { silentLogger } from '../../framework/log.js';
import { askStatus } from '../../framework/web/client.js';
import type { SchedulerStatus } from '../../framework/web/status.js';
import { makeTinyImage, type TinyImage } from '../local/tiny-image.js';
import { bridgeAddress, createTestNetwork, docker, type TestNetwork, uniqueName } from '../support/docker.js';
import { Etcd, freePort } from '../support/etcd.js';
import { waitFor } from '../support/wait.js';
import { type App, appSchema } from './app-schema.js';
import { readApp } from './apps.js';
import { type Launched, Marathon } from './marathon.js';

const secrets = { 'mesos-jupyter': 'a secret', marathon: 'another' };
/** The user of the image. */
const uid = 8475;
/** Both are this machine, so that what the scheduler advertises leads to it. */
const hostNames = ['127.0.0.1', '127.0.0.2'] as const;

let scratch: string;
let image: string;
let node: TinyImage;
let network: TestNetwork;
let etcd: Etcd;
let master: EmbeddedMaster;
let marathon: Marathon;
let app: App;
const hosts: EmbeddedHost[] = [];
const undo: (() => unknown)[] = [];
/** Every container of a scheduler that was started, for its log. */
const seen = new Set<string>();

before(async () => {
  const terminal = createTerminal();
  image = await ensureSchedulerImage({ terminal });
  scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-marathon-'));
  undo.push(() => rmSync(scratch, { recursive: true, force: true }));
  node = makeTinyImage({ isHealthy: true });
  undo.push(() => node.remove());
  network = await createTestNetwork('mesos-jupyter-marathon');
  undo.push(() => network.remove());
  // Where containers with a network of their own find it, too.
  const gateway = await bridgeAddress();
  etcd = await Etcd.create({ address: gateway });
  undo.push(() => etcd.remove());
  master = await EmbeddedMaster.start({
    address: gateway,
    credentials: secrets,
    allocationIntervalMs: 250,
    logger: silentLogger,
  });
  undo.push(() => master.stop());
  for (const name of hostNames) {
    const ports = [await freePort(), await freePort()];
    const host = await EmbeddedHost.start({
      master,
      name,
      resources: { cpus: 4, memMb: 4096, diskMb: 1024 },
      // One machine has each port once, whatever it is called.
      moreResources: [
        {
          name: 'ports',
          type: 'RANGES',
          ranges: { range: ports.map((port) => ({ begin: port, end: port })) },
          role: '*',
        },
      ],
      workDirectory: join(scratch, name),
      logger: silentLogger,
    });
    hosts.push(host);
    undo.push(() => host.stop());
  }
  marathon = await Marathon.start({
    master: master.url,
    headers: { Authorization: `Basic ${Buffer.from(`marathon:${secrets.marathon}`).toString('base64')}` },
    principal: 'marathon',
  });
  undo.push(() => marathon.stop());

  const directory = join(scratch, 'etc');
  mkdirSync(directory);
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, `${secrets['mesos-jupyter']}\n`, { mode: 0o400 });
  chownSync(secretFile, uid, uid);
  app = rendered('marathon.json');
});

after(async () => {
  for (const step of undo.reverse()) await step();
});

afterEach(async (context) => {
  if (!('error' in context) || !context.error) return;
  for (const id of seen) process.stderr.write(`${await docker('logs', id).catch(String)}\n`);
});

/** The repository's app with this machine's places in it, and nothing else changed. */
function rendered(file: Parameters<typeof readApp>[0]): App {
  const given = appSchema.parse(readApp(file));
  const addresses = [0, 1, 2].map((number) => network.address(10 + number));
  const places: Record<string, string> = {
    MESOS_JUPYTER_MASTER: master.url,
    MESOS_JUPYTER_STORE: `etcd://${etcd.endpoint}`,
    MESOS_JUPYTER_IMAGE: node.name,
    MESOS_JUPYTER_NETWORK: network.name,
    MESOS_JUPYTER_IPS: addresses.join(),
    MESOS_JUPYTER_SHARED: scratch,
  };
  for (const name of Object.keys(places)) assert.ok(name in given.env, `${file} has no ${name}`);
  return appSchema.parse({
    ...given,
    container: {
      ...given.container,
      docker: { ...given.container.docker, image },
      volumes: given.container.volumes?.map((volume) => ({ ...volume, hostPath: join(scratch, 'etc') })),
    },
    // Small nodes: they only are there.
    env: { ...given.env, ...places, MESOS_JUPYTER_CPUS: '0.1', MESOS_JUPYTER_MEM_MB: '256' },
  });
}

async function launch(what: App, host: (typeof hostNames)[number]): Promise<Launched> {
  const launched = await marathon.launch(what, host);
  seen.add(await containerOf(launched));
  return launched;
}

const containerOf = ({ task }: Launched): Promise<string> =>
  docker('ps', '--all', '--quiet', '--no-trunc', '--filter', `label=MESOS_TASK_ID=${task.id}`);

const logOf = async (launched: Launched): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)('docker', ['logs', await containerOf(launched)]);
  return stdout + stderr;
};

/** As a person asks for it, at the address that Marathon shows. */
const statusOf = async (host: string, { port }: Launched): Promise<SchedulerStatus> =>
  (await askStatus(`http://${host}:${port}`)).status;

/** The framework's id and the tasks that run, by the scheduler that answers there. */
function running(host: string, launched: Launched): Promise<{ id: string | null; tasks: string[] }> {
  return waitFor('a subscribed scheduler and three nodes', 40_000, async () => {
    const status = await statusOf(host, launched);
    const tasks = status.nodes.flatMap(({ state, task }) => (state === 'TASK_RUNNING' ? (task ?? []) : []));
    if (status.state !== 'subscribed' || tasks.length < 3) throw new Error(JSON.stringify(status));
    return { id: status.frameworkId, tasks };
  });
}

/** Containers of nodes. */
const nodeContainers = async (): Promise<string[]> =>
  (await docker('ps', '--quiet', '--filter', `network=${network.name}`)).split('\n').filter(Boolean).sort();

interface FrameworkAtMaster {
  readonly id: string;
  readonly name: string;
  readonly hostname: string;
  readonly webui_url?: string;
}

async function frameworks(): Promise<FrameworkAtMaster[]> {
  const credentials = Buffer.from(`marathon:${secrets.marathon}`).toString('base64');
  const response = await fetch(`${master.url}/master/state`, {
    headers: { Authorization: `Basic ${credentials}` },
  });
  const state = (await response.json()) as { frameworks: FrameworkAtMaster[] };
  return state.frameworks.filter(({ name }) => name === 'mesos-jupyter');
}

describe('the scheduler as Marathon runs it', () => {
  it('comes back as the same framework with the same tasks elsewhere, and a second one beside it waits', async (t) => {
    const [here, there] = hostNames;
    const first = await launch(app, here);
    assert.equal((await first.task.next('TASK_RUNNING')).healthy, true);
    const before = await running(here, first);
    const containers = await nodeContainers();
    assert.equal(containers.length, 3);
    const [framework, ...more] = await frameworks();
    assert.deepEqual(more, []);
    assert.equal(framework?.id, before.id);
    assert.equal(framework?.hostname, here);
    assert.equal(framework?.webui_url, `http://${here}:${first.port}`);
    // One process beside tini, of a user who is not root, that Docker finds healthy by the image's own check.
    const id = await containerOf(first);
    assert.equal(await docker('exec', id, 'id', '-u'), String(uid));
    assert.match(await docker('exec', id, 'cat', '/proc/1/comm'), /^tini$/);
    const check = JSON.parse(
      await docker('inspect', '-f', '{{json .Config.Healthcheck.Test}}', id),
    ) as string[];
    assert.equal(check[0], 'CMD');
    assert.match(await docker('exec', id, ...check.slice(1)), /^subscribed at /);

    await docker('kill', '--signal', 'KILL', id);
    await first.task.next('TASK_FAILED');
    const moved = performance.now();
    const second = await launch(app, there);
    assert.deepEqual(await running(there, second), before);
    t.diagnostic(
      `taken over ${Math.round((performance.now() - moved) / 1000)} s after a new one was started`,
    );
    assert.deepEqual(await nodeContainers(), containers);
    assert.equal((await frameworks())[0]?.webui_url, `http://${there}:${second.port}`);
    assert.equal((await second.task.next('TASK_RUNNING')).healthy, true);

    // As when Marathon gave up a host that only it cannot see.
    const third = await launch(app, here);
    assert.equal((await third.task.next('TASK_RUNNING')).healthy, true);
    const waiting = await waitFor('the third to stand by', 20_000, async () => {
      const status = await statusOf(here, third);
      return status.standingBy && status;
    });
    assert.ok(
      waiting.reason.startsWith(`standing by: another scheduler (${there}, process `),
      waiting.reason,
    );
    assert.deepEqual([waiting.state, waiting.healthy, waiting.nodes], ['standingBy', true, []]);
    assert.match(await logOf(third), /standing by: another scheduler/);
    assert.deepEqual(await running(there, second), before);
    assert.deepEqual(await nodeContainers(), containers);

    // A redeploy: SIGTERM, which the scheduler takes at its word and no further.
    await marathon.kill(second);
    const ending = await second.task.next('TASK_KILLING');
    const killed = await second.task.next('TASK_KILLED');
    assert.match(killed.message ?? '', /exited with status 0/);
    assert.ok((killed.timestamp ?? 0) - (ending.timestamp ?? 0) < app.taskKillGracePeriodSeconds / 2);
    assert.match(await logOf(second), /stopping; nodes run on/);
    assert.deepEqual(await running(here, third), before);
    assert.deepEqual(await nodeContainers(), containers);
    await marathon.kill(third);
    await third.task.next('TASK_KILLING');
    await third.task.next('TASK_KILLED');
    assert.deepEqual(await nodeContainers(), containers);
    assert.equal((await frameworks())[0]?.id, before.id);
  });

  it('takes over with a network of its own, and is found at the port of the host', async () => {
    const [here] = hostNames;
    const containers = await nodeContainers();
    const launched = await launch(rendered('marathon-container-network.json'), here);
    // Mesos' check comes from within, at the container's own port.
    assert.equal((await launched.task.next('TASK_RUNNING')).healthy, true);
    const { id, tasks } = await running(here, launched);
    assert.equal(tasks.length, 3);
    assert.deepEqual(await nodeContainers(), containers);
    const [framework] = await frameworks();
    assert.equal(framework?.id, id);
    assert.equal(framework?.webui_url, `http://${here}:${launched.port}`);
    await marathon.kill(launched);
    await launched.task.next('TASK_KILLING');
    await launched.task.next('TASK_KILLED');
  });

  it('is torn down by the same image, when somebody asks for that', async () => {
    const env = Object.entries(app.env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const volume = `${join(scratch, 'etc')}:/etc/mesos-jupyter:ro`;
    const said = await docker('run', '--rm', '--network', 'host', ...env, '-v', volume, image, 'teardown');
    assert.match(said, /is removed, and all its nodes have ended/);
    assert.deepEqual(await nodeContainers(), []);
  });
});

/** What is looked at of it. */
interface StateFile {
  readonly cluster: {
    readonly frameworkId: string;
    readonly nodes: readonly { readonly task?: { readonly seenAlive: boolean } }[];
  };
}

describe("the scheduler's image with a state file", () => {
  const options = () => [
    ...['--rm', '--network', 'host', '--name', uniqueName('mesos-jupyter-marathon')],
    ...Object.entries({ ...app.env, MESOS_JUPYTER_STORE: '', MESOS_JUPYTER_HTTP_PORT: '0' }).flatMap(
      ([name, value]) => ['-e', `${name}=${value}`],
    ),
    ...['-v', `${join(scratch, 'etc')}:/etc/mesos-jupyter:ro`],
  ];

  it('keeps it in a mounted directory of its own user, for the next one', async () => {
    const state = join(scratch, 'state');
    mkdirSync(state, { mode: 0o700 });
    chownSync(state, uid, uid);
    const mount = ['-v', `${state}:/var/lib/mesos-jupyter`];
    const file = join(state, 'mesos-jupyter.json');
    const ids: unknown[] = [];
    for (const _ of ['the first', 'the next']) {
      const container = await docker('run', '--detach', ...options(), ...mount, image);
      seen.add(container);
      try {
        const cluster = await waitFor('three nodes', 40_000, async () => {
          const { stderr } = await promisify(execFile)('docker', ['logs', container]);
          const { cluster } = JSON.parse(readFileSync(file, 'utf8')) as StateFile;
          const areThere = cluster.nodes.every(({ task }) => task?.seenAlive);
          return /subscribed at/.test(stderr) && areThere && cluster;
        });
        ids.push(cluster.frameworkId);
      } finally {
        await docker('stop', '--time', '10', container);
      }
    }
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    assert.equal(statSync(file).uid, uid);
    assert.equal((await nodeContainers()).length, 3);
    await docker('run', ...options(), ...mount, image, 'teardown');
    assert.deepEqual(await nodeContainers(), []);
  });

  it('says so when that directory is not its to write to', async () => {
    const state = join(scratch, 'of-root');
    mkdirSync(state, { mode: 0o755 });
    await assert.rejects(
      docker('run', ...options(), '-v', `${state}:/var/lib/mesos-jupyter`, image),
      /STATE_UNWRITABLE/,
    );
  });
});
