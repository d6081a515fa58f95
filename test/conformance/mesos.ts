/**
 * The Mesos that the suite runs against: one at an address, or an embedded one with two Docker hosts. What the environment says:
 *
 * | variable | meaning |
 * | --- | --- |
 * | MESOS_MASTER | `http://host:port` of the leading master; without it an embedded one is started |
 * | MESOS_JUPYTER_TEST_ROLE | role of the frameworks; `*` by default |
 * | MESOS_JUPYTER_TEST_IMAGE | image with `/bin/sh` and `sleep` that the hosts have or can pull; a tiny one is made on this machine by default |
 * | MESOS_JUPYTER_TEST_NETWORK | Docker network of the hosts; one is made on this machine by default |
 * | MESOS_JUPYTER_TEST_ADDRESSES | two free addresses of that network, with a comma between |
 * | MESOS_JUPYTER_TEST_PRINCIPAL, MESOS_JUPYTER_TEST_SECRET | credentials, where the master asks for them |
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster, type MasterOptions } from '../../framework/local/master/master.js';
import { silentLogger } from '../../framework/log.js';
import { makeTinyImage } from '../local/tiny-image.js';
import { createTestNetwork } from '../support/docker.js';
import { givenMesos, testSetting } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import type { Headers } from './client.js';

export interface TestMesos {
  readonly master: string;
  readonly headers: Headers;
  readonly principal: string | undefined;
  readonly role: string;
  readonly image: string;
  readonly network: string;
  /** Of the network, free; none where the environment names the network, and no addresses. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

export interface EmbeddedMesos extends TestMesos {
  readonly embedded: { readonly master: EmbeddedMaster; readonly hosts: readonly EmbeddedHost[] };
}

/** What the tasks of a test file need on this machine. */
export interface Ground {
  readonly image: string;
  readonly network: string;
  readonly addresses: readonly string[];
  remove(): Promise<void>;
}

export async function makeGround(): Promise<Ground> {
  const tiny = testSetting('IMAGE') === undefined ? makeTinyImage() : undefined;
  const made =
    testSetting('NETWORK') === undefined ? await createTestNetwork('mesos-jupyter-conformance') : undefined;
  return {
    image: testSetting('IMAGE') ?? tiny?.name ?? '',
    network: testSetting('NETWORK') ?? made?.name ?? '',
    // High ones: Docker gives the low ones to whoever asks for none.
    addresses:
      made === undefined
        ? (testSetting('ADDRESSES')?.split(',') ?? [])
        : [made.address(60), made.address(61)],
    async remove() {
      // A real Mesos agent takes a few seconds to end the containers of a framework that is torn down.
      if (made !== undefined)
        await waitFor('the test network to be free', 30_000, () => made.remove().then(() => true));
      tiny?.remove();
    },
  };
}

export async function openMesos(ground: Ground): Promise<TestMesos> {
  if (givenMesos === undefined) return startEmbedded(ground);
  const [principal, secret] = [testSetting('PRINCIPAL'), testSetting('SECRET')];
  return {
    ...ground,
    master: givenMesos.master,
    headers: principal === undefined ? {} : basic(principal, secret ?? ''),
    principal,
    role: testSetting('ROLE') ?? '*',
    close: async () => {},
  };
}

export const basic = (principal: string, secret: string): Headers => ({
  Authorization: `Basic ${Buffer.from(`${principal}:${secret}`).toString('base64')}`,
});

/** With an allocator and heartbeats that are quicker than Mesos' own. */
export async function startEmbedded(
  ground: Ground,
  options: { readonly master?: Partial<MasterOptions>; readonly hosts?: number } = {},
): Promise<EmbeddedMesos> {
  const workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const master = await EmbeddedMaster.start({
    logger: silentLogger,
    allocationIntervalMs: 250,
    heartbeatMs: 5000,
    ...options.master,
  });
  const hosts: EmbeddedHost[] = [];
  for (let number = 1; number <= (options.hosts ?? 2); number += 1) {
    hosts.push(
      await EmbeddedHost.start({
        master,
        name: `host-${number}`,
        resources: { cpus: 8, memMb: 8192, diskMb: 10_000 },
        attributes: { rack: `r${number}` },
        workDirectory: join(workDirectory, String(number)),
        logger: silentLogger,
      }),
    );
  }
  return {
    ...ground,
    master: master.url,
    headers: {},
    principal: undefined,
    role: testSetting('ROLE') ?? '*',
    embedded: { master, hosts },
    async close() {
      for (const host of hosts) await host.stop();
      await master.stop();
      rmSync(workDirectory, { recursive: true, force: true });
    },
  };
}
