import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Control } from '../../../executor-image/agent/control.js';
import {
  newAuthority,
  nodeCertificate,
  readAuthority,
} from '../../../executor-image/agent/trust/authority.js';
import type { Credentials, Tls } from '../../../executor-image/agent/trust/credentials.js';
import { controlPath, type NodeStatus } from '../../../executor-image/contract.js';
import { schedulerCertificate } from '../../../framework/control/certificate.js';
import { newKeyPem, readKey, type SchedulerKey } from '../../../framework/store/key-pair.js';

const authority = readAuthority(newAuthority(Date.now()));
const identity = { node: 0, addresses: ['127.0.0.1'] };

function nodeTls(): Tls {
  const key = newKeyPem();
  const cert = nodeCertificate(authority, createPublicKey(key), identity, Date.now());
  return { ca: authority.certificate, cert, key };
}

describe('the node agent’s control calls', () => {
  const scheduler = readKey(newKeyPem(), 'the test');
  const told: string[] = [];
  const logged: string[] = [];
  let control: Control;
  let port: number;
  let renewed = () => {};
  let shown = nodeTls();

  before(async () => {
    const credentials = {
      get tls() {
        return shown;
      },
      onRenewed: (listener: () => void) => {
        renewed = listener;
      },
    } as Credentials;
    const note = (line: string): void => void logged.push(line);
    control = new Control(
      { taskId: 'task-0-2', schedulerKey: scheduler.fingerprint },
      {
        revokeLeases: (taskId) => {
          told.push(taskId);
          return taskId === 'no-leader'
            ? Promise.reject(new Error('no leader'))
            : Promise.resolve('2 leases');
        },
        handOver: (to) => {
          told.push(`to ${to}`);
          return Promise.resolve('handed over');
        },
        pause: (pause) => {
          told.push(`pause ${JSON.stringify(pause)}`);
          return Promise.resolve('paused');
        },
        resume: () => {
          told.push('resume');
          return Promise.resolve('not paused');
        },
      },
      { error: note, warn: note, info: note, debug: note } as never,
    );
    const server = await control.listen(credentials, 0);
    port = (server.address() as AddressInfo).port;
  });
  after(() => control.close());
  beforeEach(() => {
    told.length = 0;
  });

  const ask = (
    call: object | string,
    key: SchedulerKey | null = scheduler,
    path = controlPath,
  ): Promise<{ status: number; body: Record<string, unknown>; serial: string }> =>
    new Promise((resolve, reject) => {
      const asked = request(
        {
          ...{ host: '127.0.0.1', port, path, method: 'POST', agent: false, ca: authority.certificate },
          ...(key && {
            cert: schedulerCertificate(key),
            key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }),
          }),
        },
        (response) => {
          const serial = (response.socket as import('node:tls').TLSSocket).getPeerX509Certificate()
            ?.serialNumber;
          let text = '';
          response.setEncoding('utf8').on('data', (part) => {
            text += part;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text), serial: serial ?? '' }),
          );
        },
      );
      asked.on('error', reject);
      asked.end(typeof call === 'string' ? call : JSON.stringify(call));
    });

  /** What a call adds to the counts. */
  async function counted(
    work: () => Promise<unknown>,
  ): Promise<Partial<NodeStatus['control']['refused']> & { taken?: 1 }> {
    const before = control.counts;
    await work();
    const now = control.counts;
    const more = Object.entries(now.refused)
      .filter(([name, count]) => count > before.refused[name as keyof typeof before.refused])
      .map(([name]) => [name, 1]);
    return { ...Object.fromEntries(more), ...(now.taken > before.taken && { taken: 1 }) };
  }

  test('are taken from the scheduler’s key', async () => {
    const counts = await counted(async () => {
      const { status, body } = await ask({ call: 'hello', taskId: 'task-0-2' });
      assert.deepEqual([status, body], [200, { taskId: 'task-0-2', done: 'heard' }]);
    });
    assert.deepEqual(counts, { taken: 1 });
  });

  test('carry the word of a death', async () => {
    const { status } = await ask({ call: 'revokeLeases', taskId: 'task-0-2', deadTaskId: 'task-1-1' });
    assert.deepEqual([status, told], [200, ['task-1-1']]);
  });

  test('carry an operator’s wish for another holder', async () => {
    const { body } = await ask({ call: 'handOver', taskId: 'task-0-2', to: 1 });
    assert.deepEqual([body['done'], told], ['handed over', ['to 1']]);
  });

  test('say so when it cannot be carried out yet', async () => {
    const { status, body } = await ask({ call: 'revokeLeases', taskId: 'task-0-2', deadTaskId: 'no-leader' });
    assert.deepEqual([status, body['error']], [503, 'no leader']);
  });

  test('are refused of another key, and with none, whatever they say', async () => {
    const stranger = readKey(newKeyPem(), 'the test');
    for (const key of [stranger, null]) {
      const counts = await counted(async () => {
        const asked = ask({ call: 'revokeLeases', taskId: 'task-0-2', deadTaskId: 'x' }, key);
        assert.equal((await asked).status, 403);
      });
      assert.deepEqual(counts, { wrongKey: 1 });
    }
    assert.deepEqual(told, []);
  });

  test('are refused when they are for another task, and when they say that this one is dead', async () => {
    for (const call of [
      { call: 'revokeLeases', taskId: 'task-0-1', deadTaskId: 'task-1-1' },
      { call: 'revokeLeases', taskId: 'task-0-2', deadTaskId: 'task-0-2' },
    ]) {
      const counts = await counted(async () => assert.equal((await ask(call)).status, 409));
      assert.deepEqual(counts, { wrongTask: 1 });
    }
    assert.deepEqual(told, []);
  });

  test('are refused when they are none', async () => {
    const hello = { call: 'hello', taskId: 'task-0-2' };
    for (const work of [
      () => ask('hello'),
      () => ask({ call: 'reboot', taskId: 'task-0-2' }),
      () => ask(hello, scheduler, '/status'),
      () => ask({ ...hello, more: 'x'.repeat(10_000) }),
    ]) {
      const counts = await counted(async () => assert.equal((await work()).status, 400));
      assert.deepEqual(counts, { malformed: 1 });
    }
  });

  test('are refused by plain HTTP', async () => {
    const counts = await counted(
      () =>
        new Promise<void>((resolve) => {
          const asked = plainRequest({ host: '127.0.0.1', port, path: controlPath, method: 'POST' });
          asked.on('response', () => assert.fail('answered'));
          asked.on('error', () => resolve());
          asked.end('{}');
        }),
    );
    assert.deepEqual(counts, { noTls: 1 });
  });

  test('are answered with a renewed certificate from then on', async () => {
    const hello = { call: 'hello', taskId: 'task-0-2' };
    const { serial } = await ask(hello);
    shown = nodeTls();
    renewed();
    const after = await ask(hello);
    assert.equal(after.status, 200);
    assert.notEqual(after.serial, serial);
  });

  test('that are refused again and again fill no log', async () => {
    const before = logged.length;
    for (let count = 0; count < 50; count++) await ask({ call: 'hello', taskId: 'other' });
    assert.ok(logged.length - before < 8, `${logged.length - before}`);
  });
});
