import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Etcd3 } from 'etcd3';
import type { ClusterRecord } from '../../framework/cluster/model.js';
import { newRecord } from '../../framework/cluster/record.js';
import { CodedError, type ErrorCode } from '../../framework/errors.js';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { packageRoot } from '../../framework/local/package.js';
import { type Logger, silentLogger } from '../../framework/log.js';
import { type Scheduler, startScheduler, tearDownFramework } from '../../framework/scheduler.js';
import { type EtcdStoreOptions, openEtcdStore } from '../../framework/store/etcd-store.js';
import { inspectStore } from '../../framework/store/inspect.js';
import { openOrders, openStore } from '../../framework/store/open-store.js';
import { newOrderId } from '../../framework/store/orders.js';
import type { Store } from '../../framework/store/store.js';
import { Containers } from '../soak/containers.js';
import { CertificateAuthority } from '../support/certificates.js';
import { uniqueName } from '../support/docker.js';
import { Etcd, freePort } from '../support/etcd.js';
import { keepsOrders } from '../support/orders.js';
import { SeededRandom } from '../support/random.js';
import { settingsOf, testAddresses } from '../support/settings.js';
import { waitFor } from '../support/wait.js';

const coded = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof CodedError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
const record = (idSuffix: string): ClusterRecord => ({
  ...newRecord(testAddresses, idSuffix),
  frameworkId: `f-${idSuffix}`,
});
/** The least that etcd takes. */
const lockTtlS = 2;

let etcd: Etcd;
let client: Etcd3;
let prefix: string;
let lines: string[];
/** What is to be ended after a test, however it ended. */
let cleanups: (() => Promise<unknown>)[];

const logger: Logger = new Proxy(silentLogger, {
  get: (_, level) => (message: string) => void lines.push(`${String(level)} ${message}`),
});

before(async () => {
  etcd = await Etcd.create();
  client = etcd.connect();
});
after(async () => {
  client?.close();
  await etcd?.remove();
});
beforeEach(() => {
  prefix = `/${uniqueName('test')}`;
  lines = [];
  cleanups = [];
});
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function open(more: Partial<EtcdStoreOptions> = {}): Promise<Store> {
  const store = await openEtcdStore({ endpoints: [etcd.endpoint], prefix, logger, lockTtlS, ...more });
  cleanups.push(() => store.close());
  return store;
}

/** Another process that has the store, and does what it is told a line at a time, telling what came of it. */
class Holder {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  static async start(): Promise<Holder> {
    const holder = new Holder();
    cleanups.push(() => holder.kill());
    assert.equal(await holder.#answer(), 'open');
    return holder;
  }

