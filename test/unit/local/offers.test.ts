/** Offers: what is offered to whom, when again, and what becomes of an ACCEPT (captures 01 to 09, 20; FACTS, scheduler API 5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Offer, Resource } from '../../../framework/mesos/schema/codec.js';
import { accept, inWorld, runTask, taskFor } from './world.js';

const amounts = (offer: Offer) =>
  Object.fromEntries((offer.resources ?? []).map((r) => [r.name, r.scalar?.value ?? r.ranges?.range]));
const decline = (offers: readonly Offer[], refuse_seconds?: number) => ({
  type: 'DECLINE' as const,
  decline: {
    offer_ids: offers.map((offer) => offer.id),
    ...(refuse_seconds === undefined ? {} : { filters: { refuse_seconds } }),
  },
});

test('a declined offer comes again when the filter has run out: after 5 s, or what was asked', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    const scheduler = await subscribe();
    await scheduler.call(decline([await scheduler.offer()]));
    clock.advance(4900);
    assert.equal(scheduler.outstanding.size, 0);
    clock.advance(1200);
    await scheduler.call(decline([await scheduler.offer()], 3600));
    clock.advance(3_590_000);
    const { length } = scheduler.events.filter((e) => e.type === 'OFFERS');
    assert.equal(length, 2);
    clock.advance(20_000);
    await scheduler.offer();
  }));

test('what a launch leaves over is offered again after the filter, less what the task holds', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    assert.deepEqual(amounts(offer), {
      ports: [{ begin: 31000, end: 32000 }],
      cpus: 2,
      mem: 4096,
      disk: 10_000,
    });
    await scheduler.call(accept([offer], [taskFor(offer, 'a')], 1));
    clock.advance(2100);
    assert.deepEqual(amounts(await scheduler.offer()), {
      ports: [{ begin: 31000, end: 32000 }],
      cpus: 1.9,
      mem: 4032,
      disk: 10_000,
    });
  }));

test('what an ended task frees is offered beside the offer that stands, before its end is acknowledged (70)', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    world.clock.advance(2100);
    await scheduler.offer();
    task.exited(1);
    await scheduler.update('TASK_FAILED', { acknowledge: false });
    world.clock.advance(1000);
    assert.deepEqual(amounts(await scheduler.offer()), { cpus: 0.1, mem: 64 });
  }));

test('SUPPRESS stops offers, REVIVE starts them and voids filters; both may name roles', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    const scheduler = await subscribe({ info: { roles: ['a', 'b'] } });
    const first = await scheduler.offer();
    assert.equal(first.allocation_info?.role, 'a');
    await scheduler.call({ type: 'SUPPRESS', suppress: { roles: ['a'] } });
    await scheduler.call(decline([first], 3600));
    clock.advance(1000);
    const second = await scheduler.offer();
    assert.equal(second.allocation_info?.role, 'b');
    assert.ok(second.resources?.every((r) => r.allocation_info?.role === 'b'));
    await scheduler.call({ type: 'SUPPRESS' });
    await scheduler.call(decline([second], 3600));
    clock.advance(100_000);
    assert.equal(scheduler.outstanding.size, 0);
    await scheduler.call({ type: 'REVIVE', revive: { roles: ['nobody'] } });
    await scheduler.call({ type: 'REVIVE', revive: { roles: ['b'] } });
    assert.equal((await scheduler.offer()).allocation_info?.role, 'b');
  }));

test('suppressed roles of a subscription get no offers; a new subscription without them does', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    const scheduler = await subscribe({ suppressedRoles: ['jupyter'] });
    await scheduler.type('HEARTBEAT');
    clock.advance(5000);
    assert.equal(scheduler.outstanding.size, 0);
    const again = await subscribe({ info: { id: { value: scheduler.frameworkId } } });
    await again.offer();
  }));

test('two frameworks: what one is offered the other is not, until it is declined', () =>
  inWorld({ hosts: 2 }, async ({ subscribe, clock }) => {
    const one = await subscribe();
    const offers = await one.offers();
    assert.equal(offers.length, 2);
    const two = await subscribe({ info: { name: 'two' } });
    await two.type('HEARTBEAT');
    clock.advance(1000);
    assert.equal(two.outstanding.size, 0);
    await one.call(decline([offers[0] as Offer], 3600));
    clock.advance(1000);
    assert.equal((await two.offer()).hostname, 'host-1');
  }));

test('reserved resources go to their role only, written as the framework understands it', () =>
  inWorld({ hosts: 0 }, async ({ addHost, subscribe }) => {
    const reserved: Resource = {
      name: 'cpus',
      type: 'SCALAR',
      scalar: { value: 4 },
      reservations: [{ type: 'STATIC', role: 'jupyter' }],
    };
    await addHost({ moreResources: [reserved] });
    const other = await subscribe({ info: { roles: ['other'] } });
    const theirs = await other.offer();
    assert.deepEqual(amounts(theirs), { cpus: 2, mem: 4096, disk: 10_000 });
    const old = await subscribe();
    assert.deepEqual((await old.offer()).resources, [
      {
        name: 'cpus',
        type: 'SCALAR',
        scalar: { value: 4 },
        role: 'jupyter',
        allocation_info: { role: 'jupyter' },
      },
    ]);
    old.close();
    await old.ended;
    const capabilities = [{ type: 'MULTI_ROLE' as const }, { type: 'RESERVATION_REFINEMENT' as const }];
    const refined = await subscribe({ info: { id: { value: old.frameworkId }, capabilities } });
    assert.deepEqual((await refined.offer()).resources, [
      { ...reserved, allocation_info: { role: 'jupyter' } },
    ]);
  }));

test('a used offer: TASK_DROPPED, or TASK_LOST for who is not partition aware, with nothing to acknowledge', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    for (const [capabilities, state] of [
      [[{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }], 'TASK_DROPPED'],
      [[{ type: 'MULTI_ROLE' }], 'TASK_LOST'],
    ] as const) {
      const scheduler = await subscribe({ info: { name: state, capabilities: [...capabilities] } });
      clock.advance(1000);
      const offer = await scheduler.offer();
      await scheduler.call(decline([offer], 0));
      await scheduler.call(accept([offer], [taskFor(offer, 'late')]));
      const status = await scheduler.update(state);
      const { timestamp: _, ...rest } = status;
      assert.deepEqual(rest, {
        task_id: { value: 'late' },
        state,
        message: `Task launched with invalid offers: Offer ${offer.id.value} is no longer valid`,
        source: 'SOURCE_MASTER',
        reason: 'REASON_INVALID_OFFERS',
        agent_id: offer.agent_id,
      });
      await scheduler.call({ type: 'TEARDOWN' });
    }
  }));

test('more than the offers have: TASK_ERROR that names both sides (04)', () =>
  inWorld({}, async ({ subscribe, runner }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    const cpus: Resource = { name: 'cpus', type: 'SCALAR', scalar: { value: 1000 } };
    const mem: Resource = { name: 'mem', type: 'SCALAR', scalar: { value: 64 } };
    await scheduler.call(accept([offer], [taskFor(offer, 'big', { resources: [cpus, mem] })]));
    const status = await scheduler.update('TASK_ERROR');
    assert.deepEqual(
      [status.reason, status.source, status.uuid],
      ['REASON_TASK_INVALID', 'SOURCE_MASTER', undefined],
    );
    assert.equal(
      status.message,
      'Total resources cpus(allocated: jupyter):1000; mem(allocated: jupyter):64 required by task and its executor is more than available ' +
        'ports(allocated: jupyter):[31000-32000]; cpus(allocated: jupyter):2; mem(allocated: jupyter):4096; disk(allocated: jupyter):10000',
    );
    assert.equal(runner.tasks.length, 0);
  }));

test('two tasks of one ACCEPT share its offers: the first that does not fit any more is refused', () =>
  inWorld({}, async ({ subscribe, runner }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    const most: Resource[] = [{ name: 'cpus', type: 'SCALAR', scalar: { value: 1.5 } }];
    const tasks = ['a', 'b'].map((id) => taskFor(offer, id, { resources: most }));
    await scheduler.call(accept([offer], tasks));
    assert.equal((await scheduler.update('TASK_ERROR')).task_id.value, 'b');
    assert.deepEqual(
      runner.tasks.map((t) => t.launch.task.task_id.value),
      ['a'],
    );
  }));

test('a task id that runs already, or is unreachable, is refused (52)', () =>
  inWorld({ hosts: 2 }, async (world) => {
    const scheduler = await world.subscribe();
    const offers = await scheduler.offers();
    const [one, two] = offers as [Offer, Offer];
    await scheduler.call(accept([one], [taskFor(one, 'same')], 0));
    await scheduler.call(accept([two], [taskFor(two, 'same')], 0));
    assert.equal((await scheduler.update('TASK_ERROR')).message, 'Task has duplicate ID: same');
    world.master.core.markUnreachable(one.agent_id.value);
    await scheduler.update('TASK_UNREACHABLE');
    world.clock.advance(1000);
    const [again] = (await scheduler.offersOf('host-2')) as [Offer];
    await scheduler.call(accept([again], [taskFor(again, 'same')], 0));
    assert.equal(
      (await scheduler.update('TASK_ERROR')).message,
      'Task reuses the ID of an unreachable task: same',
    );
  }));

test('a task that is not well formed is refused with the reason', () =>
  inWorld({}, async ({ subscribe, clock }) => {
    const scheduler = await subscribe();
    const cases: [Parameters<typeof taskFor>[2], RegExp][] = [
      [{ resources: [] }, /^Task uses no resources$/],
      [{ task_id: { value: 'a/b' } }, /^'a\/b' contains invalid characters$/],
      [{ agent_id: { value: 'x' } }, /^Task uses invalid agent x while agent .*-S0 is expected$/],
      [
        { health_check: { http: { port: 1 } } },
        /^Task uses invalid health check: HealthCheck must specify 'type'$/,
      ],
      [
        { health_check: { type: 'HTTP', http: { port: 1, path: 'x' } } },
        /The path 'x' of HTTP health check must start with '\/'$/,
      ],
      [
        { container: { type: 'DOCKER', docker: { image: 'i', parameters: [{ key: 'name', value: 'n' }] } } },
        /Parameter in DockerInfo must not be 'name'$/,
      ],
      [{ kill_policy: { grace_period: { nanoseconds: -1 } } }, /must be non-negative$/],
    ];
    for (const [more, message] of cases) {
      clock.advance(1000);
      const offer = await scheduler.offer();
      await scheduler.call(accept([offer], [taskFor(offer, 'bad', more)], 0));
      assert.match((await scheduler.update('TASK_ERROR')).message ?? '', message);
    }
  }));

test('offers of one host may be taken together, those of two hosts may not', () =>
  inWorld({ hosts: 2 }, async ({ subscribe }) => {
    const scheduler = await subscribe();
    const offers = await scheduler.offers();
    await scheduler.call(accept(offers, [taskFor(offers[0] as Offer, 'a')]));
    assert.match(
      (await scheduler.update('TASK_DROPPED')).message ?? '',
      /Aggregated offers must belong to one single agent/,
    );
  }));

test('offers are rescinded when the host goes, and when what it has changes', () =>
  inWorld({}, async ({ subscribe, hosts }) => {
    const scheduler = await subscribe();
    const first = await scheduler.offer();
    hosts[0]?.changeResources({ cpus: 8, memMb: 1000, diskMb: 1000 });
    assert.deepEqual((await scheduler.type('RESCIND')).rescind.offer_id, first.id);
    const second = await scheduler.offer();
    assert.equal(amounts(second)['cpus'], 8);
    hosts[0]?.disconnect();
    assert.deepEqual((await scheduler.type('RESCIND')).rescind.offer_id, second.id);
  }));

test('a launch on a host that has just gone: TASK_DROPPED since its offer is gone with it', () =>
  inWorld({}, async ({ subscribe, hosts }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    hosts[0]?.disconnect();
    await scheduler.call(accept([offer], [taskFor(offer, 'a')]));
    assert.equal((await scheduler.update('TASK_DROPPED')).reason, 'REASON_INVALID_OFFERS');
  }));

test('maintenance: an inverse offer to who has tasks there, again after the answer, and offers that say so (20, 23)', () =>
  inWorld({ hosts: 2 }, async (world) => {
    const scheduler = await world.subscribe();
    const { offer } = await runTask(world, scheduler, 'a');
    const unavailability = {
      start: { nanoseconds: 1_795_495_658 * 1e9 },
      duration: { nanoseconds: 3600 * 1e9 },
    };
    const body = JSON.stringify({
      windows: [{ machine_ids: [{ hostname: offer.hostname }], unavailability }],
    });
    const answer = await fetch(`${world.master.url}/maintenance/schedule`, { method: 'POST', body });
    assert.equal(answer.status, 200);
    const [inverse] = (await scheduler.type('INVERSE_OFFERS')).inverse_offers.inverse_offers ?? [];
    assert.deepEqual([inverse?.agent_id, inverse?.unavailability], [offer.agent_id, unavailability]);
    world.clock.advance(2100);
    assert.deepEqual((await scheduler.offer(offer.hostname)).unavailability, unavailability);
    assert.ok(inverse !== undefined);
    await scheduler.call({
      type: 'ACCEPT_INVERSE_OFFERS',
      accept_inverse_offers: { inverse_offer_ids: [inverse.id], filters: { refuse_seconds: 5 } },
    });
    world.clock.advance(5000);
    await scheduler.type('INVERSE_OFFERS');
  }));
