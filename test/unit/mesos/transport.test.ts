import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CodedError } from '../../../framework/errors.js';
import { silentLogger } from '../../../framework/log.js';
import { MesosCalls } from '../../../framework/mesos/calls.js';
import { subscribe } from '../../../framework/mesos/subscription.js';
import { loadTransport } from '../../../framework/mesos/transport.js';
import { addressOf, leadingNode } from '../../../framework/mesos/zookeeper-detector.js';
import { StubMaster } from './stub-master.js';

describe('credentials', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-secret-'));
    writeFileSync(join(directory, 'secret'), 'pä:ss word\n');
  });
  after(() => rmSync(directory, { recursive: true }));

  const expected = `Basic ${Buffer.from('scheduler:pä:ss word').toString('base64')}`;

  it('come from a file, or from the environment where there is none', () => {
    const principal = 'scheduler';
    assert.equal(
      loadTransport({ principal, secretFile: join(directory, 'secret') }, {}).authorization,
      expected,
    );
    assert.equal(
      loadTransport({ principal }, { MESOS_JUPYTER_SECRET: 'pä:ss word' }).authorization,
      expected,
    );
    assert.equal(loadTransport({ principal }, {}).authorization, undefined);
  });

  it('need a principal, and a file that can be read', () => {
    const is = (code: string) => (error: unknown) => error instanceof CodedError && error.code === code;
    assert.throws(() => loadTransport({}, { MESOS_JUPYTER_SECRET: 'x' }), is('CONFIG_INVALID'));
    assert.throws(() => loadTransport({ principal: 'p', secretFile: '/nowhere' }, {}), is('FILES_UNUSABLE'));
  });

  it('go with the subscription and with every call', async () => {
    const master = await StubMaster.start();
    try {
      const transport = loadTransport({ principal: 'scheduler', secretFile: join(directory, 'secret') }, {});
      const stop = new AbortController();
      const { streamId, events } = await subscribe({
        master: new URL(master.url),
        transport,
        frameworkInfo: { user: 'root', name: 'x', principal: 'scheduler' },
        signal: stop.signal,
      });
      const calls = new MesosCalls({
        master: new URL(master.url),
        transport,
        frameworkName: 'x',
        frameworkId: 'f-1',
        streamId,
        logger: silentLogger,
        onFailure: () => {},
      });
      calls.suppress();
      calls.revive();
      await master.calls('REVIVE');
      assert.deepEqual(
        master.received.map(({ headers }) => headers.authorization),
        [expected, expected, expected],
      );
      calls.close();
      stop.abort();
      await assert.rejects(async () => {
        for await (const _ of events);
      });
    } finally {
      await master.stop();
    }
  });
});

describe('the masters’ election in ZooKeeper', () => {
  it('is led by the lowest number', () => {
    assert.equal(
      leadingNode(['log_replicas', 'json.info_0000000012', 'json.info_0000000003', 'info_0000000001']),
      'json.info_0000000003',
    );
    assert.equal(leadingNode(['log_replicas']), undefined);
  });

  it('gives an address that can be reached without resolving the master’s name', () => {
    const info = {
      address: { hostname: 'master-1', ip: '10.0.0.1', port: 5061 },
      hostname: 'master-1',
      ip: 16777343,
      port: 5061,
    };
    assert.equal(addressOf(JSON.stringify(info), false).href, 'http://10.0.0.1:5061/');
    assert.equal(addressOf(JSON.stringify({ hostname: 'm', port: 5050 }), true).href, 'https://m:5050/');
    assert.throws(() => addressOf('{}', false), /neither host nor port/);
    assert.throws(() => addressOf('no JSON', false));
  });
});