  private constructor() {
    const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const options = JSON.stringify({ endpoints: [etcd.endpoint], prefix, lockTtlS });
    this.#child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { createInterface } from 'node:readline';
        const { openEtcdStore } = await import(${module('../../framework/store/etcd-store.js')});
        const { silentLogger } = await import(${module('../../framework/log.js')});
        const store = await openEtcdStore({ ...${options}, logger: silentLogger });
        console.log('open');
        for await (const line of createInterface({ input: process.stdin })) {
          try {
            if (line === 'lost') {
              if (!store.lost.aborted) await new Promise((resolve) => store.lost.addEventListener('abort', resolve));
              throw store.lost.reason;
            }
            await store.save(JSON.parse(line));
            console.log('saved');
          } catch (error) {
            console.log(error.code + ' ' + error.message);
          }
        }`,
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const { stdout } = this.#child;
    assert.ok(stdout !== null);
    const reader: Interface = createInterface({ input: stdout });
    this.#answers = reader[Symbol.asyncIterator]();
  }

  async #answer(): Promise<string> {
    const { done, value } = await this.#answers.next();
    return done === true ? 'ended' : value;
  }

  async tell(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return this.#answer();
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

describe('the store in a real etcd', () => {
  it('gives back what was saved, to the next process that opens it', async () => {
    const first = await open();
    assert.equal(await first.load(), undefined);
    await first.save(record('a'));
    assert.deepEqual(await first.load(), record('a'));
    await first.close();
    assert.deepEqual(await (await open()).load(), record('a'));
  });

  it('leaves nothing but its record behind when it is closed', async () => {
    const store = await open();
    await store.save(record('a'));
    await store.close();
    assert.deepEqual(await client.getAll().prefix(prefix).keys(), [`${prefix}/record`]);
  });

  it('makes its key pair once', async () => {
    const first = await open();
    const key = await first.keyPair();
    assert.match(key.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}=$/);
    assert.equal((await first.keyPair()).fingerprint, key.fingerprint);
    await first.close();
    assert.equal((await (await open()).keyPair()).fingerprint, key.fingerprint);
  });

  it("keeps the operator's orders, given beside the lock, in their order, until they are answered", async () => {
    const store = await open();
    await store.save(record('a'));
    const beside = await openOrders(settingsOf({ store: `etcd://${etcd.endpoint}${prefix}` }));
    assert.deepEqual(await beside.record(), record('a'));
    assert.match((await beside.holder()) ?? '', new RegExp(`process ${process.pid}$`));
    await keepsOrders(store, beside);
    await store.close();
    assert.equal(await beside.holder(), undefined);
    beside.close();
  });

