/**
 * What any Mesos 1.12 does for a scheduler of the v1 API, over JSON and over protobuf: against the master that MESOS_MASTER names
 * (the other variables stand in mesos.ts), or an embedded one. It assumes neither that it is alone at the master nor that the master is ours.
 * Numbers in names are those of the captures in test/vectors/; "source" cites a file of Apache Mesos.
 */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Call, Offer, TaskStatus } from '../../framework/mesos/schema/codec.js';
import { docker, logsOf } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { vectorText } from '../unit/mesos/vectors.js';
import { type Answer, ask, type Codec, codecs, encoded, type Headers, Subscription } from './client.js';
import { type Ground, makeGround, openMesos, type TestMesos } from './mesos.js';
import { capturedHead } from './replay.js';
import { amountOf, frameworkInfo, Scheduler, subscribeCall } from './scheduler.js';

/** Whether the container is on this machine's Docker. */
const isHere = (container: string): Promise<boolean> =>
  docker('inspect', container).then(
    () => true,
    () => false,
  );

describe('a Mesos master', { concurrency: true }, () => {
  let ground: Ground;
  let mesos: TestMesos;

  before(async () => {
    ground = await makeGround();
    mesos = await openMesos(ground);
  });
  after(async () => {
    await mesos?.close();
    await ground?.remove();
  });

  for (const [number, codec] of codecs.entries()) {
    const words = codec === 'application/json' ? 'JSON' : 'protobuf';
    describe(`over ${words}`, { concurrency: true }, () => {
      /** The one that launches what most tests need. */
      let main: Scheduler;
      const others: Scheduler[] = [];

      before(async () => {
        main = await Scheduler.subscribe(mesos, { codec });
        await main.subscription.type('SUBSCRIBED');
      });
      after(async () => {
        for (const scheduler of [main, ...others]) await scheduler?.teardown();
      });

      /** One without offers, for what needs a framework and no tasks. */
      async function idle(): Promise<Scheduler> {
        const scheduler = await Scheduler.subscribe(mesos, { codec, isSuppressed: true });
        others.push(scheduler);
        await scheduler.subscription.type('SUBSCRIBED');
        return scheduler;
      }

      const address = (t: TestContext): string | undefined => {
        const found = mesos.addresses[number];
        if (found === undefined) t.skip('MESOS_JUPYTER_TEST_ADDRESSES names no address for this codec');
        return found;
      };

      /** A JSON answer shows the default of an address's protocol, protobuf leaves it unset (01, 10). */
      const ipAddress = (ip: string) => ({
        ...(codec === 'application/json' ? { protocol: 'IPv4' } : {}),
        ip_address: ip,
      });

      const executorStatus = [
        'agent_id',
        'container_status',
        'executor_id',
        'source',
        'state',
        'task_id',
        'timestamp',
        'uuid',
      ];
      const fields = (status: TaskStatus) => Object.keys(status).sort();

      // ---- Subscription ----

      test('answers SUBSCRIBE with a stream id, and sends SUBSCRIBED and HEARTBEAT first (01, 10)', async () => {
        const { subscription } = await idle();
        assert.match(subscription.streamId, /^[0-9a-f-]{36}$/);
        assert.equal(subscription.headers['content-type'], codec);
        assert.equal(subscription.headers['transfer-encoding'], 'chunked');
        await subscription.type('HEARTBEAT');
        assert.deepEqual(subscription.events.map((event) => event.type).slice(0, 2), [
          'SUBSCRIBED',
          'HEARTBEAT',
        ]);
        const { subscribed } = await subscription.type('SUBSCRIBED');
        assert.deepEqual(Object.keys(subscribed).sort(), [
          'framework_id',
          'heartbeat_interval_seconds',
          'master_info',
        ]);
        assert.match(subscribed.framework_id.value, /^[0-9a-f-]{36}-\d{4,}$/);
        const info = subscribed.master_info;
        const { ip = '', port } = info?.address ?? {};
        assert.deepEqual(
          [info?.ip, info?.port],
          [ip.split('.').reduceRight((sum, part) => sum * 256 + Number(part), 0), port],
        );
        assert.equal(info?.pid, `master@${ip}:${port}`);
        for (const field of ['id', 'hostname', 'version', 'capabilities'] as const)
          assert.ok(info?.[field] !== undefined, field);
      });

      test('keeps sending HEARTBEAT at the interval that SUBSCRIBED names (FACTS, scheduler API 1)', async () => {
        const { subscription } = await idle();
        const { subscribed } = await subscription.type('SUBSCRIBED');
        const everyMs = (subscribed.heartbeat_interval_seconds ?? 0) * 1000;
        await subscription.type('HEARTBEAT');
        const first = performance.now();
        await subscription.until(
          'a second HEARTBEAT',
          (events) => events.filter((event) => event.type === 'HEARTBEAT').length > 1 || undefined,
        );
        const elapsed = performance.now() - first;
        assert.ok(
          elapsed > everyMs * 0.8 && elapsed < everyMs * 1.5 + 1000,
          `${elapsed} ms for ${everyMs} ms`,
        );
      });

      test('answers a SUBSCRIBE of one codec with a stream of the other, where Accept asks for it (FACTS, real master 1)', async () => {
        const other = codecs.find((one) => one !== codec) as Codec;
        const subscription = await Subscription.open({
          master: mesos.master,
          call: subscribeCall(frameworkInfo(mesos), [mesos.role]),
          codec,
          accept: other,
          headers: mesos.headers,
        });
        assert.equal(subscription.headers['content-type'], other);
        await subscription.type('SUBSCRIBED');
        assert.equal((await subscription.call({ type: 'REVIVE' })).status, 202);
        await subscription.call({ type: 'TEARDOWN' });
        subscription.close();
      });

      // ---- Refusals ----

      test('refuses what is no proper call, with the status and the words of the captures (02, 16)', async () => {
        const { subscription, info } = await idle();
        const url = `${mesos.master}/api/v1/scheduler`;
        const id = { value: subscription.frameworkId };
        const post = (call: Call | string, headers: Headers) =>
          ask(
            'POST',
            url,
            { ...mesos.headers, 'Content-Type': codec, ...headers },
            typeof call === 'string' ? call : encoded(call, codec),
          );
        const stream = { 'Mesos-Stream-Id': subscription.streamId };
        const revive: Call = { type: 'REVIVE', framework_id: id };
        const noBody = { type: 'ACCEPT', framework_id: id } as unknown as Call;
        const captureId = 'f13aad64-56e0-4c00-9ccb-a52a91a107b8-0000';
        const answers: [string, Answer][] = [
          ['02-call-no-stream', await post(revive, {})],
          ['02-call-wrong-stream', await post(revive, { 'Mesos-Stream-Id': 'not-the-stream' })],
          [
            '02-call-unknown-framework',
            await post({ type: 'REVIVE', framework_id: { value: 'nobody' } }, stream),
          ],
          ['02-call-missing-field', await post(noBody, stream)],
          ['02-call-bad-content-type', await post(revive, { ...stream, 'Content-Type': 'text/plain' })],
          [
            '16-subscribe-with-stream-id',
            await post(subscribeCall(frameworkInfo(mesos)), { ...stream, Accept: codec }),
          ],
        ];
        if (codec === 'application/json')
          answers.push(['02-call-malformed-json', await post('{"type": "REVI', stream)]);
        for (const [name, answer] of answers) {
          const theirs = capturedHead(name);
          assert.deepEqual(
            [answer.status, answer.headers['content-type'], answer.body],
            [theirs.status, theirs.headers.get('content-type'), theirs.body.replaceAll(captureId, id.value)],
            name,
          );
        }
        assert.equal((await post(revive, stream)).status, 202);
        // source: src/master/http.cpp, Master::Http::scheduler
        assert.equal((await ask('GET', url, mesos.headers)).status, 405);
        assert.equal((await post(subscribeCall(info), { Accept: 'text/html' })).status, 406);
        if (codec === 'application/x-protobuf') {
          const garbage = await post('\u0007garbage', stream);
          assert.deepEqual([garbage.status, garbage.body], [400, 'Failed to parse body into Call protobuf']);
        }
      });

      // ---- Offers ----

      test("offers what a Mesos agent has free, with the agent's address and the role (01)", async () => {
        const offer = await anOffer();
        for (const field of [
          'id',
          'framework_id',
          'agent_id',
          'hostname',
          'url',
          'resources',
          'allocation_info',
        ] as const)
          assert.ok(offer[field] !== undefined, field);
        assert.equal(offer.framework_id.value, main.id);
        assert.deepEqual(offer.allocation_info, { role: mesos.role });
        assert.deepEqual([offer.url?.scheme, offer.url?.path], ['http', '/slave(1)']);
        assert.equal(offer.url?.address.hostname, offer.hostname);
        assert.ok(offer.url?.address.ip !== undefined && offer.url.address.port > 0);
        for (const resource of offer.resources ?? []) {
          assert.deepEqual(resource.allocation_info, { role: mesos.role });
          assert.equal(resource.role, '*');
        }
        assert.ok(amountOf(offer, 'cpus') > 0 && amountOf(offer, 'mem') > 0);
      });

      /** One that the main framework had, whatever became of it. */
      async function anOffer(): Promise<Offer> {
        return (await launched()).offer as Offer;
      }

      const launched = () => main.launch({ script: 'exec sleep 3600' });

      test('filters what was declined, forgets the filters for REVIVE, and offers nothing after SUPPRESS (08; FACTS, scheduler API 5)', async () => {
        const scheduler = await Scheduler.subscribe(mesos, { codec, keepsOffers: true });
        others.push(scheduler);
        const first = await scheduler.offer();
        const agentId = first.agent_id.value;
        const declined = performance.now();
        await scheduler.decline(2);
        const second = await scheduler.offer(agentId);
        // A filter holds back no offer of more than was declined: a task may have ended there.
        const isMore = ['cpus', 'mem'].some((name) => amountOf(second, name) > amountOf(first, name));
        assert.ok(isMore || performance.now() - declined > 1900, 'offered again before the filter ran out');
        await scheduler.decline(3600);
        assert.equal((await scheduler.subscription.call({ type: 'REVIVE' })).status, 202);
        await scheduler.offer(agentId);
        assert.equal((await scheduler.subscription.call({ type: 'SUPPRESS' })).status, 202);
        // Whatever was on its way when SUPPRESS came is there by the answer to a reconciliation, and is given back.
        await scheduler.reconcile([{ id: 'a-look-around' }]);
        await unknown(scheduler, 'a-look-around');
        await scheduler.decline(0);
        const seen = scheduler.subscription.events.length;
        const probe = await Scheduler.subscribe(mesos, { codec, keepsOffers: true });
        others.push(probe);
        await probe.offer(agentId);
        await probe.teardown();
        assert.ok(!scheduler.subscription.events.slice(seen).some((event) => event.type === 'OFFERS'));
        await scheduler.subscription.call({ type: 'REVIVE', revive: { roles: [mesos.role] } });
        await scheduler.offer();
        await scheduler.teardown();
      });

      /** The answer for a task that the master does not know. */
      const unknown = (scheduler: Scheduler, id: string) =>
        scheduler.subscription.until(`TASK_UNKNOWN of ${id}`, (events) => {
          for (const event of events)
            if (event.type === 'UPDATE' && event.update.status.task_id.value === id)
              return event.update.status;
          return undefined;
        });

      // ---- Life of a task ----

      test('runs a task: TASK_STARTING with the address of its host, TASK_RUNNING with its own and the inspection (03)', async (t) => {
        const ip = address(t);
        if (ip === undefined) return;
        const task = await main.launch({ script: 'exec sleep 3600', address: ip });
        const starting = await task.next('TASK_STARTING');
        assert.deepEqual(fields(starting), executorStatus);
        assert.equal(starting.source, 'SOURCE_EXECUTOR');
        assert.equal(starting.executor_id?.value, task.id);
        assert.equal(starting.agent_id?.value, task.agentId);
        assert.equal(Buffer.from(starting.uuid ?? '', 'base64').length, 16);
        assert.deepEqual(starting.container_status?.network_infos, [
          { ip_addresses: [ipAddress(task.offer?.url?.address.ip ?? '')] },
        ]);
        const running = await task.next('TASK_RUNNING');
        assert.deepEqual(fields(running), [...executorStatus, 'data'].sort());
        assert.deepEqual(running.container_status, {
          container_id: starting.container_status?.container_id,
          network_infos: [{ ip_addresses: [ipAddress(ip)], name: mesos.network }],
        });
        const [container] = JSON.parse(Buffer.from(running.data ?? '', 'base64').toString('utf8')) as {
          Name: string;
          HostConfig: { NetworkMode: string; Memory: number; CpuShares: number };
        }[];
        assert.equal(container?.Name, `/mesos-${running.container_status?.container_id?.value}`);
        assert.deepEqual(
          [container?.HostConfig.NetworkMode, container?.HostConfig.Memory, container?.HostConfig.CpuShares],
          [mesos.network, 64 * 1024 * 1024, 102],
        );

        // The address is taken now: 09, 30 to 35.
        const late = await main.launch({ script: 'exec sleep 3600', address: ip, agentId: task.agentId });
        await late.next('TASK_STARTING');
        const failed = await late.next('TASK_FAILED');
        assert.deepEqual(fields(failed), [...executorStatus, 'message'].sort());
        assert.deepEqual(
          [failed.message, failed.source],
          ['Container exited with status 125', 'SOURCE_EXECUTOR'],
        );
        const { ip: host, port } = late.offer?.url?.address ?? { port: 0 };
        const directory = `/frameworks/${main.id}/executors/${late.id}/runs/latest`;
        const files = (what: string) => ask('GET', `http://${host}:${port}/files/${what}`, mesos.headers);
        const read = await files(`read?path=${directory}/stderr&offset=0`);
        assert.deepEqual([read.status, read.headers['content-type']], [200, 'application/json']);
        const { data, offset } = JSON.parse(read.body) as { data: string; offset: number };
        assert.equal(offset, 0);
        assert.match(data, /^docker: Error response from daemon: .*Address already in use/m);
        assert.match(data, /Container exited with status 125\n/);
        const size = JSON.parse((await files(`read?path=${directory}/stderr&offset=-1`)).body) as {
          data: string;
          offset: number;
        };
        assert.equal(size.data, '');
        assert.ok(size.offset >= Buffer.byteLength(data));
        const listed = JSON.parse((await files(`browse?path=${directory}`)).body) as { path: string }[];
        assert.deepEqual(listed.map(({ path }) => path).sort(), [
          `${directory}/stderr`,
          `${directory}/stdout`,
        ]);
        assert.equal((await files(`read?path=${directory}/nothing&offset=0`)).status, 404);
      });

      test('sends an update again after 10 s, and holds the next back, until it is acknowledged (01; FACTS, real master 4)', async () => {
        const task = await main.launch({ script: 'exec sleep 3600', holds: true });
        const starting = await task.next('TASK_STARTING');
        await main.subscription.until('TASK_STARTING again', () => task.statuses.length > 1 || undefined);
        assert.deepEqual(task.statuses, [starting, starting]);
        const [first = 0, second = 0] = task.arrivals;
        assert.ok(second - first > 9000 && second - first < 20_000, `after ${second - first} ms`);
        await main.subscription.acknowledge(starting);
        await main.subscription.acknowledge(await task.next('TASK_RUNNING'));
      });

      test('reconciles what is asked, what is unknown, and all (05, 06); ignores a kill with a wrong agent, and answers that of an unknown task (07)', async () => {
        // Of its own: the answers to an implicit reconciliation are about all tasks of a framework.
        const scheduler = await Scheduler.subscribe(mesos, { codec });
        others.push(scheduler);
        const { task, status } = await scheduler.run({ script: 'exec sleep 3600' });
        const wrong = await scheduler.subscription.call({
          type: 'KILL',
          kill: { task_id: { value: task.id }, agent_id: { value: 'nobody' } },
        });
        assert.deepEqual([wrong.status, wrong.body], [202, '']);
        await scheduler.reconcile([{ id: task.id, agentId: task.agentId }, { id: `never-${task.id}` }]);
        const answer = await task.next('TASK_RUNNING');
        const { timestamp, ...rest } = answer;
        assert.ok(typeof timestamp === 'number');
        assert.deepEqual(rest, {
          task_id: { value: task.id },
          state: 'TASK_RUNNING',
          message: 'Reconciliation: Latest task state',
          source: 'SOURCE_MASTER',
          reason: 'REASON_RECONCILIATION',
          agent_id: { value: task.agentId },
          container_status: status.container_status,
        });
        const isUnknown = ({ timestamp: _, ...found }: TaskStatus, id: string) =>
          assert.deepEqual(found, {
            task_id: { value: id },
            state: 'TASK_UNKNOWN',
            message: 'Reconciliation: Task is unknown',
            source: 'SOURCE_MASTER',
            reason: 'REASON_RECONCILIATION',
          });
        isUnknown(await unknown(scheduler, `never-${task.id}`), `never-${task.id}`);
        await scheduler.subscription.call({ type: 'KILL', kill: { task_id: { value: `nor-${task.id}` } } });
        isUnknown(await unknown(scheduler, `nor-${task.id}`), `nor-${task.id}`);
        await scheduler.reconcile([]);
        assert.equal((await task.next('TASK_RUNNING')).reason, 'REASON_RECONCILIATION');
      });

      test('kills with a grace, and tells of TASK_KILLING first (51, 53)', async () => {
        const { task, status } = await main.run({
          script: "trap 'sleep 1; exit 42' TERM; echo ready; while :; do sleep 0.1; done",
          more: { kill_policy: { grace_period: { nanoseconds: 20e9 } } },
        });
        // A container runs before its shell has got so far, and the first process ignores a signal that it has no trap for.
        const container = `mesos-${status.container_status?.container_id?.value}`;
        if (await isHere(container)) {
          await waitFor('the trap', 20_000, async () => (await logsOf(container)).includes('ready'));
        }
        await main.kill(task);
        assert.deepEqual(fields(await task.next('TASK_KILLING')), executorStatus);
        const killed = await task.next('TASK_KILLED');
        assert.deepEqual(fields(killed), [...executorStatus, 'message'].sort());
        assert.deepEqual(
          [killed.message, killed.source],
          ['Container exited with status 42', 'SOURCE_EXECUTOR'],
        );
      });

      for (const [what, script, state, status] of [
        ['0 (54)', 'sleep 2', 'TASK_FINISHED', 0],
        ['71 (55)', 'sleep 2; exit 71', 'TASK_FAILED', 71],
        ['137 for want of memory (56)', 'sleep 2; x=a; while :; do x=$x$x$x; done', 'TASK_FAILED', 137],
      ] as const) {
        test(`tells the exit status of a container: ${what}`, async () => {
          const task = await main.launch({ script });
          await task.next('TASK_STARTING');
          await task.next('TASK_RUNNING');
          const ended = await task.next(state);
          assert.deepEqual(fields(ended), [...executorStatus, 'message'].sort());
          assert.deepEqual(
            [ended.message, ended.source],
            [`Container exited with status ${status}`, 'SOURCE_EXECUTOR'],
          );
        });
      }

      test('kills what fails its health check: TASK_KILLED with healthy false, and no reason (09)', async () => {
        const task = await main.launch({
          script: 'exec sleep 3600',
          more: {
            health_check: {
              type: 'COMMAND',
              command: { shell: true, value: 'false' },
              delay_seconds: 0,
              interval_seconds: 1,
              grace_period_seconds: 0,
              consecutive_failures: 2,
            },
          },
        });
        await task.next('TASK_STARTING');
        await task.next('TASK_RUNNING');
        for (let failure = 0; failure < 2; failure += 1) {
          const status = await task.next('TASK_RUNNING');
          assert.deepEqual(fields(status), [...executorStatus, 'healthy', 'reason'].sort());
          assert.deepEqual(
            [status.healthy, status.reason],
            [false, 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED'],
          );
        }
        await task.next('TASK_KILLING');
        const killed = await task.next('TASK_KILLED');
        assert.deepEqual(fields(killed), [...executorStatus, 'healthy', 'message'].sort());
        assert.deepEqual([killed.healthy, killed.message], [false, 'Container exited with status 137']);
      });

      test('tells health once while it lasts (03), and reconciles with it (05)', async () => {
        const { task } = await main.run({
          script: 'exec sleep 3600',
          more: {
            health_check: {
              type: 'COMMAND',
              command: { shell: true, value: 'true' },
              delay_seconds: 0,
              interval_seconds: 1,
              grace_period_seconds: 1,
            },
          },
        });
        const status = await task.next('TASK_RUNNING');
        assert.deepEqual([status.healthy, status.reason], [true, 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED']);
        await main.reconcile([{ id: task.id, agentId: task.agentId }]);
        const answer = await task.next('TASK_RUNNING');
        assert.deepEqual([answer.healthy, answer.reason], [true, 'REASON_RECONCILIATION']);
      });

      test('tells at once of a container that is killed from outside: status 137 (09)', async (t) => {
        const { task, status } = await main.run({ script: 'exec sleep 3600' });
        const container = `mesos-${status.container_status?.container_id?.value}`;
        if (!(await isHere(container))) {
          t.skip("the container is not on this machine's Docker");
          return;
        }
        await docker('kill', container);
        const ended = await task.next('TASK_FAILED');
        assert.deepEqual(
          [ended.message, ended.source, ended.reason],
          ['Container exited with status 137', 'SOURCE_EXECUTOR', undefined],
        );
      });

      test('fails a task whose image cannot be pulled (57)', async () => {
        const task = await main.launch({
          script: 'true',
          more: { container: main.container('127.0.0.1:1/no-such-image:1', mesos.network) },
        });
        const failed = await task.next('TASK_FAILED');
        assert.deepEqual(
          fields(failed),
          [...executorStatus.filter((field) => field !== 'container_status'), 'message', 'reason'].sort(),
        );
        assert.deepEqual([failed.source, failed.reason], ['SOURCE_AGENT', 'REASON_CONTAINER_LAUNCH_FAILED']);
        assert.match(
          failed.message ?? '',
          /^Failed to launch container: Failed to run 'docker .* pull 127\.0\.0\.1:1\/no-such-image:1': exited with status 1; stderr='/,
        );
      });

      test('fails a task whose network is not there (58)', async () => {
        const task = await main.launch({
          script: 'true',
          more: { container: main.container(mesos.image, 'no-such-network') },
        });
        await task.next('TASK_STARTING');
        const failed = await task.next('TASK_FAILED');
        assert.deepEqual(
          [failed.message, failed.source, failed.reason],
          ['Container exited with status 125', 'SOURCE_EXECUTOR', undefined],
        );
      });

      // ---- Launches refused ----

      test('drops a launch on a used offer (04), refuses one that is too large (04), and an id that is in use (52): with nothing to acknowledge', async () => {
        const scheduler = await Scheduler.subscribe(mesos, { codec, keepsOffers: true });
        others.push(scheduler);
        const offer = await scheduler.offer();
        const launch = { script: 'exec sleep 3600' };
        const running = scheduler.expect(launch);
        await scheduler.accept([offer], [scheduler.taskInfo(running.id, offer, launch)]);
        const refused = ['agent_id', 'message', 'reason', 'source', 'state', 'task_id', 'timestamp'];

        const late = scheduler.expect(launch);
        await scheduler.accept([offer], [scheduler.taskInfo(late.id, offer, launch)]);
        const dropped = await late.next('TASK_DROPPED');
        assert.deepEqual(fields(dropped), refused);
        assert.deepEqual(
          [dropped.source, dropped.reason, dropped.message],
          [
            'SOURCE_MASTER',
            'REASON_INVALID_OFFERS',
            `Task launched with invalid offers: Offer ${offer.id.value} is no longer valid`,
          ],
        );

        const next = await scheduler.offer(offer.agent_id.value);
        const big = scheduler.expect(launch);
        const info = scheduler.taskInfo(big.id, next, launch);
        const [cpus, mem] = info.resources ?? [];
        await scheduler.accept(
          [next],
          [
            {
              ...info,
              resources: [
                ...(cpus === undefined ? [] : [{ ...cpus, scalar: { value: 100_000 } }]),
                ...(mem === undefined ? [] : [mem]),
              ],
            },
          ],
        );
        const error = await big.next('TASK_ERROR');
        assert.deepEqual(fields(error), refused);
        assert.deepEqual([error.source, error.reason], ['SOURCE_MASTER', 'REASON_TASK_INVALID']);
        const allocated = `(allocated: ${mesos.role})`;
        assert.ok(
          error.message?.startsWith(
            `Total resources cpus${allocated}:100000; mem${allocated}:64 required by task and its executor is more than available `,
          ),
          error.message,
        );

        await running.next('TASK_STARTING');
        await running.next('TASK_RUNNING');
        const third = await scheduler.offer(offer.agent_id.value);
        await scheduler.accept([third], [scheduler.taskInfo(running.id, third, launch)]);
        const duplicate = await running.next('TASK_ERROR');
        assert.deepEqual(fields(duplicate), refused);
        assert.deepEqual(
          [duplicate.source, duplicate.reason, duplicate.message],
          ['SOURCE_MASTER', 'REASON_TASK_INVALID', `Task has duplicate ID: ${running.id}`],
        );
        await scheduler.teardown();
      });

      // ---- Frameworks come and go ----

      test('hands a framework over to its next subscription, with the updates that wait (10, 11)', async () => {
        const first = await Scheduler.subscribe(mesos, { codec });
        others.push(first);
        const task = await first.launch({ script: 'exec sleep 3600', holds: true });
        const starting = await task.next('TASK_STARTING');
        const second = await Scheduler.subscribe(mesos, {
          codec,
          info: { ...first.info, id: { value: first.id } },
          isSuppressed: true,
        });
        others.push(second);
        await second.subscription.type('SUBSCRIBED');
        assert.equal(second.id, first.id);
        assert.equal((await first.subscription.type('ERROR')).error.message, 'Framework failed over');
        await first.subscription.ended;
        const again = await second.subscription.until('the update that waits', (events) => {
          for (const event of events) if (event.type === 'UPDATE') return event.update.status;
          return undefined;
        });
        assert.deepEqual(again, starting);
        const old = await first.subscription.call({ type: 'REVIVE' });
        assert.deepEqual(
          [old.status, old.body],
          [
            400,
            `The stream ID '${first.subscription.streamId}' included in this request didn't match the stream ID currently associated with framework ID ${first.id}`,
          ],
        );
        assert.equal((await second.subscription.call({ type: 'SUPPRESS' })).status, 202);
        await second.teardown();
      });

      test('ends the stream with no word after TEARDOWN, and refuses the id from then on (14, 15)', async () => {
        const scheduler = await Scheduler.subscribe(mesos, { codec });
        others.push(scheduler);
        const { task, status } = await scheduler.run({ script: 'exec sleep 3600' });
        const answer = await scheduler.subscription.call({ type: 'TEARDOWN' });
        assert.deepEqual([answer.status, answer.body], [202, '']);
        await scheduler.subscription.ended;
        assert.ok(!scheduler.subscription.events.some((event) => event.type === 'ERROR'));
        assert.equal(task.statuses.at(-1), status);
        const again = await Subscription.open({
          master: mesos.master,
          call: subscribeCall({ ...scheduler.info, id: { value: scheduler.id } }),
          codec,
          headers: mesos.headers,
        });
        assert.equal(again.status, 200);
        assert.equal((await again.type('ERROR')).error.message, 'Framework has been removed');
        await again.ended;
        assert.equal(again.events.length, 1);
        const late = await scheduler.subscription.call({ type: 'REVIVE' });
        assert.deepEqual([late.status, late.body], [400, 'Framework cannot be found']);
      });

      // ---- Operators ----

      test('names frameworks, hosts and tasks at /state, /slaves and /frameworks, with the captured fields (27), and is in /health', async () => {
        const { task } = await main.run({ script: 'exec sleep 3600' });
        type View = Record<string, unknown>;
        type State = { slaves: View[]; frameworks: (View & { tasks: View[] })[] } & View;
        const read = async (path: string): Promise<State> => {
          const answer = await ask('GET', `${mesos.master}${path}`, mesos.headers);
          assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json'], path);
          return JSON.parse(answer.body) as State;
        };
        assert.equal((await ask('GET', `${mesos.master}/master/health`)).status, 200);
        const theirs = JSON.parse(vectorText('27-master-state.json')) as State;
        const missing = (a: View = {}, b: View = {}) =>
          Object.keys(b).filter((key) => !(key in a) && !/^(re|un)?registered_time$/.test(key));
        const state = await read('/master/state');
        assert.deepEqual(missing(state, theirs), []);
        const own = state.frameworks.find(({ id }) => id === main.id);
        assert.deepEqual(missing(own, theirs.frameworks[0]), []);
        assert.deepEqual([own?.['active'], own?.['connected'], own?.['name']], [true, true, main.info.name]);
        const shown = own?.tasks.find(({ id }) => id === task.id);
        // Labels are there where the task has some.
        assert.deepEqual(missing(shown, theirs.frameworks[0]?.tasks[0]), ['labels']);
        assert.deepEqual(
          [shown?.['state'], shown?.['slave_id'], shown?.['executor_id'], shown?.['role']],
          ['TASK_RUNNING', task.agentId, '', mesos.role],
        );
        const { slaves } = await read('/slaves');
        const host = slaves.find(({ id }) => id === task.agentId);
        assert.deepEqual(missing(host, theirs.slaves[0]), []);
        assert.equal(host?.['hostname'], task.offer?.hostname);
        const { frameworks } = await read('/frameworks');
        assert.ok(frameworks.some(({ id }) => id === main.id));
      });
    });
  }
});
