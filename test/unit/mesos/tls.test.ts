import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';
import { silentLogger } from '../../../framework/log.js';
import { createDetector } from '../../../framework/mesos/detector.js';
import { MesosDriver } from '../../../framework/mesos/driver.js';
import { loadTransport, type TransportSettings } from '../../../framework/mesos/transport.js';
import { type Certificate, CertificateAuthority } from '../../support/certificates.js';
import { StubMaster } from './stub-master.js';

describe('a master that is reached by TLS', () => {
  let ours: CertificateAuthority;
  let other: CertificateAuthority;
  let ofMaster: Certificate;
  let ofClient: Certificate;
  let master: StubMaster;
  let driver: MesosDriver | undefined;
  let heard: EventEmitter;

  before(() => {
    ours = new CertificateAuthority('ours');
    other = new CertificateAuthority('other');
    ofMaster = ours.issue({ names: ['IP:127.0.0.1', 'DNS:master-1'] });
    ofClient = ours.issue({ names: ['DNS:scheduler'] });
  });
  after(() => {
    ours?.remove();
    other?.remove();
  });
  afterEach(async () => {
    driver?.stop();
    await master?.stop();
  });

  const demanding = () => ({
    cert: ofMaster.cert,
    key: ofMaster.key,
    ca: ours.cert,
    requestCert: true,
    rejectUnauthorized: true,
  });

  function drive(settings: TransportSettings, options: { url?: string; firstTimeoutMs?: number } = {}) {
    heard = new EventEmitter();
    driver = new MesosDriver({
      detector: createDetector(options.url ?? master.url, { secure: true, logger: silentLogger }),
      transport: loadTransport(settings, {}),
      frameworkInfo: { user: 'root', name: 'test' },
      firstTimeoutMs: options.firstTimeoutMs ?? 60_000,
      logger: silentLogger,
      onEvent: (event) => heard.emit(event.type),
      onDisconnected: () => heard.emit('disconnected'),
      onCallFailed: () => heard.emit('callFailed'),
      random: () => 1,
    });
    const running = driver.run(undefined);
    running.catch(() => {});
    return running;
  }

  it('is subscribed to and called with its own CA and a client certificate, also after a redirection', async () => {
    master = await StubMaster.start(demanding());
    const leader = await StubMaster.start(demanding());
    try {
      master.onSubscribe = (_, response) =>
        void response
          .writeHead(307, { location: `//127.0.0.1:${leader.port}/master/api/v1/scheduler` })
          .end();
      drive({ tlsCaFile: ours.certFile, tlsCertFile: ofClient.certFile, tlsKeyFile: ofClient.keyFile });
      await once(heard, 'SUBSCRIBED');
      driver?.calls?.accept(['o-1'], []);
      driver?.calls?.suppress();
      driver?.calls?.revive();
      await leader.calls('REVIVE');
      assert.deepEqual(
        leader.received.map(({ call }) => call.type),
        ['SUBSCRIBE', 'ACCEPT', 'SUPPRESS', 'REVIVE'],
      );
      await driver?.calls?.teardown();
      assert.equal((await leader.calls('TEARDOWN')).length, 1);
    } finally {
      driver?.stop();
      await leader.stop();
    }
  });

  it('is left by a reset, too, so that nothing of a subscription that was given up arrives later', async () => {
    master = await StubMaster.start();
    const server = createServer({ cert: ofMaster.cert, key: ofMaster.key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const secured = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    drive({ tlsCaFile: ours.certFile }, { url: `https://127.0.0.1:${port}` });
    const [socket] = await secured;
    await once(socket, 'data');
    const broken = once(socket, 'error');
    // Not while the server reads: it would take the reset for an end.
    setImmediate(() => driver?.stop());
    const [error] = (await broken) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    server.close();
  });

  /** The error with which the driver gives up. */
  async function refusal(running: Promise<void>): Promise<string> {
    const error = await running.then(
      () => assert.fail('the driver came through'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CodedError && error.code === 'MASTER_UNREACHABLE', String(error));
    assert.equal(master.received.length, 0, 'nothing was sent to a master that is not trusted');
    return error.message;
  }

  it('is refused, and named as not trusted, with no CA for it, or another', async () => {
    master = await StubMaster.start({ cert: ofMaster.cert, key: ofMaster.key });
    for (const settings of [{}, { tlsCaFile: other.certFile }]) {
      assert.match(
        await refusal(drive(settings, { firstTimeoutMs: 1 })),
        /signed by no CA that is trusted here: set tlsCaFile/,
      );
    }
  });

  it('is refused when its certificate is for another name, or has expired', async () => {
    const misnamed = ours.issue({ names: ['DNS:master-2'] });
    master = await StubMaster.start({ cert: misnamed.cert, key: misnamed.key });
    const trust = { tlsCaFile: ours.certFile };
    assert.match(await refusal(drive(trust, { firstTimeoutMs: 1 })), /for other names/);
    await master.stop();
    const expired = ours.issue({ names: ['IP:127.0.0.1'], days: 0 });
    master = await StubMaster.start({ cert: expired.cert, key: expired.key });
    assert.match(await refusal(drive(trust, { firstTimeoutMs: 1 })), /not valid at this time/);
  });

  it('that demands a client certificate says so when there is none, or one that it does not know', async () => {
    master = await StubMaster.start(demanding());
    const stranger = other.issue({ names: ['DNS:scheduler'] });
    for (const client of [{}, { tlsCertFile: stranger.certFile, tlsKeyFile: stranger.keyFile }]) {
      assert.match(
        await refusal(drive({ tlsCaFile: ours.certFile, ...client }, { firstTimeoutMs: 1 })),
        /set tlsCertFile and tlsKeyFile/,
      );
    }
  });

  it('that demands a client certificate by an alert, as OpenSSL does, is understood, too', async () => {
    const server = spawn(
      'openssl',
      [
        ...['s_server', '-accept', '127.0.0.1:0', '-cert', ofMaster.certFile, '-key', ofMaster.keyFile],
        ...['-CAfile', ours.certFile, '-Verify', '1', '-verify_return_error'],
      ],
      { stdio: ['pipe', 'pipe', 'ignore'] },
    );
    try {
      let printed = '';
      const port = await new Promise<string>((resolve) => {
        server.stdout.on('data', (chunk) => {
          printed += String(chunk);
          const found = /ACCEPT \S*:(\d+)/.exec(printed)?.[1];
          if (found !== undefined) resolve(found);
        });
      });
      const url = `https://127.0.0.1:${port}`;
      await assert.rejects(
        drive({ tlsCaFile: ours.certFile }, { url, firstTimeoutMs: 1 }),
        /misses one: set tlsCertFile and tlsKeyFile/,
      );
    } finally {
      server.kill();
      await once(server, 'exit');
    }
  });

  it('is told from one that speaks plain HTTP', async () => {
    master = await StubMaster.start();
    const https = master.url.replace('http:', 'https:');
    assert.match(await refusal(drive({}, { url: https, firstTimeoutMs: 1 })), /speaks no TLS/);
  });
});

describe('the files for TLS', () => {
  let ca: CertificateAuthority;
  before(() => {
    ca = new CertificateAuthority('ca');
  });
  after(() => ca?.remove());
  const is = (code: ErrorCode, words: RegExp) => (error: unknown) =>
    error instanceof CodedError && error.code === code && words.test(error.message);

  it('are checked at the start, and named when they are no good', () => {
    const one = ca.issue({ names: ['DNS:one'] });
    const two = ca.issue({ names: ['DNS:two'] });
    const load = (settings: TransportSettings) => () => loadTransport(settings, {});
    load({ tlsCaFile: ca.certFile, tlsCertFile: one.certFile, tlsKeyFile: one.keyFile })();
    assert.throws(
      load({ tlsCertFile: one.certFile, tlsKeyFile: two.keyFile }),
      is('FILES_UNUSABLE', /tlsCertFile and tlsKeyFile: .*mismatch/),
    );
    assert.throws(load({ tlsCertFile: one.certFile }), is('CONFIG_INVALID', /both/));
    writeFileSync(one.certFile, 'no certificate');
    assert.throws(load({ tlsCaFile: one.certFile }), is('FILES_UNUSABLE', /tlsCaFile/));
    assert.throws(
      load({ tlsCertFile: one.certFile, tlsKeyFile: one.keyFile }),
      is('FILES_UNUSABLE', /tlsCertFile and tlsKeyFile/),
    );
  });
});