  it('lets a second scheduler stand by, who says so once, until the first closes', async () => {
    const first = await open();
    let isOpen = false;
    const opening = open().then((store) => {
      isOpen = true;
      return store;
    });
    await waitFor('the second to stand by', 10_000, () => lines.some((line) => /standing by/.test(line)));
    // Longer than the lock would live if the first did not renew it.
    const sinceMs = performance.now();
    await waitFor('the first to renew', 10_000, async () => {
      assert.equal(isOpen, false);
      await first.save(record('a'));
      return performance.now() - sinceMs > lockTtlS * 2_000;
    });
    await first.save(record('b'));
    await first.close();
    assert.deepEqual(await (await opening).load(), record('b'));
    const said = lines.filter((line) => /standing by/.test(line));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] ?? '', new RegExp(`process ${process.pid}\\) has etcd://${etcd.endpoint}${prefix}`));
  });

  it('ends the standing by when told to stop, or when patience ends', async () => {
    await open();
    const stop = new AbortController();
    const waiting = open({ signal: stop.signal });
    const refused = assert.rejects(waiting, coded('INTERRUPTED'));
    await waitFor('the second to stand by', 10_000, () => lines.some((line) => /standing by/.test(line)));
    stop.abort();
    await refused;
    await assert.rejects(open({ standByMs: 0 }), coded('STATE_LOCKED'));
  });

  it("is another scheduler's soon after its process was killed", async () => {
    const holder = await Holder.start();
    assert.equal(await holder.tell(JSON.stringify(record('a'))), 'saved');
    const opening = open();
    await waitFor('the second to stand by', 10_000, () => lines.some((line) => /standing by/.test(line)));
    await holder.kill();
    assert.deepEqual(await (await opening).load(), record('a'));
  });

  it('refuses every write of a scheduler that was suspended while another took over', async () => {
    const holder = await Holder.start();
    assert.equal(await holder.tell(JSON.stringify(record('a'))), 'saved');
    holder.signal('SIGSTOP');
    const second = await open();
    await second.save(record('b'));
    const written = holder.tell(JSON.stringify(record('c')));
    holder.signal('SIGCONT');
    assert.match(await written, /^STORE_LOST the lock of etcd:.* is no longer this scheduler's/);
    assert.match(await holder.tell('lost'), /^STORE_LOST/);
    assert.match(await holder.tell(JSON.stringify(record('d'))), /^STORE_LOST/);
    assert.deepEqual(await second.load(), record('b'));
    // The first one's end takes nothing from the second.
    await holder.kill();
    await second.save(record('e'));
    assert.deepEqual(await second.load(), record('e'));
  });

  it('notices by itself that its lock ran out', async () => {
    const holder = await Holder.start();
    holder.signal('SIGSTOP');
    await waitFor('the lock to run out', 20_000, async () => (await client.get(`${prefix}/lock`)) === null);
    holder.signal('SIGCONT');
    assert.match(await holder.tell('lost'), /^STORE_LOST/);
  });

  it('writes nothing when the lock was free and taken and free again', async () => {
    const store = await open();
    const [key] = await client.getAll().prefix(`${prefix}/lock`).keys();
    await client.delete().key(key ?? '');
    await client.put(key ?? '').value('another');
    await assert.rejects(store.save(record('a')), coded('STORE_LOST'));
    await client.delete().key(key ?? '');
    await assert.rejects(store.save(record('a')), coded('STORE_LOST'));
    await assert.rejects(store.load(), coded('STORE_LOST'));
    assert.equal(await client.get(`${prefix}/record`), null);
  });

  it('says so while etcd is away, and goes on with its lock when etcd is back', async () => {
    const store = await open();
    await store.save(record('a'));
    await etcd.kill();
    try {
      await assert.rejects(store.save(record('b')), coded('STORE_UNREACHABLE'));
      await assert.rejects(store.load(), coded('STORE_UNREACHABLE'));
      await waitFor('a renewal to fail', 20_000, () => lines.some((line) => /cannot be renewed/.test(line)));
      assert.equal(store.lost.aborted, false);
    } finally {
      await etcd.start();
    }
    await waitFor('a write', 20_000, async () => {
      await store.save(record('c'));
      return true;
    });
    await waitFor('a renewal', 20_000, () => lines.some((line) => /is renewed again/.test(line)));
    assert.deepEqual(await store.load(), record('c'));
    assert.equal(store.lost.aborted, false);
  });

  it('leaves alone what it cannot read, and gives its lock back', async () => {
    for (const [text, code] of [
      ['{"format": 1, "clust', 'STATE_CORRUPT'],
      ['{"format": 1, "cluster": {}}', 'STATE_CORRUPT'],
      ['', 'STATE_CORRUPT'],
      ['{"format": 99, "anything": true}', 'STATE_NEWER'],
    ] as const) {
      await client.put(`${prefix}/record`).value(text);
      await assert.rejects(open(), coded(code));
      assert.deepEqual(await client.getAll().prefix(prefix).strings(), { [`${prefix}/record`]: text });
    }
    await client.delete().key(`${prefix}/record`);
    await client.put(`${prefix}/key`).value('no key');
    await assert.rejects((await open()).keyPair(), coded('STATE_CORRUPT'));
    assert.equal(await client.get(`${prefix}/key`), 'no key');
  });

  it('ends within a bounded time where no etcd answers', async () => {
    const port = await freePort();
    await assert.rejects(open({ endpoints: [`127.0.0.1:${port}`], answerWithinMs: 1_000 }), (error) => {
      coded('STORE_UNREACHABLE')(error);
      assert.match(String(error), new RegExp(`etcd://127.0.0.1:${port}${prefix} does not answer`));
      return true;
    });
  });

  it('passes over members that are away', async () => {
    const away = `127.0.0.1:${await freePort()}`;
    const store = await open({ endpoints: [away, etcd.endpoint, away] });
    for (const suffix of ['a', 'b', 'c', 'd', 'e', 'f']) await store.save(record(suffix));
    assert.deepEqual(await store.load(), record('f'));
  });
});

