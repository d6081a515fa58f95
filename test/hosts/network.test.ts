import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import type { Report } from '../../framework/host/report.js';
import { docker, freeTestRange, imageUnderTest, uniqueName } from '../support/docker.js';
import { ownAddress, runProgram } from '../support/host-command.js';
import { ensurePackage } from '../support/packages.js';

describe('a host whose network Docker makes by itself', () => {
  const parent = `mjp${process.pid}`;
  const made: string[] = [];
  let range: Awaited<ReturnType<typeof freeTestRange>>;

  before(async () => {
    ensurePackage('curl', '/usr/bin/curl');
    execFileSync('ip', ['link', 'add', parent, 'type', 'veth', 'peer', 'name', `${parent}x`]);
    execFileSync('ip', ['link', 'set', parent, 'up']);
    execFileSync('ip', ['link', 'set', `${parent}x`, 'up']);
    range = await freeTestRange();
  });
  after(async () => {
    for (const network of made) await docker('network', 'rm', network).catch(() => undefined);
    execFileSync('ip', ['link', 'del', parent]);
  });

  const flags = (network: string, driver: string, subnet = range.subnet) => [
    ...['--only', 'network', '--hosts', ownAddress, '--shared', '/srv/shared', '--image', imageUnderTest()],
    ...['--network', network, '--network-driver', driver, '--subnet', subnet],
  ];
  const newNetwork = () => {
    const network = uniqueName('mesos-jupyter-hosts');
    made.push(network);
    return network;
  };
  const factsOf = (stdout: string) =>
    Object.fromEntries((JSON.parse(stdout) as Report).facts.map((fact) => [fact.subject, fact]));

  it('gets a bridge, once, and a container at a fixed address', async () => {
    const network = newNetwork();
    const first = await runProgram(['host', 'prepare', ...flags(network, 'bridge'), '--apply']);
    assert.equal(first.status, 0, first.stdout + first.stderr);
    assert.match(first.stdout, /good +address +a container had the address [\d.]+, and this host reached it/);
    const second = await runProgram(['host', 'prepare', ...flags(network, 'bridge'), '--apply']);
    assert.equal(second.status, 0, second.stdout + second.stderr);
    assert.match(second.stdout, /Nothing is to be done/);
    assert.equal(await docker('ps', '--all', '--quiet', '--filter', `network=${network}`), '');
    const other = await runProgram([
      'host',
      'prepare',
      ...flags(network, 'macvlan'),
      '--network-parent',
      parent,
      '--apply',
    ]);
    assert.equal(other.status, 3);
    assert.match(other.stderr, /HOST_WAITS: network: .*its driver is bridge, not macvlan/);
    await docker('network', 'rm', network);
  });

  it('is not cut off by a subnet that it is on', async () => {
    const network = newNetwork();
    const subnet = `${ownAddress.split('.').slice(0, 3).join('.')}.0/24`;
    const { status, stderr } = await runProgram([
      'host',
      'prepare',
      ...flags(network, 'bridge', subnet),
      '--apply',
    ]);
    assert.equal(status, 3);
    assert.match(stderr, /would overlap/);
    assert.equal(await docker('network', 'ls', '--quiet', '--filter', `name=${network}`), '');
  });

  it('gets a macvlan on an interface that is there, whose containers it does not reach itself', async () => {
    const network = newNetwork();
    const absent = await runProgram([
      'host',
      'prepare',
      ...flags(network, 'macvlan'),
      '--network-parent',
      'mjnone',
      '--apply',
    ]);
    assert.equal(absent.status, 3);
    assert.match(absent.stderr, /no interface mjnone/);
    const there = [...flags(network, 'macvlan'), '--network-parent', parent];
    const { status, stdout, stderr } = await runProgram(['host', 'prepare', ...there, '--apply']);
    assert.equal(status, 0, stdout + stderr);
    const address = factsOf((await runProgram(['host', 'check', '--json', ...there])).stdout)['address'];
    assert.equal(address?.verdict, 'warning');
    assert.match(address?.says ?? '', /a container had the address [\d.]+, but this host did not reach it/);
  });
});
