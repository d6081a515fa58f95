import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { EtcdMember } from '../../../executor-image/agent/etcd/member.js';
import { leasesOf } from '../../../executor-image/agent/revocation.js';
import {
  type Authority,
  isDue,
  newAuthority,
  nodeCertificate,
  readAuthority,
} from '../../../executor-image/agent/trust/authority.js';
import type { Credentials } from '../../../executor-image/agent/trust/credentials.js';
import { fingerprintOf } from '../../../executor-image/certificates.js';
import type { TaskEnvironment } from '../../../executor-image/contract.js';
import { newKeyPem } from '../../../framework/store/key-pair.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const addresses = ['192.0.2.100', '192.0.2.101', '192.0.2.102'];

interface Shown {
  readonly cert: string;
  readonly key: string;
}

/** What a node whose clock is at `nowMs` shows. */
function nodeOf(authority: Authority, node: number, nowMs: number): Shown {
  const key = newKeyPem();
  return { cert: nodeCertificate(authority, createPublicKey(key), { node, addresses }, nowMs), key };
}

/** Both ends of one connection; rejects when either refuses the other. */
async function handshake(server: Shown, client: Shown | undefined, ca: string, name: string): Promise<void> {
  let refused = new Error('the server was refused');
  // Looked at by hand: what Node does by itself says only that the connection went.
  const listener = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined);
    if (socket.authorized) return socket.end('heard');
    refused = new Error(`the client was refused: ${socket.authorizationError}`);
    return socket.destroy();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    const socket = connect({
      host: '127.0.0.1',
      port: (listener.address() as AddressInfo).port,
      servername: name,
      ca,
      ...client,
    });
    socket.on('error', (error) => {
      refused = error;
    });
    let heard = '';
    socket.on('data', (data) => {
      heard += data;
    });
    await new Promise((resolve) => socket.on('close', resolve));
    if (heard !== 'heard') throw refused;
  } finally {
    listener.close();
  }
}

describe('the cluster’s CA', () => {
  test('is read as it was made, its key and its certificate from one text', () => {
    const text = newAuthority(Date.now());
    const authority = readAuthority(text);
    const certificate = new X509Certificate(authority.certificate);
    assert.ok(certificate.ca && certificate.verify(authority.publicKey));
    assert.equal(certificate.subject, 'CN=mesos-jupyter cluster');
    assert.match(text, /^-----BEGIN PRIVATE KEY-----/);
    assert.doesNotMatch(authority.certificate, /PRIVATE/);
  });

  test('is refused when it is half a text, another’s key, or a node’s certificate', () => {
    const text = newAuthority(Date.now());
    const authority = readAuthority(text);
    const { cert, key } = nodeOf(authority, 0, Date.now());
    for (const wrong of [
      '',
      text.slice(0, 300),
      authority.certificate,
      newKeyPem() + authority.certificate,
      key + cert,
    ]) {
      assert.throws(() => readAuthority(wrong), wrong.slice(0, 100));
    }
  });
});

