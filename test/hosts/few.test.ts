import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createTestNetwork, type TestNetwork } from '../support/docker.js';
import { TestHosts } from '../support/host-namespaces.js';
import { ensurePackage } from '../support/packages.js';

/** Each test has hosts of its own: a host that is in a pool stays in it. */
describe('fewer hosts than three', () => {
  let network: TestNetwork;
  let hosts: TestHosts | undefined;

  before(async () => {
    ensurePackage('glusterfs-server', '/usr/sbin/glusterd');
    ensurePackage('curl', '/usr/bin/curl');
    network = await createTestNetwork('mesos-jupyter-hosts');
  });
  after(async () => {
    await hosts?.remove();
    await network?.remove();
  });

  const make = async (count: number): Promise<TestHosts> => {
    await hosts?.remove();
    hosts = await TestHosts.create(count, network);
    return hosts;
  };
  const flags = ({ addresses }: TestHosts) => [
    '--only',
    'volume',
    '--subnet',
    network.subnet,
    '--hosts',
    addresses.join(),
  ];

  it('one gets a volume with one copy and a warning, its brick on the root file system only where that was said', async () => {
    const made = await make(1);
    const host = made.host(0);
    const all = [
      ...flags(made),
      '--brick',
      join(host.directory, 'brick'),
      '--shared',
      host.shared,
      '--apply',
    ];
    const refused = await host.mesosJupyter('host', 'prepare', ...all);
    assert.equal(refused.status, 3);
    assert.match(refused.stderr, /HOST_WAITS: brick: .*is on the root file system.*--brick-on-root/);
    const { status, stdout, stderr } = await host.mesosJupyter('host', 'prepare', ...all, '--brick-on-root');
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /^warning +volume .*has one copy only/m);
    assert.match(stdout, /^good +use /m);
  });

  it('two get a replica 2, and are told that it cannot be both safe and available', async () => {
    const made = await make(2);
    const outcomes = await Promise.all(
      made.hosts.map((host) =>
        host.mesosJupyter(
          ...['host', 'prepare', ...flags(made), '--brick', '/srv/gluster/brick', '--shared', host.shared],
          ...['--apply', '--wait-s', '60'],
        ),
      ),
    );
    for (const { status, stdout, stderr } of outcomes) {
      assert.equal(status, 0, stdout + stderr);
      assert.match(
        stdout,
        /^warning +volume .*cannot be both safe and available: without the first host nothing can be written/m,
      );
    }
  });
});
