import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Report } from '../../framework/host/report.js';
import { Deployment, showLogOnFailure } from '../e2e/deployment.js';
import { CalicoStandIn } from '../support/calico.js';
import { docker, freeTestRange, imageUnderTest, uniqueName } from '../support/docker.js';
import { ownAddress, runProgram } from '../support/host-command.js';
import { ensurePackage } from '../support/packages.js';
import { waitFor } from '../support/wait.js';

describe('a host with Calico’s network', () => {
  const network = uniqueName('calico');
  let range: Awaited<ReturnType<typeof freeTestRange>>;
  let calico: CalicoStandIn | undefined;
  let cluster: Deployment | undefined;

  before(async () => {
    ensurePackage('curl', '/usr/bin/curl');
    range = await freeTestRange();
  });
  after(async () => {
    await cluster?.remove();
    await docker('network', 'rm', network).catch(() => undefined);
    await calico?.stop();
  });
  showLogOnFailure(() => cluster);

  const host = (verb: 'check' | 'prepare', ...more: readonly string[]) =>
    runProgram(
      [
        ...[
          'host',
          verb,
          '--only',
          'network',
          '--hosts',
          `${ownAddress},10.99.0.2`,
          '--shared',
          '/srv/shared',
        ],
        ...[
          '--admit',
          '10.98.0.0/16',
          '--network',
          network,
          '--subnet',
          range.subnet,
          '--image',
          imageUnderTest(),
        ],
        ...more,
      ],
      calico === undefined ? {} : { env: { PATH: calico.path } },
    );
  const check = async () => {
    const { stdout, stderr } = await host('check', '--json');
    assert.notEqual(stdout, '', stderr);
    const report = JSON.parse(stdout) as Report;
    return Object.fromEntries(report.facts.map((fact) => [fact.subject, fact]));
  };

  it('is told what to do while there is no Calico', async () => {
    const facts = await check();
    assert.match(facts['network']?.says ?? '', /no Calico plugin to make it with/);
    assert.match(facts['network']?.cure ?? '', /--network-driver/);
    const { status, stderr } = await host('prepare', '--apply');
    assert.equal(status, 3);
    assert.match(stderr, /HOST_WAITS: pool: .*there is no calicoctl command/);
  });

  it('gets the pool, the network as the report makes it, and the profile that lets hosts and browsers in', async () => {
    calico = await CalicoStandIn.start();
    const plan = await host('prepare');
    const create = `docker network create --driver calico --ipam-driver calico-ipam --subnet ${range.subnet} ${network}`;
    assert.ok(plan.stdout.includes(create), plan.stdout + plan.stderr);
    const { status, stdout, stderr } = await host('prepare', '--apply');
    assert.equal(status, 0, stdout + stderr);
    assert.ok(stdout.includes(`done: ${create}`));
    assert.match(stdout, /good +address +a container had the address [\d.]+, and this host reached it/);
    assert.deepEqual(
      calico.calls.filter((call) => !call.startsWith('get ')),
      ['create -f -', 'apply -f -'],
    );
    const [profile] = parse(calico.profile(network)) as unknown[];
    assert.deepEqual(profile, {
      apiVersion: 'v1',
      kind: 'profile',
      metadata: { name: network, tags: [network] },
      spec: {
        ingress: [
          { action: 'allow', source: { tag: network } },
          {
            action: 'allow',
            protocol: 'tcp',
            source: { nets: [`${ownAddress}/32`, '10.99.0.2/32', range.subnet, '10.98.0.0/16'] },
            destination: { ports: [8889, 8890, 8888] },
          },
        ],
        egress: [{ action: 'allow' }],
      },
    });
  });

  it('is left as it is the second time', async () => {
    const { status, stdout } = await host('prepare', '--apply');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /Nothing is to be done/);
    assert.equal(calico?.calls.filter((call) => !call.startsWith('get ')).length, 2);
  });

  it('runs a cluster, whose node waits for an address of a host that died, says so, and gets it by the operator’s command', async () => {
    assert.ok(calico !== undefined);
    const addresses = [10, 11, 12].map((number) => range.address(number));
    cluster = await Deployment.create(3, { on: { network, addresses } });
    calico.assignElsewhere(cluster.address(0));
    cluster.startScheduler(
      '--release-address',
      `${calico.directory}/bin/calicoctl ipam release --ip={address}`,
    );
    await waitFor('Docker’s words and the cure', 60_000, () =>
      cluster?.log.includes(
        'Address already assigned in block. Once no container of node 0 runs anywhere, release it: calicoctl ipam release --ip=',
      ),
    );
    await cluster.settled(90_000);
    assert.ok(calico.calls.includes(`ipam release --ip=${cluster.address(0)}`));
    assert.match(cluster.log, /IpamDriver\.RequestAddress: IP assignment error, data: \{IP:/);
  });
});