describe('a node’s certificate', () => {
  const authority = readAuthority(newAuthority(Date.now()));
  const certificate = new X509Certificate(nodeOf(authority, 1, Date.now()).cert);

  test('is good for its address, the loopback, and every name that may come to be its, and for no other node’s', () => {
    for (const address of ['192.0.2.101', '127.0.0.1']) {
      assert.equal(certificate.checkIP(address), address);
    }
    for (const name of ['jupyter-1', 'node0', 'node1', 'node2', 'notebook', 'localhost']) {
      assert.equal(certificate.checkHost(name), name);
    }
    assert.equal(certificate.checkIP('192.0.2.100'), undefined);
    assert.equal(certificate.checkHost('jupyter-0'), undefined);
    assert.equal(certificate.checkHost('node3'), undefined);
  });

  test('is taken by others when both clocks are a day off, in whichever directions', async () => {
    // What one whose clock is a day behind or ahead of ours makes, is checked by ours: here the clocks differ, and not the dates.
    const now = Date.now();
    for (const offMs of [-2 * dayMs, -dayMs, 0, dayMs, 2 * dayMs]) {
      const ofThatClock = readAuthority(newAuthority(now + offMs));
      const [theirs, ours] = [nodeOf(ofThatClock, 0, now + offMs), nodeOf(ofThatClock, 1, now)];
      await handshake(theirs, ours, ofThatClock.certificate, 'jupyter-0');
      await handshake(ours, theirs, ofThatClock.certificate, 'jupyter-1');
    }
  });

  test('is refused when it is past, or another CA’s, or absent', async () => {
    const now = Date.now();
    const good = nodeOf(authority, 0, now);
    const other = nodeOf(readAuthority(newAuthority(now)), 1, now);
    const { certificate: ca } = authority;
    const refused = (client: Shown | undefined, why: RegExp) =>
      assert.rejects(handshake(good, client, ca, 'jupyter-0'), why);
    await refused(nodeOf(authority, 1, now - 30 * dayMs), /refused: CERT_HAS_EXPIRED/);
    await refused(nodeOf(authority, 1, now + 3 * dayMs), /refused: CERT_NOT_YET_VALID/);
    await refused(other, /refused: (CERT_SIGNATURE_FAILURE|UNABLE_TO_\w+)/);
    await refused(undefined, /refused: /);
    await assert.rejects(handshake(other, good, ca, 'jupyter-1'), /certificate|signature/i);
  });

  test('is renewed after a day, and when the clock turns out to have been ahead', () => {
    assert.equal(isDue(10 * dayMs, 10 * dayMs), false);
    assert.equal(isDue(10 * dayMs, 11 * dayMs - 1), false);
    assert.equal(isDue(10 * dayMs, 11 * dayMs), true);
    assert.equal(isDue(10 * dayMs, 10 * dayMs - hourMs), false);
    assert.equal(isDue(10 * dayMs, 9 * dayMs), true);
  });
});

test('a key’s fingerprint is that of its public half, whatever form it comes in', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const again = createPublicKey(createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })));
  assert.equal(fingerprintOf(publicKey), fingerprintOf(again));
  assert.match(fingerprintOf(publicKey), /^SHA256:[A-Za-z0-9+/]{43}=$/);
});

test('after a renewal, clients of the own member and of others are made anew, with the new certificate', () => {
  const authority = readAuthority(newAuthority(Date.now()));
  let tls = { ca: authority.certificate, ...nodeOf(authority, 0, Date.now()) };
  const listeners: (() => void)[] = [];
  const credentials = {
    get tls() {
      return tls;
    },
    nameOf: () => 'jupyter-1',
    onRenewed: (listener: () => void) => listeners.push(listener),
  } as unknown as Credentials;
  const task = { node: 0, addresses, generation: 1, incarnation: 1, taskId: 'task', founders: [] };
  const log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
  const member = new EtcdMember(task as unknown as TaskEnvironment, '192.0.2.100', credentials, log as never);
  try {
    const before = [member.client, member.observer.client('192.0.2.101')];
    assert.deepEqual(
      [member.client, member.observer.client('192.0.2.101')],
      before,
      'kept while nothing changes',
    );
    tls = { ...tls, ...nodeOf(authority, 0, Date.now()) };
    for (const listener of listeners) listener();
    const after = [member.client, member.observer.client('192.0.2.101')];
    assert.ok(after.every((client) => !before.includes(client)));
  } finally {
    member.observer.close();
    member.client.close();
  }
});

describe('the leases that end at the word that a task is dead', () => {
  const entry = (key: string, lease: string, taskId: string, incarnation = 1) => ({
    key: Buffer.from(key),
    value: Buffer.from(JSON.stringify({ node: 0, address: '192.0.2.100', taskId, incarnation })),
    lease,
    create_revision: '1',
    mod_revision: '1',
    version: '1',
  });

  test('are those of its heartbeat and its notebook key, and none of a newer task of the same node', () => {
    const kvs = [
      entry('/nodes/0', '11', 'old'),
      entry('/nodes/1', '12', 'other'),
      entry('/notebook', '13', 'old'),
      entry('/fenced', '0', 'old'),
      entry('/else', '14', 'old'),
    ];
    assert.deepEqual(leasesOf(kvs, 'old'), ['11', '13']);
    assert.deepEqual(
      leasesOf([entry('/nodes/0', '21', 'new', 2), entry('/notebook', '22', 'new', 2)], 'old'),
      [],
    );
  });

  test('are none where a key says nothing that can be read', () => {
    const broken = { ...entry('/notebook', '13', 'old'), value: Buffer.from('old') };
    assert.deepEqual(leasesOf([broken], 'old'), []);
  });
});