describe('an etcd that wants TLS and a password', () => {
  let ca: CertificateAuthority;
  let locked: Etcd;
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mesos-jupyter-test-'));
    ca = new CertificateAuthority('etcd-ca');
    locked = await Etcd.create({ tls: { ca, server: ca.issue({ names: ['IP:127.0.0.1'] }) } });
    const admin = locked.connect();
    try {
      const role = admin.role('mesos-jupyter');
      await role.create();
      await role.grant({ permission: 'Readwrite', range: admin.range({ prefix: '/mine/' }) });
      await admin.user('scheduler').create('right');
      await admin.user('scheduler').addRole('mesos-jupyter');
      await admin.user('root').create('root');
      await admin.user('root').addRole('root');
      await admin.auth.authEnable();
    } finally {
      admin.close();
    }
  });
  after(async () => {
    await locked?.remove();
    ca?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  const settings = (password: string, store = `etcd://${locked.endpoint}/mine`) => {
    const { certFile, keyFile } = ca.issue({ names: ['DNS:scheduler'] });
    const storePasswordFile = join(directory, 'password');
    writeFileSync(storePasswordFile, `${password}\n`);
    return settingsOf({
      store,
      storeCaFile: ca.certFile,
      storeCertFile: certFile,
      storeKeyFile: keyFile,
      storeUser: 'scheduler',
      storePasswordFile,
    });
  };
  const openWith = async (given: ReturnType<typeof settings>): Promise<Store> => {
    const store = await openStore(given, { logger, whileLocked: 'giveUp' });
    cleanups.push(() => store.close());
    return store;
  };

  it('is used with the certificate and the password of the settings', async () => {
    const store = await openWith(settings('right'));
    await store.save(record('a'));
    assert.deepEqual(await store.load(), record('a'));
  });

  it('is used on when it forgot who we are', async () => {
    const store = await openWith(settings('right'));
    await locked.kill();
    await locked.start();
    await waitFor('a write', 20_000, async () => {
      await store.save(record('b'));
      return true;
    });
    assert.deepEqual(await store.load(), record('b'));
  });

  it('refuses a wrong password, and keys that are not ours', async () => {
    await assert.rejects(openWith(settings('wrong')), coded('STORE_REFUSED'));
    await assert.rejects(
      openWith(settings('right', `etcd://${locked.endpoint}/others`)),
      coded('STORE_REFUSED'),
    );
  });
});

