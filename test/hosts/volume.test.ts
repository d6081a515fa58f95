import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Report } from '../../framework/host/report.js';
import { createTestNetwork, type TestNetwork } from '../support/docker.js';
import type { Outcome } from '../support/host-command.js';
import { TestHosts } from '../support/host-namespaces.js';
import { ensurePackage } from '../support/packages.js';
import { waitFor } from '../support/wait.js';

describe('hosts that are prepared for a GlusterFS volume', () => {
  let network: TestNetwork;
  let hosts: TestHosts;

  before(async () => {
    ensurePackage('glusterfs-server', '/usr/sbin/glusterd');
    ensurePackage('curl', '/usr/bin/curl');
    network = await createTestNetwork('mesos-jupyter-hosts');
    hosts = await TestHosts.create(3, network);
  });
  after(async () => {
    await hosts?.remove();
    await network?.remove();
  });

  const flags = (number: number) => [
    ...['--only', 'volume', '--hosts', hosts.addresses.join(), '--arbiter', hosts.addresses[1] ?? ''],
    ...['--brick', '/srv/gluster/brick', '--subnet', network.subnet, '--shared', hosts.host(number).shared],
  ];
  const prepare = (number: number, ...more: string[]): Promise<Outcome> =>
    hosts.host(number).mesosJupyter('host', 'prepare', ...flags(number), ...more);
  const check = async (number: number): Promise<Record<string, Report['facts'][number]>> => {
    const { stdout, status, stderr } = await hosts
      .host(number)
      .mesosJupyter('host', 'check', '--json', ...flags(number));
    const report = JSON.parse(stdout) as Report;
    assert.equal(status, report.ready ? 0 : 3, stderr);
    return Object.fromEntries(report.facts.map((fact) => [fact.subject, fact]));
  };
  const missingOn = async (number: number): Promise<string[]> =>
    Object.values(await check(number))
      .filter(({ verdict }) => verdict === 'missing')
      .map(({ subject }) => subject);

  it('prints its plan, and changes nothing without --apply', async () => {
    const { status, stdout, stderr } = await prepare(0);
    assert.equal(status, 0, stderr);
    for (const words of [
      '  glusterd\n',
      '  mkdir -p /srv/gluster\n',
      `volume create glustervol replica 2 arbiter 1 transport tcp ${[0, 2, 1].map((n) => `${hosts.addresses[n]}:/srv/gluster/brick`).join(' ')}`,
      'performance.write-behind off',
      `append to /etc/fstab: ${hosts.addresses[0]}:/glustervol ${hosts.host(0).shared} glusterfs defaults,_netdev,backup-volfile-servers=${hosts.addresses[1]}:${hosts.addresses[2]} 0 0`,
      'Nothing was changed',
    ]) {
      assert.ok(stdout.includes(words), `no "${words}" in:\n${stdout}`);
    }
    assert.deepEqual(hosts.host(0).processes(/gluster/), []);
    assert.ok(!existsSync(hosts.host(0).shared));
    assert.doesNotMatch(hosts.host(0).fstab, /glustervol/);
  });

  it('stops on the first host at the others, which are not prepared', async () => {
    const { status, stderr } = await prepare(0, '--apply');
    assert.equal(status, 3);
    assert.match(stderr, /HOST_WAITS: peers: .*nothing answers there at port 24007/);
    assert.match(
      stderr,
      /Done before: glusterd; mkdir -p \/srv\/gluster\n {2}Left: peers, volume, options, /,
    );
  });

  it('waits on the others for the first, and then prepares all of them', async (t) => {
    const started = performance.now();
    const outcomes = await Promise.all(
      [1, 2, 0].map((number) => prepare(number, '--apply', '--wait-s', '60')),
    );
    for (const { status, stdout, stderr } of outcomes) assert.equal(status, 0, stdout + stderr);
    t.diagnostic(`three hosts at once: ${Math.round(performance.now() - started)} ms`);
    for (const number of [0, 1, 2]) assert.deepEqual(await missingOn(number), []);
    writeFileSync(join(hosts.host(0).shared, 'a file'), 'from the first');
    assert.equal(
      await waitFor('the file on the third host', 5_000, () =>
        execFileSync('cat', [join(hosts.host(2).shared, 'a file')], { encoding: 'utf8' }),
      ),
      'from the first',
    );
  });

  it('does nothing the second time', async () => {
    const before = hosts
      .host(0)
      .processes(/gluster/)
      .sort();
    const { status, stdout } = await prepare(0, '--apply');
    assert.equal(status, 0);
    assert.match(stdout, /Nothing is to be done/);
    assert.doesNotMatch(stdout, /^done:/m);
    assert.deepEqual(
      hosts
        .host(0)
        .processes(/gluster/)
        .sort(),
      before,
    );
    assert.equal(hosts.host(0).fstab.match(/glustervol/g)?.length, 1);
    assert.deepEqual(
      readdirSync(hosts.host(0).shared).filter((name) => name.startsWith('.mesos-jupyter-check')),
      [],
    );
  });

  it('sees a brick that was killed, and starts it again on its host', async () => {
    hosts.host(2).signal(/glusterfsd/, 'SIGKILL');
    await waitFor('the brick to be seen as down', 20_000, async () =>
      (await check(0))['bricks']?.says.includes(`${hosts.addresses[2]}:/srv/gluster/brick`),
    );
    const elsewhere = await check(0);
    assert.match(elsewhere['bricks']?.cure ?? '', /bring that host or its brick back/);
    assert.equal(elsewhere['use']?.verdict, 'good');
    assert.match((await check(2))['bricks']?.cure ?? '', /volume start glustervol force/);
    const { status, stdout, stderr } = await prepare(2, '--apply');
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(await missingOn(0), []);
  });

  it('sees a volume without its quorum', async () => {
    const bricks = [1, 2].flatMap((number) => hosts.host(number).processes(/glusterfsd/));
    for (const pid of bricks) process.kill(pid, 'SIGKILL');
    await waitFor('the volume to take no writes', 30_000, async () =>
      (await check(0))['use']?.says.includes('too few of its bricks answer'),
    );
    for (const number of [1, 2]) {
      const { status, stdout, stderr } = await prepare(number, '--apply');
      assert.equal(status, 0, stdout + stderr);
    }
    await waitFor('all to be well', 30_000, async () => (await missingOn(0)).length === 0);
  });

  it('sees that a daemon is gone, and starts it', async () => {
    hosts.host(1).signal(/\bglusterd\b/, 'SIGKILL');
    await waitFor('its absence', 20_000, async () => (await missingOn(1)).includes('glusterd'));
    assert.match(
      (await check(0))['peers']?.says ?? '',
      new RegExp(`${hosts.addresses[1]}, which is not connected`),
    );
    const { status, stdout, stderr } = await prepare(1, '--apply', '--wait-s', '30');
    assert.equal(status, 0, stdout + stderr);
    await waitFor('all to be well', 30_000, async () => (await missingOn(0)).length === 0);
  });

  it('sees that the volume is not mounted, and files of the disk below it', async () => {
    await hosts.host(0).must('umount', hosts.host(0).shared);
    assert.match((await check(0))['mount']?.says ?? '', /nothing is mounted at/);
    const stray = join(hosts.host(0).shared, 'stray');
    await hosts.host(0).must('touch', stray);
    const refused = await prepare(0, '--apply');
    assert.equal(refused.status, 3);
    assert.match(refused.stderr, /HOST_WAITS: directory: .*which a mount would hide/);
    await hosts.host(0).must('rm', stray);
    const { status, stdout, stderr } = await prepare(0, '--apply');
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^done: mount /m);
  });

  it('sees that the mount is dead, and mounts it anew', async () => {
    hosts.host(0).signal(/process-name fuse/, 'SIGKILL');
    await waitFor('a dead mount', 10_000, async () => (await check(0))['mount']?.says.includes('is dead'));
    const { status, stdout, stderr } = await prepare(0, '--apply');
    assert.equal(status, 0, stdout + stderr);
    assert.deepEqual(await missingOn(0), []);
  });

  it('does not hang with a mount that hangs', async (t) => {
    hosts.host(0).signal(/process-name fuse/, 'SIGSTOP');
    try {
      const started = performance.now();
      assert.match((await check(0))['use']?.says ?? '', /did not answer within 25 s/);
      t.diagnostic(`check beside a mount that hangs: ${Math.round(performance.now() - started)} ms`);
    } finally {
      hosts.host(0).signal(/process-name fuse/, 'SIGCONT');
    }
    await waitFor('all to be well', 20_000, async () => (await missingOn(0)).length === 0);
  });

  it('sees a mount that is read-only', async () => {
    const { shared } = hosts.host(0);
    await hosts.host(0).must('mount', '--options', 'remount,bind,ro', shared);
    assert.match((await check(0))['use']?.says ?? '', /read-only/);
    await hosts.host(0).must('mount', '--options', 'remount,bind,rw', shared);
    assert.deepEqual(await missingOn(0), []);
  });

  it('sees write-behind where somebody turned it on, and turns it off', async () => {
    await hosts
      .host(0)
      .must('gluster', '--mode=script', 'volume', 'set', 'glustervol', 'performance.write-behind', 'on');
    await waitFor('the translator', 10_000, async () => (await missingOn(1)).includes('write-behind'));
    assert.match((await check(1))['options']?.says ?? '', /performance.write-behind is on, not off/);
    const { status, stdout, stderr } = await prepare(0, '--apply');
    assert.equal(status, 0, stdout + stderr);
    await waitFor('all to be well', 10_000, async () => (await missingOn(1)).length === 0);
  });
});
