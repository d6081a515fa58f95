/**
 * A node whose clock is a day off, as libfaketime has its node agent see it. etcd, being written in Go, sees the right one: it is
 * whom that node's certificates have to satisfy.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readAuthority } from '../../executor-image/agent/trust/authority.js';
import { tlsFiles } from '../../executor-image/agent/trust/credentials.js';
import { authorityFileName, ports } from '../../executor-image/contract.js';
import { ControlClient } from '../../framework/control/client.js';
import { docker, logsOf } from '../support/docker.js';
import { libraryOf } from '../support/packages.js';
import { waitFor } from '../support/wait.js';
import { schedulerKey, TestCluster } from './cluster.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe('a cluster in which a clock is a day off', () => {
  let cluster: TestCluster;
  let files: string;
  /** Node 0's container sees this machine's clock and `offset`, such as `+1d`. */
  const setClock = (offset: string): void => writeFileSync(join(files, 'offset'), `${offset}\n`);

  before(async () => {
    files = mkdtempSync(join(tmpdir(), 'mj-image-test-'));
    cluster = await TestCluster.create();
  });
  after(async (t) => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs(), t);
    await cluster?.remove();
    rmSync(files, { recursive: true, force: true });
  });

  const authority = () => readAuthority(readFileSync(join(cluster.trusted, authorityFileName), 'utf8'));
  /** How long ago a certificate began to be valid: an hour more than two days on the clock of whoever made it. */
  const agoMs = (certificate: X509Certificate): number => Date.now() - Date.parse(certificate.validFrom);
  const isAbout = (ms: number, expectedMs: number): boolean => Math.abs(ms - expectedMs) < hourMs / 2;
  /** What node 0 shows to who connects now. */
  async function shown(port: number): Promise<X509Certificate> {
    const { directory: _, authority: ca, certificate, key } = tlsFiles;
    const connect = `openssl s_client -connect ${cluster.address(0)}:${port} -CAfile ${ca} -cert ${certificate} -key ${key}`;
    return new X509Certificate(
      await cluster.shell(1, `${connect} -verify_return_error </dev/null 2>/dev/null | openssl x509`),
    );
  }
  const sayHello = async (): Promise<number> => {
    const { taskId } = await cluster.status(0);
    const client = new ControlClient(schedulerKey);
    return (await client.call(cluster.address(0), { call: 'hello', taskId }, authority().certificate)).status;
  };

  test('ahead: its node makes the CA and its certificate, and the others, whose clocks are right, take them', async () => {
    const library = libraryOf('libfaketime', 'libfaketimeMT.so.1');
    setClock('+1d');
    // Of what the node agent starts nobody needs it, and it keeps the keeper's timer from being set.
    writeFileSync(join(files, 'alone.cjs'), 'delete process.env.LD_PRELOAD;\n');
    await cluster.start(
      0,
      ...['-v', `${library}:/clock/library.so:ro`, '-v', `${files}:/clock/files:ro`],
      ...['-e', 'LD_PRELOAD=/clock/library.so', '-e', 'NODE_OPTIONS=--require=/clock/files/alone.cjs'],
      ...['-e', 'FAKETIME_TIMESTAMP_FILE=/clock/files/offset', '-e', 'FAKETIME_CACHE_DURATION=1'],
      ...['-e', 'FAKETIME_DONT_FAKE_MONOTONIC=1'],
    );
    const ca = await waitFor('the CA', 20_000, authority);
    assert.ok(isAbout(agoMs(new X509Certificate(ca.certificate)), dayMs + hourMs), 'made a day ahead');
    await Promise.all([cluster.start(1), cluster.start(2)]);
    await cluster.settled(60_000);
    assert.ok(isAbout(agoMs(await shown(ports.etcdPeer)), dayMs + hourMs), 'made a day ahead');
    assert.equal(await sayHello(), 200);
  });

  test('set back to a day behind: it renews its certificate in place, while etcd and all else goes on', async (t) => {
    const etcd = () => cluster.exec(0, 'pgrep', '-x', 'etcd');
    const before = { pid: await etcd(), containers: [...cluster.containers] };
    setClock('-1d');
    const set = performance.now();
    await waitFor('another certificate', 90_000, async () =>
      isAbout(agoMs(await shown(ports.etcdClient)), 3 * dayMs + hourMs),
    );
    t.diagnostic(`clock set back → certificate renewed: ${Math.round(performance.now() - set)} ms`);
    assert.ok(isAbout(agoMs(await shown(ports.etcdPeer)), 3 * dayMs + hourMs));
    assert.match(await logsOf(cluster.container(0)), /the certificate is renewed/);
    await cluster.settled(20_000);
    assert.deepEqual({ pid: await etcd(), containers: cluster.containers }, before);
    assert.equal(await sayHello(), 200);
  });

  test('behind: whole new connections are made, too, when its etcd begins anew, and when a peer’s does', async () => {
    for (const node of [0, 1]) {
      await cluster.exec(node, 'pkill', '-KILL', '-x', 'etcd');
      await waitFor('its absence', 10_000, async () => (await cluster.status(node)).etcd.role === 'none');
      await cluster.settled(40_000);
    }
    await docker('kill', '--signal', 'KILL', cluster.container(2));
    await cluster.start(2);
    await cluster.settled(40_000);
    for (const node of cluster.nodes) {
      assert.doesNotMatch(await logsOf(cluster.container(node)), /a defect of the node agent/);
    }
  });
});
