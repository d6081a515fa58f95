/**
 * Every captured scenario of a real Mesos, played again: the captured calls go to the embedded master with Docker hosts, and what
 * comes back is compared with what the real one sent, event for event and field for field. What is not compared: `leftOut`.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import { EmbeddedMaster, type MasterOptions } from '../../framework/local/master/master.js';
import { silentLogger } from '../../framework/log.js';
import { makeTinyImage, type TinyImage } from '../local/tiny-image.js';
import {
  createTestNetwork,
  docker,
  removeContainer,
  startContainer,
  type TestNetwork,
  uniqueName,
} from '../support/docker.js';
import { skipElsewhere } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { vectorNames, vectorText } from '../unit/mesos/vectors.js';
import { ask } from './client.js';
import { compare, Names } from './comparison.js';
import { capturedHead, Replay } from './replay.js';

interface Stage {
  readonly replay: Replay;
  readonly master: EmbeddedMaster;
  readonly hosts: readonly EmbeddedHost[];
}

describe('what the embedded Mesos sends is what a real one sent', {
  concurrency: true,
  skip: skipElsewhere('compares the embedded Mesos with captures'),
}, () => {
  let image: TinyImage;
  let network: TestNetwork;
  let workDirectory: string;
  let nextAddress = 10;
  const replayed = new Set<string>();
  let scenarios = 0;

  before(async () => {
    image = makeTinyImage({ hasEntryPoint: false });
    network = await createTestNetwork('mesos-jupyter-captures');
    workDirectory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  });
  after(async () => {
    // Where one has failed or was left out, this would say nothing new.
    if (scenarios === 6)
      assert.deepEqual([...replayed].sort(), vectorNames('.head.txt'), 'every capture is replayed');
    await network?.remove();
    image?.remove();
    if (workDirectory !== undefined) rmSync(workDirectory, { recursive: true, force: true });
  });

  async function onStage(
    options: {
      readonly hosts: number;
      readonly site?: string;
      readonly addresses?: readonly string[];
      readonly headers?: Readonly<Record<string, string>>;
      readonly master?: Partial<MasterOptions>;
    },
    play: (stage: Stage) => Promise<void>,
  ): Promise<void> {
    const master = await EmbeddedMaster.start({
      logger: silentLogger,
      hostname: 'localhost',
      allocationIntervalMs: 250,
      ...options.master,
    });
    const hosts: EmbeddedHost[] = [];
    const replay = new Replay(() => master.url, image.name, options.headers);
    replay.names.learn('calico', network.name);
    for (const address of options.addresses ?? []) {
      replay.names.learn(address, network.address(nextAddress));
      nextAddress += 1;
    }
    try {
      for (let number = 1; number <= options.hosts; number += 1) {
        hosts.push(
          await EmbeddedHost.start({
            master,
            name: `host-${number}`,
            resources: { cpus: 2, memMb: 4096, diskMb: 10_000 },
            attributes: { rack: `r${number}`, gluster: 'true', site: options.site ?? 'lab' },
            workDirectory: mkdtempSync(join(workDirectory, 'host-')),
            logger: silentLogger,
          }),
        );
      }
      await play({ replay, master, hosts });
      replay.finish();
      for (const name of replay.replayed) replayed.add(name);
      scenarios += 1;
    } finally {
      replay.close();
      for (const host of hosts) await host.stop();
      await master.stop();
    }
  }

  const hostOf = (hosts: readonly EmbeddedHost[], name: string): EmbeddedHost => {
    const host = hosts.find((one) => one.name === name);
    assert.ok(host !== undefined);
    return host;
  };

  test('01 to 16: one life, from subscription to a completed framework', () =>
    onStage(
      { hosts: 2, site: '北京', addresses: ['198.51.100.100', '198.51.100.101'] },
      async ({ replay, hosts }) => {
        const first = await replay.subscribe('01-subscribe-json');
        await first.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
        await replay.call('02-call-no-stream');
        await replay.call('02-call-wrong-stream', { 'Mesos-Stream-Id': 'not-the-stream' });
        await replay.call('02-call-unknown-framework', first.headers);
        const json = { 'Content-Type': 'application/json', ...first.headers };
        await replay.exchange('02-call-malformed-json', '/api/v1/scheduler', '{"type": "REVI', json);
        await first.call('02-call-missing-field');
        await replay.call('02-call-bad-content-type', { ...first.headers, 'Content-Type': 'text/plain' });
        await replay.exchange(
          '16-subscribe-with-stream-id',
          '/api/v1/scheduler',
          replay.body('01-subscribe-json'),
          json,
        );

        // Unacknowledged for 10 s: it is sent again, with the same uuid, and the next is held back.
        first.holdAcknowledgements();
        await first.accept('03-accept');
        await first.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_STARTING');
        await first.acknowledge();
        await first.see('UPDATE TASK_RUNNING', 'UPDATE TASK_RUNNING');

        await first.accept('04-accept-used-offer');
        await first.see('UPDATE TASK_DROPPED');
        await first.seeFreshOffers();
        await first.accept('04-accept-too-much');
        await first.see('UPDATE TASK_ERROR');
        await first.call('05-reconcile-explicit');
        await first.see('UPDATE TASK_RUNNING', 'UPDATE TASK_UNKNOWN');
        await first.call('06-reconcile-implicit');
        await first.see('UPDATE TASK_RUNNING', 'OFFERS');
        await first.call('07-kill-wrong-agent');
        await first.call('07-kill-unknown');
        await first.see('UPDATE TASK_UNKNOWN');
        await first.call('08-suppress');
        await first.seeFreshOffers();

        await first.accept('09-accept-address-taken');
        await first.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_FAILED');
        await first.seeFreshOffers();
        await first.accept('09-accept-unhealthy');
        await first.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'UPDATE TASK_RUNNING', 'OFFERS');
        await first.see('UPDATE TASK_RUNNING', 'UPDATE TASK_KILLING', 'UPDATE TASK_KILLED');
        await first.seeFreshOffers();
        await first.accept('09-accept-to-be-killed-outside');
        await first.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING');
        first.holdAcknowledgements();
        await docker('kill', hostOf(hosts, 'host-2').containerNameOf('node1.d78b20d9'));
        await first.see('UPDATE TASK_FAILED');

        const second = await replay.subscribe('10-resubscribe-protobuf');
        second.holdAcknowledgements();
        await first.see('ERROR');
        await first.ended;
        await second.see('SUBSCRIBED', 'HEARTBEAT', 'UPDATE TASK_FAILED', 'OFFERS');
        await first.call('11-call-old-stream');
        await second.call('12-reconcile-protobuf');
        await second.seeInAnyOrder('UPDATE TASK_FAILED', 'UPDATE TASK_RUNNING');
        await second.call('12-kill');
        await second.see('UPDATE TASK_KILLING', 'UPDATE TASK_FAILED', 'UPDATE TASK_KILLING', 'OFFERS');
        second.finish();
        second.close();

        const third = await replay.subscribe('13-resubscribe-json');
        await third.see('SUBSCRIBED', 'HEARTBEAT');
        await third.seeInAnyOrder('UPDATE TASK_KILLING', 'UPDATE TASK_FAILED');
        await third.see('UPDATE TASK_KILLED', 'OFFERS');
        await third.call('14-teardown');
        await third.ended;
        const refused = await replay.subscribe('15-subscribe-completed-framework');
        await refused.see('ERROR');
        await refused.ended;
      },
    ));

  test('20 to 28: a Mesos agent killed and back, maintenance, a master that forgets', () =>
    onStage(
      {
        hosts: 2,
        site: '北京',
        addresses: ['198.51.100.100', '198.51.100.101'],
        master: { pingIntervalMs: 500, maxMissedPings: 3 },
      },
      async ({ replay, master, hosts }) => {
        const stream = await replay.subscribe('20-faults-json');
        await stream.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
        await stream.accept('21-accept');
        await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'OFFERS');
        await stream.seeFreshOffers();
        hostOf(hosts, 'host-1').disconnect();
        await stream.see('RESCIND', 'UPDATE TASK_UNREACHABLE', 'FAILURE');
        hostOf(hosts, 'host-1').reconnect();
        await stream.see('UPDATE TASK_RUNNING', 'OFFERS');
        await stream.seeFreshOffers(2);
        await stream.accept('22-accept', 30);
        await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING');
        const window = {
          machine_ids: [{ hostname: 'host-2', ip: '127.0.0.1' }],
          unavailability: unavailabilityOf('20-faults-json'),
        };
        const scheduled = await ask(
          'POST',
          `${master.url}/maintenance/schedule`,
          {},
          JSON.stringify({ windows: [window] }),
        );
        assert.equal(scheduled.status, 200);
        await stream.see('RESCIND', 'OFFERS', 'INVERSE_OFFERS');
        await stream.seeFreshOffers();
        await stream.call('23-accept-inverse');
        await stream.see('INVERSE_OFFERS');

        await master.restart({ keepRegistry: false });
        await stream.ended;
        await waitFor('the hosts to register again', 20_000, () => master.core.hosts.size === 2);
        const again = await replay.subscribe('24-after-master-restart');
        await again.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
        await again.call('25-reconcile-early');
        await again.see('UPDATE TASK_RUNNING', 'UPDATE TASK_RUNNING');
        await again.call('26-reconcile-late');
        await again.seeInAnyOrder('UPDATE TASK_RUNNING', 'UPDATE TASK_RUNNING');
        const answer = await ask('GET', `${master.url}/master/state`);
        assert.equal(answer.status, 200);
        const state = (text: string): unknown => sorted(JSON.parse(text));
        // Known difference: there is no build to tell of.
        assert.match(answer.body, /"build_date":"","build_time":0,"build_user":""/);
        replay.names.learn('sleeper:1', image.name);
        compare(state(vectorText('27-master-state.json')), state(answer.body), replay.names, 'state');
        await again.call('28-teardown');
        await again.ended;
      },
    ));

  test('30 to 35: an address that is taken, and the words of Docker in the sandbox', () =>
    onStage({ hosts: 2, site: '北京', addresses: ['198.51.100.100'] }, async ({ replay, hosts }) => {
      const squatter = uniqueName('mesos-jupyter-squatter');
      const address = replay.names.translate('198.51.100.100');
      await startContainer(squatter, ['--net', network.name, '--ip', address], image.name);
      try {
        const stream = await replay.subscribe('30-sandbox-json');
        await stream.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
        await stream.accept('31-accept');
        await stream.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_FAILED');
        for (const name of ['32-files-browse', '33-files-read-size', '33-files-read', '34-files-missing']) {
          const text = vectorText(`${name}.head.txt`);
          const path = /^GET [\d.:]+(\S+)/.exec(text)?.[1] ?? '';
          const answer = await ask('GET', `${hostOf(hosts, 'host-2').url}${replay.names.translate(path)}`);
          replay.compareHead(name, answer, false);
          const theirs = capturedHead(name).body;
          if (theirs === '') assert.equal(answer.body, '', name);
          else compare(JSON.parse(theirs), JSON.parse(answer.body), replay.names, 'files');
          if (name === '33-files-read') {
            const { data } = JSON.parse(answer.body) as { data: string };
            assert.match(data, /^docker: Error response from daemon: .*Address already in use/m);
            assert.match(data, /Container exited with status 125\n/);
            // Known difference: the executor's notes are fewer here, and without the source's line.
            assert.match(theirs, /exec\.cpp:\d+\] Version/);
            assert.doesNotMatch(data, /\.cpp:\d+\]/);
          }
        }
        await replay.call('35-teardown', stream.headers);
        await stream.ended;
      } finally {
        await removeContainer(squatter);
      }
    }));

  test('40 to 47: a master that asks for credentials', () =>
    onStage(
      {
        hosts: 0,
        headers: basic('jupyter:secret'),
        master: { credentials: { jupyter: 'secret' }, forbiddenRoles: ['other'] },
      },
      async ({ replay }) => {
        await replay.call('40-subscribe-no-credentials', { Authorization: '' });
        await replay.call('41-subscribe-wrong-secret', basic('jupyter:wrong'));
        await replay.call('42-subscribe-other-principal');
        const forbidden = await replay.subscribe('43-subscribe-forbidden-role');
        await forbidden.see('ERROR');
        await forbidden.ended;
        const stream = await replay.subscribe('44-subscribe-authenticated');
        await stream.see('SUBSCRIBED', 'HEARTBEAT');
        await replay.call('45-call-no-credentials', { ...stream.headers, Authorization: '' });
        await stream.call('46-call-authenticated');
        await stream.call('47-teardown');
        await stream.ended;
      },
    ));

  test('50 to 66: how tasks end, a Mesos agent drained, and marked gone', () =>
    onStage({ hosts: 2, addresses: ['198.51.100.110', '198.51.100.111'] }, async ({ replay }) => {
      const stream = await replay.subscribe('50-operator-json');
      await stream.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
      await stream.accept('51-accept-traps-term');
      await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'OFFERS');
      await stream.seeFreshOffers();
      await stream.accept('52-accept-same-task-id');
      await stream.see('UPDATE TASK_ERROR');
      await stream.call('53-kill');
      await stream.see('UPDATE TASK_KILLING', 'UPDATE TASK_KILLED');
      await stream.seeFreshOffers();
      await stream.accept('54-accept-exits-0');
      await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'OFFERS', 'UPDATE TASK_FINISHED');
      await stream.seeFreshOffers();
      await stream.accept('55-accept-exits-71');
      await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'OFFERS', 'UPDATE TASK_FAILED');
      await stream.seeFreshOffers();
      await stream.accept('56-accept-out-of-memory');
      await stream.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_RUNNING', 'UPDATE TASK_FAILED');
      await stream.seeFreshOffers();
      await stream.accept('57-accept-no-such-image');
      await stream.see('UPDATE TASK_FAILED');
      await stream.seeFreshOffers();
      await stream.accept('58-accept-no-such-network');
      await stream.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_FAILED');
      await stream.seeFreshOffers();
      await stream.accept('60-accept', 30);
      await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING');
      await replay.call('61-drain-agent', {}, '/api/v1');
      await stream.see('UPDATE TASK_KILLING', 'UPDATE TASK_KILLED');
      await replay.call('62-reactivate-agent', {}, '/api/v1');
      await stream.seeFreshOffers();
      await stream.accept('63-accept', 30);
      await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING');
      await replay.call('64-mark-agent-gone', {}, '/api/v1');
      await stream.see('UPDATE TASK_GONE_BY_OPERATOR', 'FAILURE');
      await stream.call('65-reconcile');
      await stream.see('UPDATE TASK_GONE_BY_OPERATOR', 'UPDATE TASK_UNKNOWN');
      await stream.call('66-teardown');
      await stream.ended;
    }));

  test('70 to 74: ends that prove nothing, after which the container is still there', () =>
    onStage({ hosts: 1, addresses: ['198.51.100.110'] }, async ({ replay, hosts }) => {
      const host = hostOf(hosts, 'host-1');
      const stream = await replay.subscribe('70-deaths-json');
      await stream.see('SUBSCRIBED', 'HEARTBEAT', 'OFFERS');
      const deaths = [
        ['71-docker-client-killed', 'node0.cb811012', (task: string) => host.killDockerClient(task)],
        ['72-executor-killed', 'node0.95fa2612', (task: string) => host.killExecutor(task)],
        ['73-executor-terminated', 'node0.883aed62', (task: string) => host.killExecutor(task)],
      ] as const;
      for (const [name, task, kill] of deaths) {
        if (name !== '71-docker-client-killed') await stream.seeFreshOffers();
        await stream.accept(name);
        // Where the offer stands among the updates is not compared, but the script follows the capture.
        if (name === '71-docker-client-killed')
          await stream.see('UPDATE TASK_STARTING', 'OFFERS', 'UPDATE TASK_RUNNING');
        else await stream.see('UPDATE TASK_STARTING', 'UPDATE TASK_RUNNING', 'OFFERS');
        const container = host.containerNameOf(task);
        kill(task);
        await stream.see('UPDATE TASK_FAILED', 'OFFERS');
        assert.equal(await docker('inspect', '-f', '{{.State.Running}}', container), 'true');
        await removeContainer(container);
      }
      await stream.call('74-teardown');
      await stream.ended;
    }));

  test('a comparison finds what differs: a field more, a field less, another value, another name', () => {
    const names = new Names();
    const status = { task_id: { value: 'a' }, state: 'TASK_RUNNING', uuid: 'x', timestamp: 1 };
    compare(status, { ...status, uuid: 'y', timestamp: 2 }, names, 'event.update.status');
    assert.throws(() => compare(status, { ...status, healthy: true }, names, 'event'), /the fields of event/);
    assert.throws(() => compare(status, { state: 'TASK_RUNNING' }, names, 'event'), /the fields of event/);
    assert.throws(() => compare(status, { ...status, state: 'TASK_FAILED' }, names, 'event'), /event.state/);
    assert.throws(
      () => compare(status, { ...status, uuid: 'z' }, names, 'event'),
      /x of the capture is y here/,
    );
    assert.throws(
      () => compare(status, { ...status, uuid: 'y', timestamp: '2' }, names, 'event'),
      /type of its value/,
    );
  });
});

const basic = (credentials: string) => ({
  Authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
});

/** Of the first inverse offer of a captured stream. */
function unavailabilityOf(name: string): unknown {
  const line = vectorText(`${name}.events.jsonl`)
    .split('\n')
    .find((text) => text.includes('"INVERSE_OFFERS"'));
  const event = JSON.parse(line ?? '{}') as {
    inverse_offers: { inverse_offers: { unavailability: unknown }[] };
  };
  return event.inverse_offers.inverse_offers[0]?.unavailability;
}

/** /state lists hosts and offers in no order of its own: by host here. */
function sorted(state: {
  slaves: { hostname: string; id: string }[];
  frameworks: { tasks: { id: string }[]; offers: { slave_id: string }[] }[];
}): unknown {
  const place = new Map(state.slaves.map(({ id, hostname }) => [id, hostname]));
  state.slaves.sort((a, b) => (a.hostname < b.hostname ? -1 : 1));
  for (const { tasks, offers } of state.frameworks) {
    tasks.sort((a, b) => (a.id < b.id ? -1 : 1));
    offers.sort((a, b) => ((place.get(a.slave_id) ?? '') < (place.get(b.slave_id) ?? '') ? -1 : 1));
  }
  return state;
}
