import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fingerprintOf } from '../../../executor-image/certificates.js';
import { newRecord } from '../../../framework/cluster/record.js';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';
import { openFileOrders, openFileStore } from '../../../framework/store/file-store.js';
import { answersKeptS, newOrderId } from '../../../framework/store/orders.js';
import { keepsOrders } from '../../support/orders.js';

const addresses = ['198.51.100.100', '198.51.100.101', '198.51.100.102'];
const coded = (code: ErrorCode) => (error: unknown) => error instanceof CodedError && error.code === code;

const ed25519Pem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;

describe('the store in a file', () => {
  let directory: string;
  let path: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mesos-jupyter-store-'));
    path = join(directory, 'deep', 'state.json');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('gives back what was saved, to the next process that opens it', async () => {
    const record = { ...newRecord(addresses, 'abc'), frameworkId: 'f-1' };
    const first = await openFileStore(path);
    assert.equal(await first.load(), undefined);
    await first.save(record);
    await first.close();
    const second = await openFileStore(path);
    assert.deepEqual(await second.load(), record);
    await second.close();
    assert.deepEqual((await readdir(join(directory, 'deep'))).sort(), ['state.json', 'state.json.lock']);
  });

  for (const format of [1, 2]) {
    it(`reads what an earlier release wrote in format ${format}, which knew no CA, or no pause`, async () => {
      const record = newRecord(addresses, 'abc');
      const paused = { since: '2026-01-01T00:00:00.000Z', reason: 'work' };
      await mkdir(join(directory, 'deep'));
      await writeFile(path, JSON.stringify({ format, cluster: record }));
      const store = await openFileStore(path);
      assert.deepEqual(await store.load(), record);
      await store.save({ ...record, ca: 'PEM', paused });
      await store.close();
      const again = await openFileStore(path);
      assert.deepEqual(await again.load(), { ...record, ca: 'PEM', paused });
      await again.close();
    });
  }

  it('lets one process in at a time, and names the other', async () => {
    const first = await openFileStore(path);
    await assert.rejects(openFileStore(path), (error: unknown) => {
      assert.ok(coded('STATE_LOCKED')(error));
      assert.match(String(error), new RegExp(`process ${process.pid}`));
      return true;
    });
    await first.close();
    await (await openFileStore(path)).close();
  });

  it('is free again when the process that had it was killed', async () => {
    const module = new URL('../../../framework/store/file-store.js', import.meta.url).href;
    const script = `await (await import(${JSON.stringify(module)})).openFileStore(${JSON.stringify(path)}); console.log('open'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(openFileStore(path), coded('STATE_LOCKED'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await openFileStore(path)).close();
  });

  it('leaves alone what it cannot read', async () => {
    await (await openFileStore(path)).close();
    for (const [text, code] of [
      ['{"format": 1, "clust', 'STATE_CORRUPT'],
      ['{"format": 1, "cluster": {}}', 'STATE_CORRUPT'],
      ['', 'STATE_CORRUPT'],
      ['{"format": 99, "anything": true}', 'STATE_NEWER'],
    ] as const) {
      await writeFile(path, text);
      await assert.rejects(openFileStore(path), coded(code));
      assert.equal(await readFile(path, 'utf8'), text);
    }
  });

  it('makes its key pair once, in a file that nobody else reads', async () => {
    const first = await openFileStore(path);
    const key = await first.keyPair();
    assert.equal(key.fingerprint, fingerprintOf(key.publicKey));
    assert.equal((await first.keyPair()).fingerprint, key.fingerprint);
    await first.close();
    const second = await openFileStore(path);
    assert.equal((await second.keyPair()).fingerprint, key.fingerprint);
    assert.equal((await stat(`${path}.key`)).mode & 0o777, 0o600);
    for (const text of ['', 'no key', ed25519Pem()]) {
      await writeFile(`${path}.key`, text);
      await assert.rejects(second.keyPair(), coded('STATE_CORRUPT'));
      assert.equal(await readFile(`${path}.key`, 'utf8'), text);
    }
    await second.close();
  });

  it("keeps the operator's orders, given beside the lock, in their order, until they are answered", async () => {
    const store = await openFileStore(path);
    assert.deepEqual(await store.orders(), []);
    await store.save(newRecord(addresses, 'abc'));
    const beside = openFileOrders(path);
    assert.deepEqual(await beside.record(), newRecord(addresses, 'abc'));
    assert.match((await beside.holder()) ?? '', new RegExp(`^process ${process.pid}$`));
    await keepsOrders(store, beside);
    assert.deepEqual(await readdir(`${path}.orders`), []);
    await store.close();
    assert.equal(await beside.holder(), undefined);
  });

  it('tells an order that a later release gave, and forgets answers that nobody took', async () => {
    const store = await openFileStore(path);
    const id = newOrderId(Date.now());
    await mkdir(`${path}.orders`);
    await writeFile(join(`${path}.orders`, id), '{"kind":"somethingNew"}');
    assert.deepEqual(await store.orders(), [{ id, order: undefined }]);
    await store.answerOrder(id, { kind: 'done', words: '' });
    const [name = ''] = await readdir(`${path}.orders`);
    const longAgo = new Date(Date.now() - answersKeptS * 1000 - 1000);
    await utimes(join(`${path}.orders`, name), longAgo, longAgo);
    await store.orders();
    assert.deepEqual(await readdir(`${path}.orders`), []);
    await store.close();
  });

  it("leaves orders to the scheduler's own user, whoever gives them", {
    skip: process.getuid?.() === 0 ? false : 'only root gives what is its own to others',
  }, async () => {
    await (await openFileStore(path)).close();
    await chown(join(directory, 'deep'), 1234, 1234);
    const beside = openFileOrders(path);
    const id = newOrderId(1_000);
    await beside.give(id, { kind: 'confirmDead', taskId: 'node0.1.abc' });
    for (const name of [`${path}.orders`, join(`${path}.orders`, id)]) {
      assert.equal((await stat(name)).uid, 1234);
    }
  });

  it('loads what was saved last', async () => {
    const store = await openFileStore(path);
    await store.save(newRecord(addresses, 'abc'));
    assert.deepEqual(await store.load(), newRecord(addresses, 'abc'));
    assert.equal(store.lost.aborted, false);
    await store.close();
  });

  it('says so at once where it cannot write', async () => {
    await writeFile(join(directory, 'file'), '');
    await assert.rejects(openFileStore(join(directory, 'file', 'state.json')), coded('STATE_UNWRITABLE'));
    await assert.rejects(openFileStore('/proc/nowhere/state.json'), coded('STATE_UNWRITABLE'));
  });
});
