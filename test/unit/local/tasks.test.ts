/** How tasks fare on the stream: updates, reconciliation, kills, hosts that go and come back, masters that forget (captures 01 to 74). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, TaskStatus } from '../../../framework/mesos/schema/codec.js';
import { vectorLines } from '../mesos/vectors.js';
import type { TestScheduler } from './test-scheduler.js';
import { accept, inWorld, runTask, taskFor } from './world.js';

/** The updates that have come so far. */
const updates = (scheduler: TestScheduler): TaskStatus[] =>
  scheduler.events.flatMap((e) => (e.type === 'UPDATE' ? [e.update.status] : []));

const explicit = (...tasks: [string, string?][]) => ({
  type: 'RECONCILE' as const,
  reconcile: {
    tasks: tasks.map(([task, agent]) => ({
      task_id: { value: task },
      ...(agent === undefined ? {} : { agent_id: { value: agent } }),
    })),
  },
});

/** The fields of a status, and of its parts, without their values. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shape(part)]));
}

function capturedStatus(file: string, pick: (status: TaskStatus) => boolean): TaskStatus {
  for (const event of vectorLines(`${file}.events.jsonl`) as Event[]) {
    if (event.type === 'UPDATE' && pick(event.update.status)) return event.update.status;
  }
  throw new Error(`no such status in ${file}`);
}

test('updates have the fields of captured ones, in their order', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const offer = await scheduler.offer();
    await scheduler.call(accept([offer], [taskFor(offer, 'a')]));
    world.runner.last.starting();
    const starting = await scheduler.update('TASK_STARTING');
    world.runner.last.running();
    const running = await scheduler.update('TASK_RUNNING');
    world.runner.last.exited(137);
    const failed = await scheduler.update('TASK_FAILED');
    const file = '01-subscribe-json';
    for (const [ours, theirs] of [
      [starting, capturedStatus(file, (s) => s.state === 'TASK_STARTING')],
      [running, capturedStatus(file, (s) => s.state === 'TASK_RUNNING')],
      [failed, capturedStatus(file, (s) => s.state === 'TASK_FAILED')],
    ] as const) {
      assert.deepEqual(shape(ours), shape(theirs));
      assert.deepEqual(Object.keys(ours), Object.keys(theirs));
      assert.equal(Buffer.from(ours.uuid ?? '', 'base64').length, 16);
    }
    assert.equal(failed.message, 'Container exited with status 137');
  }));

test('an update comes again after 10 s, then 20, up to 10 min, the next of the task waiting behind it', () =>
  inWorld({}, async ({ subscribe, clock, runner }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    await scheduler.call(accept([offer], [taskFor(offer, 'a')]));
    runner.last.starting();
    runner.last.running();
    const first = await scheduler.update('TASK_STARTING', { acknowledge: false });
    for (const [sent, seconds] of [10, 20, 40, 80, 160, 320, 600, 600].entries()) {
      clock.advance(seconds * 1000 - 1);
      await turn();
      assert.equal(updates(scheduler).length, sent + 1);
      clock.advance(1);
      await scheduler.update('TASK_STARTING', { acknowledge: false });
    }
    assert.ok(updates(scheduler).every((s) => s.uuid === first.uuid && s.state === 'TASK_STARTING'));
    await scheduler.acknowledge({ ...first, uuid: Buffer.alloc(16).toString('base64') });
    await turn();
    assert.ok(updates(scheduler).every((s) => s.state === 'TASK_STARTING'));
    await scheduler.acknowledge(first);
    await scheduler.update('TASK_RUNNING');
    const count = updates(scheduler).length;
    clock.advance(10_000_000);
    await turn();
    assert.equal(updates(scheduler).length, count);
  }));

test('explicit reconciliation: the latest state, or UNKNOWN; LOST for who is not partition aware', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    await runTask(world, scheduler, 'a');
    await scheduler.call(explicit(['a'], ['never-was']));
    const known = await scheduler.update('TASK_RUNNING');
    assert.deepEqual(
      shape(known),
      shape(capturedStatus('24-after-master-restart', (s) => s.reason === 'REASON_RECONCILIATION')),
    );
    assert.equal(known.message, 'Reconciliation: Latest task state');
    const unknown = await scheduler.update('TASK_UNKNOWN');
    assert.deepEqual(
      shape(unknown),
      shape(capturedStatus('01-subscribe-json', (s) => s.state === 'TASK_UNKNOWN')),
    );
    assert.equal(unknown.message, 'Reconciliation: Task is unknown');
    const unaware = await world.subscribe({
      info: { name: 'unaware', capabilities: [{ type: 'MULTI_ROLE' }] },
    });
    await unaware.type('SUBSCRIBED');
    await unaware.call(explicit(['never-was']));
    await unaware.update('TASK_LOST');
  }));

test('reconciliation tells what was last forwarded, not what still waits behind it', () =>
  inWorld({}, async ({ subscribe, runner }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    await scheduler.call(accept([offer], [taskFor(offer, 'a')]));
    await scheduler.call({ type: 'RECONCILE', reconcile: {} });
    await scheduler.update('TASK_STAGING');
    runner.last.starting();
    runner.last.running();
    await scheduler.update('TASK_STARTING', { acknowledge: false });
    await scheduler.call({ type: 'RECONCILE', reconcile: {} });
    const status = await scheduler.update('TASK_STARTING');
    assert.equal(status.reason, 'REASON_RECONCILIATION');
    assert.equal(status.uuid, undefined);
  }));

test('implicit reconciliation tells of every task that has not ended and been acknowledged', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    task.exited(0);
    await scheduler.update('TASK_FINISHED', { acknowledge: false });
    await scheduler.call({ type: 'RECONCILE', reconcile: { tasks: [] } });
    const finished = await scheduler.update('TASK_FINISHED', { acknowledge: false });
    assert.equal(finished.reason, 'REASON_RECONCILIATION');
    const [original] = updates(scheduler).filter((s) => s.uuid !== undefined && s.state === 'TASK_FINISHED');
    await scheduler.acknowledge(original as TaskStatus);
    scheduler.skip();
    await scheduler.call({ type: 'RECONCILE', reconcile: {} });
    await scheduler.call(explicit(['a']));
    await scheduler.update('TASK_UNKNOWN');
  }));

test('a kill goes to the task with its policy; with another agent it goes nowhere; of an unknown task it is a reconciliation', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    const kill = { type: 'KILL' as const, kill: { task_id: { value: 'a' } } };
    const wrong = await scheduler.call({ ...kill, kill: { ...kill.kill, agent_id: { value: 'wrong' } } });
    assert.equal(wrong.status, 202);
    assert.deepEqual(task.kills, []);
    const policy = { grace_period: { nanoseconds: 1e9 } };
    await scheduler.call({ ...kill, kill: { ...kill.kill, kill_policy: policy } });
    assert.deepEqual(task.kills, [policy]);
    await scheduler.call({ ...kill, kill: { task_id: { value: 'never-was' } } });
    await scheduler.update('TASK_UNKNOWN');
  }));

test('a scheduler that comes back within its failover timeout finds its tasks, and the updates that waited', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    scheduler.close();
    await scheduler.ended;
    task.exited(3);
    world.clock.advance(3_500_000);
    const again = await world.subscribe({
      info: { id: { value: scheduler.frameworkId } },
      codec: 'application/x-protobuf',
    });
    assert.equal((await again.update('TASK_FAILED')).message, 'Container exited with status 3');
    assert.deepEqual(
      again.events.slice(0, 3).map((e) => e.type),
      ['SUBSCRIBED', 'HEARTBEAT', 'UPDATE'],
    );
  }));

test('with no failover timeout, a disconnect ends the tasks and the framework', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe({ info: { failover_timeout: 0 } });
    const { task } = await runTask(world, scheduler, 'a');
    scheduler.close();
    await until(
      () => world.master.core.frameworks.get(scheduler.frameworkId)?.connection.kind === 'disconnected',
    );
    world.clock.advance(1);
    assert.equal(task.ended, 'shutdown');
    const again = await world.subscribe({ info: { id: { value: scheduler.frameworkId } } });
    assert.equal((await again.type('ERROR')).error.message, 'Framework has been removed');
  }));

test('a host that is killed: UNREACHABLE after its pings, FAILURE, then back with its task running (20)', () =>
  inWorld({ master: { pingIntervalMs: 2000, maxMissedPings: 3 } }, async (world) => {
    const scheduler = await world.subscribe();
    const { offer } = await runTask(world, scheduler, 'a');
    world.hosts[0]?.disconnect();
    world.clock.advance(5000);
    await turn();
    assert.ok(!updates(scheduler).some((s) => s.state === 'TASK_UNREACHABLE'));
    world.clock.advance(1100);
    const unreachable = await scheduler.update('TASK_UNREACHABLE');
    const theirs = capturedStatus('20-faults-json', (s) => s.state === 'TASK_UNREACHABLE');
    assert.deepEqual(shape(unreachable), shape(theirs));
    assert.deepEqual([unreachable.message, unreachable.reason], [theirs.message, theirs.reason]);
    assert.deepEqual((await scheduler.type('FAILURE')).failure, { agent_id: offer.agent_id });
    await scheduler.call(explicit(['a', offer.agent_id.value], ['a']));
    assert.equal((await scheduler.update('TASK_UNREACHABLE')).message, 'Reconciliation: Task is unreachable');
    await scheduler.update('TASK_UNKNOWN');
    world.hosts[0]?.reconnect();
    const back = await scheduler.update('TASK_RUNNING');
    const captured = capturedStatus('20-faults-json', (s) => s.reason === 'REASON_AGENT_REREGISTERED');
    assert.deepEqual(shape(back), shape(captured));
    assert.deepEqual([back.message, back.reason, back.uuid], [captured.message, captured.reason, undefined]);
    assert.equal(world.hosts[0]?.agentId, offer.agent_id.value);
  }));

test('a host that is back before its pings are counted out is not missed; updates come when it is back', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    world.hosts[0]?.disconnect({ silent: true });
    task.exited(5);
    world.clock.advance(60_000);
    world.hosts[0]?.reconnect();
    assert.equal((await scheduler.update('TASK_FAILED')).message, 'Container exited with status 5');
    assert.ok(!scheduler.events.some((e) => e.type === 'FAILURE'));
  }));

test('a launch that is lost on the way is TASK_DROPPED when the host is back', () =>
  inWorld({}, async ({ subscribe, hosts, runner }) => {
    const scheduler = await subscribe();
    const offer = await scheduler.offer();
    hosts[0]?.disconnect({ silent: true });
    await scheduler.call(accept([offer], [taskFor(offer, 'lost')]));
    assert.equal(runner.tasks.length, 0);
    hosts[0]?.reconnect();
    const status = await scheduler.update('TASK_DROPPED');
    assert.deepEqual([status.source, status.reason], ['SOURCE_AGENT', 'REASON_RECONCILIATION']);
  }));

test('a kill that is lost on the way is told again when the host is back', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { task } = await runTask(world, scheduler, 'a');
    world.hosts[0]?.disconnect();
    await scheduler.call({ type: 'KILL', kill: { task_id: { value: 'a' } } });
    assert.equal(task.kills.length, 0);
    world.hosts[0]?.reconnect();
    assert.equal(task.kills.length, 1);
  }));

test("a framework without checkpointing loses its tasks with a host's connection", () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe({ info: { checkpoint: false } });
    await runTask(world, scheduler, 'a');
    world.hosts[0]?.disconnect();
    assert.equal((await scheduler.update('TASK_LOST')).reason, 'REASON_AGENT_DISCONNECTED');
  }));

test('a host that is marked gone: TASK_GONE_BY_OPERATOR, FAILURE, and it stays away (64, 65)', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { offer, task } = await runTask(world, scheduler, 'a');
    const body = JSON.stringify({ type: 'MARK_AGENT_GONE', mark_agent_gone: { agent_id: offer.agent_id } });
    assert.equal((await fetch(`${world.master.url}/api/v1`, { method: 'POST', body })).status, 200);
    const gone = await scheduler.update('TASK_GONE_BY_OPERATOR');
    const theirs = capturedStatus('50-operator-json', (s) => s.state === 'TASK_GONE_BY_OPERATOR');
    assert.deepEqual(shape(gone), shape(theirs));
    assert.deepEqual([gone.message, gone.reason], [theirs.message, theirs.reason]);
    await scheduler.type('FAILURE');
    await scheduler.call(explicit(['a', offer.agent_id.value], ['a']));
    assert.equal((await scheduler.update('TASK_GONE_BY_OPERATOR')).message, 'Reconciliation: Task is gone');
    await scheduler.update('TASK_UNKNOWN');
    assert.equal(task.ended, 'shutdown');
    world.hosts[0]?.reconnect();
    assert.equal(world.master.core.hosts.size, 0);
  }));

test('a host that is drained: its tasks are killed with REASON_AGENT_DRAINING, nothing is offered until it is active again (61)', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { offer, task } = await runTask(world, scheduler, 'a');
    const operator = (call: object) =>
      fetch(`${world.master.url}/api/v1`, { method: 'POST', body: JSON.stringify(call) });
    await operator({
      type: 'DRAIN_AGENT',
      drain_agent: { agent_id: offer.agent_id, max_grace_period: { seconds: 5 } },
    });
    assert.deepEqual(task.kills, [{ grace_period: { nanoseconds: 5e9 } }]);
    // What the captured call has is no field of a google.protobuf.Duration, and so no grace at all: its task was gone in 0.1 s.
    await operator({
      type: 'DRAIN_AGENT',
      drain_agent: { agent_id: offer.agent_id, max_grace_period: { nanoseconds: 5e9 } },
    });
    assert.deepEqual(task.kills[1], { grace_period: { nanoseconds: 0 } });
    task.report({ state: 'TASK_KILLING', source: 'SOURCE_EXECUTOR' });
    assert.equal((await scheduler.update('TASK_KILLING')).reason, 'REASON_AGENT_DRAINING');
    task.exited(137);
    assert.equal((await scheduler.update('TASK_KILLED')).reason, 'REASON_AGENT_DRAINING');
    world.clock.advance(100_000);
    await turn();
    assert.equal([...scheduler.outstanding.values()].filter((o) => o.id.value !== offer.id.value).length, 0);
    await operator({ type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id: offer.agent_id } });
    await scheduler.offer();
  }));

test('a master that starts again with its registry is silent about the tasks of hosts that are not back (24 to 26)', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { offer } = await runTask(world, scheduler, 'a');
    world.hosts[0]?.disconnect({ silent: true });
    await world.master.restart({ keepRegistry: true });
    await scheduler.ended;
    const again = await world.subscribe({ info: { id: { value: scheduler.frameworkId } } });
    await again.type('HEARTBEAT');
    assert.equal(again.frameworkId, scheduler.frameworkId);
    await again.call(explicit(['a', offer.agent_id.value], ['a']));
    await again.call(explicit(['stranger', 'nobody']));
    // The answer for a host that the registry does not name comes, so the silence is no delay.
    assert.equal((await again.update('TASK_UNKNOWN')).task_id.value, 'stranger');
    world.hosts[0]?.reconnect();
    await again.offer();
    await again.call(explicit(['a', offer.agent_id.value]));
    assert.equal((await again.update('TASK_RUNNING')).message, 'Reconciliation: Latest task state');
  }));

test('a master that starts again with nothing: the framework id is taken, hosts register after a while with what they run', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    const { offer } = await runTask(world, scheduler, 'a');
    const before = world.master.core.masterInfo.id;
    await world.master.restart({ keepRegistry: false });
    assert.notEqual(world.master.core.masterInfo.id, before);
    const again = await world.subscribe({ info: { id: { value: scheduler.frameworkId } } });
    await again.type('HEARTBEAT');
    await again.call(explicit(['a', offer.agent_id.value]));
    await again.update('TASK_UNKNOWN');
    world.clock.advance(1000);
    assert.equal((await again.offer()).agent_id.value, offer.agent_id.value);
    await again.call({ type: 'RECONCILE', reconcile: {} });
    await again.update('TASK_RUNNING');
  }));

test('a framework that a restarted master only hears of from hosts has its failover timeout to come back', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe({ info: { failover_timeout: 100 } });
    const { task } = await runTask(world, scheduler, 'a');
    await world.master.restart({ keepRegistry: true });
    world.clock.advance(1000);
    assert.equal(world.master.core.frameworks.get(scheduler.frameworkId)?.connection.kind, 'recovered');
    assert.equal((await scheduler.call({ type: 'REVIVE' })).status, 403);
    world.clock.advance(99_000);
    assert.equal(task.ended, undefined);
    world.clock.advance(2000);
    assert.equal(task.ended, 'shutdown');
  }));

test('dropped connections: no event says so, the framework is disconnected and may come back', () =>
  inWorld({}, async (world) => {
    const scheduler = await world.subscribe();
    await runTask(world, scheduler, 'a');
    world.master.dropConnections();
    await scheduler.ended;
    assert.ok(!scheduler.events.some((e) => e.type === 'ERROR'));
    const again = await world.subscribe({ info: { id: { value: scheduler.frameworkId } } });
    await again.type('SUBSCRIBED');
    await again.call({ type: 'RECONCILE', reconcile: {} });
    await again.update('TASK_RUNNING');
  }));

test('a host stopped with its containers left is unreachable after its pings; stopped in order its tasks are lost at once', () =>
  inWorld({ hosts: 2 }, async (world) => {
    const scheduler = await world.subscribe();
    const { offer, task } = await runTask(world, scheduler, 'a');
    const host = world.hosts.find((h) => h.name === offer.hostname);
    await host?.stop({ containers: 'leave' });
    assert.equal(task.ended, 'abandoned');
    world.clock.advance(80_000);
    await scheduler.update('TASK_UNREACHABLE');
    const [second] = await scheduler.offersOf('host-2');
    assert.ok(second !== undefined);
    await scheduler.call(accept([second], [taskFor(second, 'b')]));
    await world.hosts[1]?.stop();
    assert.equal(world.runner.last.ended, 'disposed');
    assert.equal(
      (await scheduler.update('TASK_LOST')).message,
      'Agent host-2 removed: the agent unregistered',
    );
  }));

/** Lets what is on the wire arrive: a few rounds of the event loop over the loopback. */
async function turn(): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 500; !condition(); left -= 1) {
    if (left === 0) throw new Error('the condition did not come true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
