/**
 * What a scheduler sees of faults, over JSON and over protobuf. Against the embedded Mesos only: no other can be told to lose a host, to
 * forget everything or to kill an executor. The words are those of the captures whose numbers are in the names.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { EmbeddedHost } from '../../framework/local/host/host.js';
import type { TaskStatus } from '../../framework/mesos/schema/codec.js';
import { docker, removeContainer } from '../support/docker.js';
import { skipElsewhere } from '../support/target.js';
import { waitFor } from '../support/wait.js';
import { ask, codecs, encoded, Subscription } from './client.js';
import { basic, type EmbeddedMesos, type Ground, makeGround, startEmbedded } from './mesos.js';
import { capturedHead } from './replay.js';
import { frameworkInfo, Scheduler, type SubscribeOptions, subscribeCall, type Task } from './scheduler.js';

const sleeper = { script: 'exec sleep 3600' };

describe('the embedded Mesos, when something breaks', {
  concurrency: true,
  skip: skipElsewhere('orders faults of the embedded Mesos'),
}, () => {
  let ground: Ground;

  before(async () => {
    ground = await makeGround();
  });
  after(() => ground?.remove());

  for (const codec of codecs) {
    const words = codec === 'application/json' ? 'JSON' : 'protobuf';

    interface World extends EmbeddedMesos {
      subscribe(options?: Partial<SubscribeOptions>): Promise<Scheduler>;
      hostOf(task: Task): EmbeddedHost;
      operator(call: object): Promise<void>;
    }

    /** A Mesos of its own for each test. */
    async function inMesos(
      options: Parameters<typeof startEmbedded>[1],
      play: (world: World) => Promise<void>,
    ): Promise<void> {
      const mesos = await startEmbedded(ground, options);
      const schedulers: Scheduler[] = [];
      try {
        await play({
          ...mesos,
          async subscribe(more = {}) {
            const scheduler = await Scheduler.subscribe(mesos, { codec, ...more });
            schedulers.push(scheduler);
            await scheduler.subscription.type('HEARTBEAT');
            return scheduler;
          },
          hostOf(task) {
            const host = mesos.embedded.hosts.find(({ agentId }) => agentId === task.agentId);
            assert.ok(host !== undefined);
            return host;
          },
          async operator(call) {
            assert.equal((await ask('POST', `${mesos.master}/api/v1`, {}, JSON.stringify(call))).status, 200);
          },
        });
      } finally {
        for (const scheduler of schedulers) scheduler.subscription.close();
        await mesos.close();
      }
    }

    const said = ({ state, message, source, reason, uuid }: TaskStatus) => [
      state,
      source,
      reason,
      message,
      uuid === undefined,
    ];

    test(`${words}: a host that is gone is TASK_UNREACHABLE, then FAILURE; back, its task runs on (20)`, () =>
      inMesos(
        { hosts: 1, master: { pingIntervalMs: 300, maxMissedPings: 3 } },
        async ({ subscribe, hostOf }) => {
          const scheduler = await subscribe();
          const { task } = await scheduler.run(sleeper);
          const host = hostOf(task);
          host.disconnect();
          const lost = await task.next('TASK_UNREACHABLE');
          assert.deepEqual(said(lost), [
            'TASK_UNREACHABLE',
            'SOURCE_MASTER',
            'REASON_AGENT_REMOVED',
            'health check timed out',
            true,
          ]);
          assert.ok(lost.unreachable_time !== undefined);
          const { failure } = await scheduler.subscription.type('FAILURE');
          assert.deepEqual(failure, { agent_id: { value: task.agentId } });
          await scheduler.reconcile([{ id: task.id, agentId: task.agentId }]);
          assert.equal((await task.next('TASK_UNREACHABLE')).message, 'Reconciliation: Task is unreachable');
          host.reconnect();
          const back = await task.next('TASK_RUNNING');
          assert.deepEqual(said(back), [
            'TASK_RUNNING',
            'SOURCE_MASTER',
            'REASON_AGENT_REREGISTERED',
            'Unreachable agent re-reregistered',
            true,
          ]);
          assert.equal(host.agentId, task.agentId);
        },
      ));

    for (const keepRegistry of [true, false]) {
      const what = keepRegistry
        ? 'with its registry, it is silent about hosts that are not back'
        : 'without, it knows nothing until they are';
      test(`${words}: a master that is killed and starts again takes the framework's id at once; ${what} (24 to 26; FACTS, real master 12)`, () =>
        inMesos({ hosts: 1 }, async ({ subscribe, hostOf, embedded }) => {
          const first = await subscribe();
          const { task } = await first.run(sleeper);
          await first.settled();
          const host = hostOf(task);
          host.disconnect({ silent: true });
          await embedded.master.restart({ keepRegistry });
          await first.subscription.ended;
          const second = await subscribe({ info: { ...first.info, id: { value: first.id } } });
          assert.equal(second.id, first.id);
          const again = second.expect(sleeper, task.id);
          const stranger = second.expect(sleeper);
          await second.reconcile([
            { id: task.id, agentId: task.agentId },
            { id: stranger.id, agentId: 'nobody' },
          ]);
          if (!keepRegistry) await again.next('TASK_UNKNOWN');
          // Its answer comes after the one that does not come.
          await stranger.next('TASK_UNKNOWN');
          host.reconnect();
          if (!keepRegistry)
            assert.equal((await again.next('TASK_RUNNING')).reason, 'REASON_AGENT_REREGISTERED');
          await second.reconcile([]);
          const status = await again.next('TASK_RUNNING');
          assert.deepEqual(said(status), [
            'TASK_RUNNING',
            'SOURCE_MASTER',
            'REASON_RECONCILIATION',
            'Reconciliation: Latest task state',
            true,
          ]);
        }));
    }

    test(`${words}: a host that is drained kills its tasks, and is offered again when it is active (61, 62); marked gone, it never is (64, 65)`, () =>
      inMesos({ hosts: 1 }, async ({ subscribe, operator }) => {
        const scheduler = await subscribe();
        const { task } = await scheduler.run(sleeper);
        const agent_id = { value: task.agentId };
        await operator({ type: 'DRAIN_AGENT', drain_agent: { agent_id, max_grace_period: { seconds: 0 } } });
        assert.equal((await task.next('TASK_KILLING')).reason, 'REASON_AGENT_DRAINING');
        const killed = await task.next('TASK_KILLED');
        assert.deepEqual(
          [killed.source, killed.reason, killed.message],
          ['SOURCE_EXECUTOR', 'REASON_AGENT_DRAINING', 'Container exited with status 137'],
        );
        await operator({ type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id } });
        const { task: next } = await scheduler.run(sleeper);
        await operator({ type: 'MARK_AGENT_GONE', mark_agent_gone: { agent_id } });
        assert.deepEqual(said(await next.next('TASK_GONE_BY_OPERATOR')), [
          'TASK_GONE_BY_OPERATOR',
          'SOURCE_MASTER',
          'REASON_AGENT_REMOVED_BY_OPERATOR',
          'Agent has been marked gone',
          true,
        ]);
        await scheduler.subscription.type('FAILURE');
        await scheduler.reconcile([{ id: next.id, agentId: next.agentId }, { id: next.id }]);
        assert.equal((await next.next('TASK_GONE_BY_OPERATOR')).message, 'Reconciliation: Task is gone');
        await next.next('TASK_UNKNOWN');
      }));

    test(`${words}: maintenance takes offers back, marks new ones, and asks for what runs there (20, 23)`, () =>
      inMesos({ hosts: 1 }, async ({ subscribe, embedded, master }) => {
        const scheduler = await subscribe({ keepsOffers: true });
        const offer = await scheduler.offer();
        const task = scheduler.expect(sleeper);
        await scheduler.accept([offer], [scheduler.taskInfo(task.id, offer, sleeper)]);
        await task.next('TASK_STARTING');
        const rest = await scheduler.offer();
        const unavailability = {
          start: { nanoseconds: 1795495658000000000 },
          duration: { nanoseconds: 3600e9 },
        };
        const windows = [{ machine_ids: [{ hostname: embedded.hosts[0]?.name }], unavailability }];
        assert.equal(
          (await ask('POST', `${master}/maintenance/schedule`, {}, JSON.stringify({ windows }))).status,
          200,
        );
        const { rescind } = await scheduler.subscription.type('RESCIND');
        assert.deepEqual(rescind, { offer_id: rest.id });
        const marked = await scheduler.offer();
        assert.deepEqual(marked.unavailability, unavailability);
        const [inverse] =
          (await scheduler.subscription.type('INVERSE_OFFERS')).inverse_offers.inverse_offers ?? [];
        assert.ok(inverse !== undefined);
        assert.deepEqual(Object.keys(inverse).sort(), [
          'agent_id',
          'framework_id',
          'id',
          'unavailability',
          'url',
        ]);
        assert.deepEqual(inverse.unavailability, unavailability);
        const answer = await scheduler.subscription.call({
          type: 'DECLINE_INVERSE_OFFERS',
          decline_inverse_offers: { inverse_offer_ids: [inverse.id], filters: { refuse_seconds: 1 } },
        });
        assert.equal(answer.status, 202);
        await scheduler.subscription.until(
          'to be asked again',
          (events) => events.filter((event) => event.type === 'INVERSE_OFFERS').length > 1 || undefined,
        );
      }));

    test(`${words}: a master that asks for credentials refuses who has none, the wrong ones, another's, and a role that is forbidden (40 to 47)`, () =>
      inMesos(
        { hosts: 0, master: { credentials: { jupyter: 'secret' }, forbiddenRoles: ['other'] } },
        async (mesos) => {
          const info = frameworkInfo(mesos, { principal: 'jupyter' });
          const subscribe = (headers: Readonly<Record<string, string>>, more = {}) =>
            ask(
              'POST',
              `${mesos.master}/api/v1/scheduler`,
              { 'Content-Type': codec, Accept: codec, ...headers },
              encoded(subscribeCall({ ...info, ...more }), codec),
            );
          const right = basic('jupyter', 'secret');
          for (const [name, answer] of [
            ['40-subscribe-no-credentials', await subscribe({})],
            ['41-subscribe-wrong-secret', await subscribe(basic('jupyter', 'wrong'))],
            ['42-subscribe-other-principal', await subscribe(right, { principal: 'somebody' })],
          ] as const) {
            const theirs = capturedHead(name);
            assert.deepEqual(
              [answer.status, answer.body, answer.headers['www-authenticate']],
              [theirs.status, theirs.body, theirs.headers.get('www-authenticate')],
              name,
            );
          }
          const open = (roles: string[]) =>
            Subscription.open({
              master: mesos.master,
              call: subscribeCall({ ...info, roles }),
              codec,
              headers: right,
            });
          const forbidden = await open(['other']);
          const { error } = await forbidden.type('ERROR');
          assert.equal(error.message, 'Not authorized to register framework  with roles { other }');
          await forbidden.ended;
          const stream = await open(['*']);
          await stream.type('SUBSCRIBED');
          assert.equal((await stream.call({ type: 'REVIVE' }, { Authorization: '' })).status, 401);
          assert.equal((await stream.call({ type: 'REVIVE' })).status, 202);
          stream.close();
        },
      ));

    test(`${words}: when docker run's client or the executor dies, the task has failed and its container lives on (70 to 74)`, () =>
      inMesos({ hosts: 1 }, async ({ subscribe, hostOf }) => {
        const scheduler = await subscribe();
        for (const [kill, words] of [
          [
            (host: EmbeddedHost, id: string) => host.killDockerClient(id),
            ['TASK_FAILED', 'SOURCE_EXECUTOR', undefined, 'Container terminated with signal Killed', false],
          ],
          [
            (host: EmbeddedHost, id: string) => host.killExecutor(id),
            ['TASK_FAILED', 'SOURCE_AGENT', 'REASON_EXECUTOR_TERMINATED', 'Container terminated', false],
          ],
        ] as const) {
          const { task, status } = await scheduler.run(sleeper);
          kill(hostOf(task), task.id);
          assert.deepEqual(said(await task.next('TASK_FAILED')), words);
          const container = `mesos-${status.container_status?.container_id?.value}`;
          assert.equal(await docker('inspect', '-f', '{{.State.Running}}', container), 'true');
          await removeContainer(container);
        }
      }));

    test(`${words}: a scheduler that dies may come back within its failover timeout; with none it is removed (FACTS, scheduler API 3)`, () =>
      inMesos({ hosts: 1 }, async ({ subscribe, embedded }) => {
        const { frameworks } = embedded.master.core;
        for (const [failover_timeout, survives] of [
          [600, true],
          [0, false],
        ] as const) {
          const scheduler = await subscribe({ info: { failover_timeout } });
          const { id } = scheduler;
          scheduler.subscription.close();
          await waitFor(
            'the master to notice',
            10_000,
            () => frameworks.get(id)?.connection.kind !== 'connected',
          );
          if (!survives) await waitFor('the framework to be removed', 10_000, () => !frameworks.has(id));
          const again = await Subscription.open({
            master: embedded.master.url,
            call: subscribeCall({ ...scheduler.info, id: { value: id } }),
            codec,
          });
          if (survives) await again.type('SUBSCRIBED');
          else assert.equal((await again.type('ERROR')).error.message, 'Framework has been removed');
          again.close();
        }
      }));
  }
});
