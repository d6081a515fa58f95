import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Control } from '../../../executor-image/agent/control.js';
import {
  type Authority,
  newAuthority,
  nodeCertificate,
  readAuthority,
} from '../../../executor-image/agent/trust/authority.js';
import type { Credentials } from '../../../executor-image/agent/trust/credentials.js';
import type { ControlCall } from '../../../executor-image/contract.js';
import type { Pause } from '../../../framework/cluster/model.js';
import { ControlClient } from '../../../framework/control/client.js';
import { Messenger } from '../../../framework/control/messenger.js';
import { newKeyPem, readKey } from '../../../framework/store/key-pair.js';

const address = '127.0.0.1';
const key = readKey(newKeyPem(), 'the test');

/** What a node of `authority` at one of our loopback addresses shows. */
function credentialsOf(authority: Authority, at = address): Credentials {
  const own = newKeyPem();
  const identity = { node: 0, addresses: [at] };
  // A certificate is for the loopback in any case, so that another node's needs another loopback address.
  const cert = nodeCertificate(authority, createPublicKey(own), identity, Date.now());
  const onRenewed = (): void => {};
  return { tls: { ca: authority.certificate, cert, key: own }, onRenewed } as unknown as Credentials;
}

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

describe('the scheduler’s calls to a node agent', () => {
  const authority = readAuthority(newAuthority(Date.now()));
  const revoked: string[] = [];
  let control: Control;
  let server: Server;
  let client: ControlClient;

  before(async () => {
    control = new Control(
      { taskId: 'task-0', schedulerKey: key.fingerprint },
      {
        revokeLeases: async (taskId) => `${revoked.push(taskId)} leases`,
        handOver: async () => assert.fail('nobody asked for it'),
        pause: async () => assert.fail('nobody asked for it'),
        resume: async () => assert.fail('nobody asked for it'),
      },
      silent as never,
    );
    server = await control.listen(credentialsOf(authority), 0);
    client = new ControlClient(key, (server.address() as AddressInfo).port);
  });
  after(() => control.close());
  beforeEach(() => {
    revoked.length = 0;
  });

  const hello: ControlCall = { call: 'hello', taskId: 'task-0' };

  it('take the CA that is shown at the first meeting, and give it back', async () => {
    const answer = await client.call(address, hello, undefined);
    assert.equal(answer.status, 200);
    assert.equal(answer.ca?.trim(), authority.certificate.trim());
  });

  it('trust that CA from then on, and no other', async () => {
    const answer = await client.call(address, hello, authority.certificate);
    assert.deepEqual([answer.status, answer.ca], [200, undefined]);
    const other = readAuthority(newAuthority(Date.now()));
    await assert.rejects(client.call(address, hello, other.certificate), /certificate|signature|self/i);
  });

  it('trust nobody who shows a certificate for another address', async () => {
    await assert.rejects(
      client.call('127.0.0.2', hello, authority.certificate),
      /IP: 127\.0\.0\.2 is not in/,
    );
    await assert.rejects(client.call('127.0.0.2', hello, undefined), /shows no certificate of its own/);
  });

  describe('of what the core wants told', () => {
    interface Told {
      readonly calls: ControlCall[];
      readonly warned: string[];
      readonly shown: string[];
      readonly messenger: Messenger;
    }
    /** A messenger whose calls are answered one after another as the script says; the last answer is given again. */
    function told(
      script: readonly (number | Error)[],
      ca?: string,
      pause = (): Pause | undefined => undefined,
    ): Told {
      const calls: ControlCall[] = [];
      const warned: string[] = [];
      const shown: string[] = [];
      const messenger = new Messenger({
        client: {
          call: async (_address, call) => {
            const answer = script[Math.min(calls.push(call), script.length) - 1];
            if (answer instanceof Error) throw answer;
            return { status: answer ?? 0, text: '', ...(ca === undefined && { ca: 'shown' }) };
          },
        },
        logger: { ...silent, warn: (line: string) => void warned.push(line) } as never,
        ca: () => ca,
        onCaShown: (text) => void shown.push(text),
        pause,
        signal: new AbortController().signal,
      });
      return { calls, warned, shown, messenger };
    }
    const survivor = { taskId: 'task-0', address };

    it('a death reaches the node agent', async () => {
      const messenger = new Messenger({
        client,
        logger: silent as never,
        ca: () => authority.certificate,
        onCaShown: () => assert.fail('it was known'),
        pause: () => undefined,
        signal: new AbortController().signal,
      });
      await messenger.tellDeath('task-1', [survivor]);
      assert.deepEqual(revoked, ['task-1']);
    });

    it('a death is told again while nobody answers, or etcd has no leader, and then no more', async () => {
      const { calls, messenger } = told([new Error('ECONNREFUSED'), 503, 200], 'ca');
      await messenger.tellDeath('task-1', [survivor]);
      assert.equal(calls.length, 3);
      assert.deepEqual(calls[2], { call: 'revokeLeases', taskId: 'task-0', deadTaskId: 'task-1' });
    });

    it('a refusal is not asked again, and said', async () => {
      const { calls, warned, messenger } = told([403], 'ca');
      await messenger.tellDeath('task-1', [survivor]);
      assert.equal(calls.length, 1);
      assert.match(warned[0] ?? '', /refuses revokeLeases \(403\)/);
    });

    it('a survivor that is followed by another task itself is no trouble', async () => {
      const { calls, warned, messenger } = told([409], 'ca');
      await messenger.tellDeath('task-1', [survivor]);
      assert.deepEqual([calls.length, warned], [1, []]);
    });

    it('a certificate of another CA ends it, with what to do', async () => {
      const error = Object.assign(new Error('self-signed certificate'), {
        code: 'SELF_SIGNED_CERT_IN_CHAIN',
      });
      const { calls, warned, messenger } = told([error], 'ca');
      await messenger.tellDeath('task-1', [survivor]);
      assert.equal(calls.length, 1);
      assert.match(warned[0] ?? '', /another CA than the one that this cluster began with/);
    });

    it('a pause and its end reach each node, once at a time', async () => {
      let now: Pause | undefined = { since: '2026-01-01T00:00:00.000Z', reason: 'work' };
      const { calls, messenger } = told([new Error('ECONNREFUSED'), 200], 'ca', () => now);
      await Promise.all([messenger.tellPause(now, [survivor]), messenger.tellPause(now, [survivor])]);
      assert.deepEqual(calls, Array(2).fill({ call: 'pause', taskId: 'task-0', ...now }));
      now = undefined;
      await messenger.tellPause(now, [survivor]);
      assert.deepEqual(calls.at(-1), { call: 'resume', taskId: 'task-0' });
    });

    it('a pause that is over is told nobody any more', async () => {
      const { calls, messenger } = told([200], 'ca');
      await messenger.tellPause({ since: '2026-01-01T00:00:00.000Z' }, [survivor]);
      assert.deepEqual(calls, []);
    });

    it('a greeting brings the CA, one at a time for each node', async () => {
      const { calls, shown, messenger } = told([200]);
      await Promise.all([messenger.greet(survivor), messenger.greet(survivor)]);
      assert.deepEqual([calls.length, shown], [1, ['shown']]);
    });

    it('nobody is greeted when the CA is known', async () => {
      const { calls, messenger } = told([200], 'ca');
      await messenger.greet(survivor);
      assert.equal(calls.length, 0);
    });
  });
});
