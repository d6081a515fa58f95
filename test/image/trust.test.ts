import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Authority,
  newAuthority,
  nodeCertificate,
  readAuthority,
} from '../../executor-image/agent/trust/authority.js';
import { tlsFiles } from '../../executor-image/agent/trust/credentials.js';
import {
  authorityFileName,
  type ControlCall,
  containerPaths,
  controlPath,
  ports,
  type Refusal,
} from '../../executor-image/contract.js';
import { ControlClient } from '../../framework/control/client.js';
import { newKeyPem, readKey } from '../../framework/store/key-pair.js';
import {
  docker,
  imageUnderTest,
  logsOf,
  removeContainer,
  startContainer,
  uniqueName,
} from '../support/docker.js';
import { secretsOf } from '../support/secrets.js';
import { waitFor } from '../support/wait.js';
import { schedulerKey, TestCluster } from './cluster.js';

const dayMs = 24 * 3_600_000;

describe('a cluster on a network with strangers', () => {
  let cluster: TestCluster;
  let leader: number;
  let stranger: string;
  let files: string;

  before(async () => {
    cluster = await TestCluster.create();
    await cluster.startAll();
    leader = await cluster.settled(40_000);
    files = mkdtempSync(join(tmpdir(), 'mj-image-test-'));
    stranger = await startContainer(
      uniqueName('mj-image-test-stranger'),
      ['--net', cluster.network.name, '-v', `${files}:/files:ro`, '--entrypoint', '/usr/bin/sleep'],
      imageUnderTest(),
      ['600'],
    );
  });
  after(async () => {
    if (stranger !== undefined) await removeContainer(stranger);
    await cluster?.remove();
    if (files !== undefined) rmSync(files, { recursive: true, force: true });
  });

  const authority = (): Authority =>
    readAuthority(readFileSync(join(cluster.trusted, authorityFileName), 'utf8'));

  /** Lays a key, a certificate of `ca`, and the CA to trust, where the stranger finds them. */
  function giveStranger(name: string, ca: Authority): void {
    const key = newKeyPem();
    const identity = { node: 0, addresses: cluster.addresses };
    mkdirSync(join(files, name));
    writeFileSync(join(files, name, 'key'), key);
    writeFileSync(join(files, name, 'cert'), nodeCertificate(ca, createPublicKey(key), identity, Date.now()));
    writeFileSync(join(files, name, 'ca'), authority().certificate);
  }

  /** What the stranger's etcdctl says of the leader's member; it has no environment that would help it. */
  const strangersEtcdctl = (scheme: string, ...flags: string[]): Promise<string> =>
    docker(
      ...['exec', stranger, 'env', '-i', '/usr/bin/etcdctl', '--dial-timeout=2s', '--command-timeout=3s'],
      ...[
        `--endpoints=${scheme}://${cluster.address(leader)}:${ports.etcdClient}`,
        ...flags,
        'get',
        '/notebook',
      ],
    );
  const withFiles = (name: string): string[] => [
    `--cacert=/files/${name}/ca`,
    `--cert=/files/${name}/cert`,
    `--key=/files/${name}/key`,
  ];

  test('etcd answers who has a certificate of the cluster’s CA, and nobody else', async () => {
    giveStranger('own', authority());
    giveStranger('foreign', readAuthority(newAuthority(Date.now())));
    assert.match(await strangersEtcdctl('https', ...withFiles('own')), /\/notebook/);
    await assert.rejects(strangersEtcdctl('http'), /deadline exceeded|connection|EOF/);
    await assert.rejects(
      strangersEtcdctl('https', '--cacert=/files/own/ca'),
      /deadline exceeded|certificate|EOF/,
    );
    await assert.rejects(
      strangersEtcdctl('https', ...withFiles('foreign')),
      /deadline exceeded|certificate|EOF/,
    );
  });

  /** Whether a peer's port answers the stranger's request for the cluster's members. */
  const peerAnswers = async (name: string | undefined): Promise<boolean> => {
    const url = `${name === undefined ? 'http' : 'https'}://${cluster.address(leader)}:${ports.etcdPeer}/members`;
    const script = `
      const { readFileSync } = require('fs');
      const [url, name] = process.argv.slice(1);
      const read = (file) => readFileSync('/files/' + name + '/' + file);
      const tls = name ? { ca: read('ca'), cert: read('cert'), key: read('key') } : {};
      require(url.split(':')[0]).get(url, tls, (answer) => process.exit(answer.statusCode === 200 ? 0 : 3)).on('error', () => process.exit(3));
    `;
    try {
      await docker('exec', stranger, 'node', '-e', script, url, ...(name === undefined ? [] : [name]));
      return true;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 3, String(error));
      return false;
    }
  };

  test('its peers’ port answers no plain request, nor one with a foreign certificate, nor from another address', async () => {
    assert.equal(await peerAnswers(undefined), false);
    assert.equal(await peerAnswers('foreign'), false);
    // The CA's own, but made for node 0's address, which is not the stranger's.
    assert.equal(await peerAnswers('own'), false);
  });

  test('etcdctl needs no flags, by `docker exec` and by ssh, and lists the living in order', async () => {
    const [other = 0] = cluster.nodes.filter((node) => node !== leader);
    for (const etcdctl of [
      (words: string) => cluster.shell(other, `etcdctl ${words}`),
      (words: string) =>
        cluster.exec(other, 'ssh', '-o', 'BatchMode=yes', `jupyter-${leader}`, `etcdctl ${words}`),
    ]) {
      const members = await etcdctl('member list');
      assert.equal(
        members.split('\n').filter((line) => /, started, .*https:.*, false$/.test(line)).length,
        3,
      );
      const living = await etcdctl('get --prefix /nodes/ --print-value-only');
      assert.deepEqual(
        living.split('\n').map((line) => (JSON.parse(line) as { address: string }).address),
        cluster.addresses,
      );
    }
  });

  test('keys and certificates are readable by root alone, and each node has its own', async () => {
    assert.equal(statSync(join(cluster.trusted, authorityFileName)).mode & 0o777, 0o600);
    const keys = await Promise.all(cluster.nodes.map((node) => cluster.exec(node, 'cat', tlsFiles.key)));
    assert.equal(new Set(keys).size, 3);
    for (const node of cluster.nodes) {
      const modes = await cluster.shell(
        node,
        `stat -c '%a %U' ${tlsFiles.directory} ${tlsFiles.directory}/*`,
      );
      assert.deepEqual(modes.split('\n'), ['700 root', '600 root', '600 root', '600 root']);
    }
  });

  test('a certificate is renewed in place: etcd shows the new one at the next connection, and all goes on', async () => {
    const [node = 0] = cluster.nodes.filter((each) => each !== leader);
    const key = await cluster.exec(node, 'cat', tlsFiles.key);
    const identity = { node, addresses: cluster.addresses };
    // Made by one whose clock is a day ahead, and then by one whose clock is a day behind.
    for (const offMs of [dayMs, -dayMs]) {
      const cert = nodeCertificate(authority(), createPublicKey(`${key}\n`), identity, Date.now() + offMs);
      writeFileSync(join(cluster.trusted, '.renewed'), cert);
      await cluster.shell(
        node,
        `cp ${containerPaths.trusted}/.renewed ${tlsFiles.certificate}.new && mv ${tlsFiles.certificate}.new ${tlsFiles.certificate}`,
      );
      const serial = new X509Certificate(cert).serialNumber;
      for (const port of [ports.etcdClient, ports.etcdPeer]) {
        const shown = await cluster.shell(
          leader,
          `openssl s_client -connect ${cluster.address(node)}:${port} -CAfile ${tlsFiles.authority} -cert ${tlsFiles.certificate} -key ${tlsFiles.key} </dev/null 2>/dev/null | openssl x509 -noout -serial`,
        );
        assert.equal(shown, `serial=${serial}`);
      }
      // Whole new connections of peers and clients: etcd's process is another one.
      await cluster.exec(node, 'pkill', '-KILL', '-x', 'etcd');
      await waitFor(
        'the member to be away',
        10_000,
        async () => (await cluster.status(node)).etcd.role === 'none',
      );
      leader = await cluster.settled(40_000);
    }
  });

  describe('control calls', () => {
    const stranger = readKey(newKeyPem(), 'the test');
    const hello = (node: number, taskId?: string): ControlCall => ({
      call: 'hello',
      taskId: taskId ?? cluster.environment(node, 1).taskId,
    });
    const refused = async (node: number): Promise<Readonly<Record<Refusal, number>>> =>
      (await cluster.status(node)).control.refused;

    test('are taken from the scheduler’s key, which gets to know the CA by them', async () => {
      const { taken } = (await cluster.status(leader)).control;
      const answer = await new ControlClient(schedulerKey).call(
        cluster.address(leader),
        hello(leader),
        undefined,
      );
      assert.equal(answer.status, 200);
      assert.equal(answer.ca?.trim(), authority().certificate.trim());
      assert.equal((await cluster.status(leader)).control.taken, taken + 1);
    });

    test('are refused, and counted, of a wrong key, for a wrong task, and by plain HTTP', async () => {
      const before = await refused(leader);
      const address = cluster.address(leader);
      const { certificate } = authority();
      assert.equal((await new ControlClient(stranger).call(address, hello(leader), certificate)).status, 403);
      const wrongTask = hello(leader, 'task-of-another-life');
      assert.equal((await new ControlClient(schedulerKey).call(address, wrongTask, certificate)).status, 409);
      await assert.rejects(
        new Promise((resolve, reject) => {
          const asked = request(
            { host: address, port: ports.control, path: controlPath, method: 'POST' },
            resolve,
          );
          asked.on('error', reject);
          asked.end(JSON.stringify(hello(leader)));
        }),
      );
      assert.deepEqual(await refused(leader), {
        wrongKey: before.wrongKey + 1,
        wrongTask: before.wrongTask + 1,
        malformed: before.malformed,
        noTls: before.noTls + 1,
      });
    });

    test('with Mesos’ word of its death a holder is followed at once, and a living one loses nothing', async (t) => {
      const client = new ControlClient(schedulerKey);
      const { certificate } = authority();
      const dead = leader;
      const deadTaskId = cluster.environment(dead, 1).taskId;
      const survivors = cluster.nodes.filter((node) => node !== dead);
      await docker('kill', '--signal', 'KILL', cluster.container(dead));
      const killed = performance.now();
      const words = survivors.map((node) =>
        client.call(
          cluster.address(node),
          { call: 'revokeLeases', taskId: cluster.environment(node, 1).taskId, deadTaskId },
          certificate,
        ),
      );
      const next = await waitFor('Jupyter elsewhere', 20_000, async () => {
        const [node] = await cluster.serving(survivors);
        return node === undefined ? undefined : { node };
      });
      t.diagnostic(
        `kill -9 of the leader's container, told at once → Jupyter answers elsewhere: ${Math.round(performance.now() - killed)} ms`,
      );
      for (const { status, text } of await Promise.all(words)) assert.equal(status, 200, text);
      // The word comes again, about a task of which nothing is left, when the node's next one lives.
      await cluster.start(dead);
      leader = await cluster.settled(40_000);
      assert.equal(leader, next.node);
      const again = await client.call(
        cluster.address(leader),
        { call: 'revokeLeases', taskId: cluster.environment(leader, 1).taskId, deadTaskId },
        certificate,
      );
      assert.match(again.text, /0 leases ended/);
      assert.equal(await cluster.settled(5_000), leader);
    });
  });

  test('no secret is in a log, `docker inspect`, a process’ arguments or environment, or what a node says', async () => {
    const key = schedulerKey.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    const secrets = await secretsOf(cluster, { 'the scheduler’s key': key });
    for (const node of cluster.nodes) {
      const name = cluster.container(node);
      const places = {
        log: await logsOf(name),
        inspect: await docker('inspect', name),
        processes: await docker('top', name, 'axewwo', 'pid,args'),
        environment: await cluster.shell(
          node,
          'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"',
        ),
        status: JSON.stringify(await cluster.status(node)),
        metrics: await (await fetch(`http://${cluster.address(node)}:${ports.nodeAgent}/metrics`)).text(),
        etcd: await cluster.exec(node, 'etcdctl', 'get', '', '--prefix'),
      };
      for (const [place, text] of Object.entries(places)) {
        assert.ok(text.length > 0, place);
        assert.deepEqual(secrets.foundIn(text), [], `node ${node}'s ${place}`);
      }
    }
  });
});

test('a CA that is none ends a node with what is wrong, rather than with another CA', async () => {
  const cluster = await TestCluster.create(1);
  try {
    mkdirSync(cluster.trusted, { mode: 0o700 });
    chmodSync(cluster.trusted, 0o700);
    writeFileSync(join(cluster.trusted, authorityFileName), 'half a te');
    await cluster.start(0);
    const log = await waitFor('its end', 15_000, async () => {
      const text = await logsOf(cluster.container(0));
      return text.includes(authorityFileName) ? text : undefined;
    });
    assert.match(
      log,
      /the cluster's CA \(cluster-ca\.pem in the trusted directory\) can be neither read nor made/,
    );
    assert.equal(readFileSync(join(cluster.trusted, authorityFileName), 'utf8'), 'half a te');
  } finally {
    await cluster.remove();
  }
});