describe('a scheduler with its state in etcd', () => {
  let master: EmbeddedMaster;
  let containers: Containers;
  let directory: string;
  let hosts: EmbeddedHost[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mesos-jupyter-test-'));
    containers = new Containers(new SeededRandom(1));
    master = await EmbeddedMaster.start({ logger: silentLogger, allocationIntervalMs: 100 });
    hosts = [];
    for (const name of ['host-1', 'host-2', 'host-3']) {
      hosts.push(
        await EmbeddedHost.start({
          master,
          name,
          resources: { cpus: 4, memMb: 8_192, diskMb: 20_000 },
          workDirectory: join(directory, name),
          logger: silentLogger,
          runner: containers,
        }),
      );
    }
    cleanups.push(async () => {
      for (const host of hosts) await host.stop();
      await master.stop();
      await rm(directory, { recursive: true, force: true });
    });
  });

  const settings = () =>
    settingsOf({
      master: master.url,
      store: `etcd://${etcd.endpoint}${prefix}`,
      backoffMinS: 0.2,
      offerHoldMs: 200,
      killGraceS: 2,
    });
  const start = async (): Promise<Scheduler> => {
    const scheduler = await startScheduler(settings(), { logger });
    cleanups.push(() => scheduler.stop());
    return scheduler;
  };
  const running = (scheduler: Scheduler): Promise<string[]> =>
    waitFor('all nodes to run', 30_000, () => {
      const { nodes } = scheduler.snapshot();
      if (!nodes.every(({ state }) => state === 'TASK_RUNNING')) return undefined;
      return nodes.map(({ taskId }) => taskId ?? '');
    });
  /** Code and message of what ends it. */
  const endOf = (scheduler: Scheduler): Promise<string> => {
    let end: string | undefined;
    scheduler.done.then(
      () => {
        end = 'stopped';
      },
      (error: unknown) => {
        end = error instanceof CodedError ? `${error.code} ${error.message}` : String(error);
      },
    );
    return waitFor('the scheduler to end', 30_000, () => end);
  };
  const ids = (): string[] => [...containers.running.values()].flat().sort();

  it('is restarted with the same framework id and tasks', async () => {
    const first = await start();
    const tasks = await running(first);
    const { frameworkId } = first.snapshot();
    await first.stop();
    const second = await start();
    assert.deepEqual(await running(second), tasks);
    assert.equal(second.snapshot().frameworkId, frameworkId);
    assert.deepEqual(ids(), tasks.sort());
    assert.equal(containers.launched, 3);
  });

  it('takes over, with the tasks, from one that it stood by for', async () => {
    const first = await start();
    const tasks = await running(first);
    const starting = start();
    await waitFor('the second to stand by', 10_000, () => lines.some((line) => /standing by/.test(line)));
    await first.stop();
    const second = await starting;
    assert.deepEqual(await running(second), tasks);
    assert.equal(second.snapshot().frameworkId, first.snapshot().frameworkId);
    assert.equal(containers.launched, 3);
  });

  it('stands down when the lock is lost, and sends nothing more', async () => {
    const first = await start();
    const tasks = await running(first);
    // As if its lease had run out, and another had taken the lock.
    const lock = await client.get(`${prefix}/lock`);
    assert.match(lock ?? '', /process/);
    await client.delete().key(`${prefix}/lock`);
    const second = await start();
    // What it must store now, it cannot, whether or not Mesos has told it yet.
    containers.crashOne(137);
    await assert.rejects(first.done, (error: unknown) => {
      assert.ok(error instanceof CodedError);
      assert.equal(error.code, 'STORE_LOST', error.message);
      assert.equal(error.exitCode, 4);
      return true;
    });
    await waitFor(
      'the second to relaunch',
      30_000,
      () => ids().length === 3 && ids().join() !== tasks.join(),
    );
    await running(second);
    assert.equal(containers.doubles, 0);
    assert.equal(containers.launched, 4);
  });

  it('ends with status 4 when its process was suspended for so long that another took over', async () => {
    const { store = '', shared, image, ips } = settings();
    const child = spawn(
      process.execPath,
      [
        ...[join(packageRoot, 'dist/framework/main.js'), 'run', '--master', master.url, '--store', store],
        ...['--image', image, '--ips', ips.join(','), '--shared', shared, '--log-level', 'error'],
        ...['--http-port', '0'],
      ],
      { stdio: ['ignore', 'inherit', 'pipe'] },
    );
    const ended = once(child, 'close');
    cleanups.push(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
    await waitFor('three tasks', 30_000, () => {
      if (child.exitCode !== null) throw new Error(said);
      return ids().length === 3;
    });
    child.kill('SIGSTOP');
    const second = await start();
    await running(second);
    child.kill('SIGCONT');
    const [status] = await ended;
    assert.equal(status, 4);
    assert.match(said, /^mesos-jupyter: STORE_LOST: /m);
    await running(second);
    assert.equal(containers.launched, 3);
  });

  it('does not subscribe, and so cuts off no successor, once the lock is lost', async () => {
    const first = await start();
    await running(first);
    await client.delete().key(`${prefix}/lock`);
    const end = endOf(first);
    // Its stream breaks: the next thing it wants is to subscribe.
    await master.stop();
    assert.match(await end, /^STORE_LOST/);
  });

  it('sends nothing that it could not store', async () => {
    const first = await start();
    const tasks = await running(first);
    const end = endOf(first);
    await client.delete().key(`${prefix}/lock`);
    containers.crashOne(137);
    assert.match(await end, /^STORE_LOST/);
    const second = await start();
    await waitFor(
      'the second to relaunch',
      30_000,
      () => ids().length === 3 && ids().join() !== tasks.join(),
    );
    await running(second);
    // The one relaunch is the second's: task ids end in text that each process has of its own.
    const suffixes = (await running(second)).map((id) => id.split('.').at(-1));
    assert.equal(new Set(suffixes).size, 2);
    assert.equal(containers.launched, 4);
  });

  it('sends nothing while etcd is away, and goes on when it is back', async () => {
    const scheduler = await start();
    const tasks = await running(scheduler);
    await etcd.kill();
    try {
      containers.crashOne(137);
      await waitFor('a write to fail', 20_000, () =>
        lines.some((line) => /does not answer.*nothing is done until it works/.test(line)),
      );
      assert.equal(containers.launched, 3);
    } finally {
      await etcd.start();
    }
    await waitFor('the relaunch', 60_000, () => ids().length === 3 && ids().join() !== tasks.sort().join());
    assert.equal(containers.launched, 4);
    await running(scheduler);
  });

  it("takes note of the operator's word about a task", async () => {
    const scheduler = await start();
    const [task = ''] = await running(scheduler);
    const beside = await openOrders(settings());
    const id = newOrderId(Date.now());
    await beside.give(id, { kind: 'confirmDead', taskId: task });
    const answer = await waitFor('an answer', 20_000, () => beside.answerTo(id));
    assert.deepEqual(answer, {
      kind: 'refused',
      code: 'TASK_UNKNOWN',
      words: `Mesos says that task ${task} runs`,
    });
    beside.close();
    assert.equal(Number((await client.getAll().prefix(`${prefix}/orders/`).exec()).count), 0);
    assert.ok(lines.some((line) => /confirmed to be dead, but Mesos says that it runs/.test(line)));
    assert.ok((await running(scheduler)).includes(task));
  });

  it('is torn down by another process that knows the store only', async () => {
    const scheduler = await start();
    await running(scheduler);
    const { frameworkId } = scheduler.snapshot();
    await scheduler.stop();
    assert.deepEqual(await tearDownFramework(settings(), { logger }), { frameworkId });
    assert.deepEqual(ids(), []);
    assert.equal(await client.get(`${prefix}/lock`), null);
  });

  it('says so where the store names no framework', async () => {
    await assert.rejects(tearDownFramework(settings(), { logger }), (error: unknown) => {
      coded('STATE_MISSING')(error);
      assert.match(String(error), new RegExp(`etcd://${etcd.endpoint}${prefix} names no framework`));
      return true;
    });
  });

  it('refuses the state of a cluster with other addresses', async () => {
    const store = await open();
    await store.save({ ...record('a'), addresses: ['198.51.100.7'] });
    await store.close();
    await assert.rejects(startScheduler(settings(), { logger }), coded('STATE_MISMATCH'));
    assert.equal(await client.get(`${prefix}/lock`), null);
  });
});

describe('a look at the store from beside it', () => {
  const look = () =>
    inspectStore(settingsOf({ store: `etcd://${etcd.endpoint}${prefix}`, frameworkName: 'mesos-jupyter' }));
  const keys = async () => Object.keys(await client.getAll().prefix(`${prefix}/`).strings());

  it('tells of one that is new, and leaves nothing there', async () => {
    assert.deepEqual(await look(), {
      place: `etcd://${etcd.endpoint}${prefix}`,
      record: undefined,
      holder: undefined,
    });
    assert.deepEqual(await keys(), []);
  });

  it('tells what is kept and who works with it, who goes on undisturbed', async () => {
    const store = await open();
    await store.save(record('a'));
    const before = await keys();
    const view = await look();
    assert.deepEqual(view.record, record('a'));
    assert.match(view.holder ?? '', new RegExp(`process ${process.pid}$`));
    assert.deepEqual(await keys(), before);
    await store.save(record('b'));
    assert.ok(!store.lost.aborted);
  });

  it('tells of an etcd that does not answer', async () => {
    const store = `etcd://127.0.0.1:${await freePort()}`;
    await assert.rejects(inspectStore(settingsOf({ store })), coded('STORE_UNREACHABLE'));
  });
});
