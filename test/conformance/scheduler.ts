/**
 * A framework of the suite: launches what a test asks for on whatever it is offered, and hands each task its updates. It may share the
 * master with others: it has a name of its own, declines what it does not need, and looks at nobody else's.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type {
  Call,
  Event,
  FrameworkInfo,
  Offer,
  Resource,
  TaskInfo,
  TaskState,
  TaskStatus,
} from '../../framework/mesos/schema/codec.js';
import { uniqueName } from '../support/docker.js';
import { type Codec, inWords, Subscription } from './client.js';
import type { TestMesos } from './mesos.js';

/** Idle, it wants to see nothing for a while; a launch revives. */
const idleRefuseS = 60;
const cpus = 0.1;
const memMb = 64;

export interface Launch {
  /** Script of a shell. */
  readonly script: string;
  /** Address of the container; Docker chooses one where it is missing. */
  readonly address?: string;
  readonly agentId?: string;
  /** Whether its updates are left unacknowledged. */
  readonly holds?: boolean;
  readonly more?: Partial<TaskInfo>;
}

export interface SubscribeOptions {
  readonly codec: Codec;
  readonly info?: Partial<FrameworkInfo>;
  /** Wants no offers. */
  readonly isSuppressed?: boolean;
  /** Leaves its offers to the test. */
  readonly keepsOffers?: boolean;
}

export const frameworkInfo = (mesos: TestMesos, more: Partial<FrameworkInfo> = {}): FrameworkInfo => ({
  user: 'root',
  name: uniqueName('mesos-jupyter-conformance'),
  failover_timeout: 600,
  checkpoint: true,
  roles: [mesos.role],
  capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }, { type: 'TASK_KILLING_STATE' }],
  ...(mesos.principal === undefined ? {} : { principal: mesos.principal }),
  ...more,
});

export const subscribeCall = (
  info: FrameworkInfo,
  suppressed: readonly string[] = [],
): Extract<Call, { type: 'SUBSCRIBE' }> => ({
  type: 'SUBSCRIBE',
  ...(info.id === undefined ? {} : { framework_id: info.id }),
  subscribe: {
    framework_info: info,
    ...(suppressed.length === 0 ? {} : { suppressed_roles: [...suppressed] }),
  },
});

export class Scheduler {
  readonly subscription: Subscription;
  readonly info: FrameworkInfo;
  /** Neither answered nor taken back. */
  readonly outstanding = new Map<string, Offer>();
  readonly #mesos: TestMesos;
  readonly #keepsOffers: boolean;
  readonly #tasks = new Map<string, Task>();
  readonly #wanted: { readonly task: Task; readonly launched: () => void }[] = [];
  readonly #acknowledgements: Promise<void>[] = [];
  #at = 0;

  static async subscribe(mesos: TestMesos, options: SubscribeOptions): Promise<Scheduler> {
    const info = frameworkInfo(mesos, options.info);
    const subscription = await Subscription.open({
      master: mesos.master,
      call: subscribeCall(info, options.isSuppressed === true ? [mesos.role] : []),
      codec: options.codec,
      headers: mesos.headers,
    });
    return new Scheduler(mesos, info, subscription, options.keepsOffers === true);
  }

  private constructor(
    mesos: TestMesos,
    info: FrameworkInfo,
    subscription: Subscription,
    keepsOffers: boolean,
  ) {
    this.#mesos = mesos;
    this.info = info;
    this.subscription = subscription;
    this.#keepsOffers = keepsOffers;
    subscription.watch(() => this.#look());
    this.#look();
  }

  get id(): string {
    return this.subscription.frameworkId;
  }

  #look(): void {
    const { events } = this.subscription;
    for (; this.#at < events.length; this.#at += 1) this.#take(events[this.#at] as Event);
    if (this.#keepsOffers || this.outstanding.size === 0) return;
    this.#launchOn([...this.outstanding.values()]);
  }

  #take(event: Event): void {
    switch (event.type) {
      case 'OFFERS':
        for (const offer of event.offers.offers ?? []) this.outstanding.set(offer.id.value, offer);
        break;
      case 'RESCIND':
        this.outstanding.delete(event.rescind.offer_id.value);
        break;
      case 'UPDATE': {
        const { status } = event.update;
        const task = this.#tasks.get(status.task_id.value);
        task?.heard(status);
        if (task?.launch.holds !== true) {
          // One that gets lost is for the master to ask for again.
          this.#acknowledgements.push(this.subscription.acknowledge(status).catch(() => {}));
        }
        break;
      }
      default:
        break;
    }
  }

  #launchOn(offers: readonly Offer[]): void {
    for (const offer of offers) {
      this.outstanding.delete(offer.id.value);
      const fitting = this.#wanted.filter(
        ({ task }, at) =>
          (task.launch.agentId ?? offer.agent_id.value) === offer.agent_id.value &&
          amountOf(offer, 'cpus') >= (at + 1) * cpus &&
          amountOf(offer, 'mem') >= (at + 1) * memMb,
      );
      if (fitting.length === 0) {
        const refuse_seconds = this.#wanted.length > 0 ? 1 : idleRefuseS;
        void this.subscription
          .call({
            type: 'DECLINE',
            decline: { offer_ids: [offer.id], filters: { refuse_seconds } },
          })
          .catch(() => {});
        continue;
      }
      for (const one of fitting) {
        this.#wanted.splice(this.#wanted.indexOf(one), 1);
        one.task.offer = offer;
      }
      void this.accept(
        [offer],
        fitting.map(({ task }) => this.taskInfo(task.id, offer, task.launch)),
      ).then(() => {
        for (const { launched } of fitting) launched();
      });
    }
  }

  /** ACCEPT with a filter that lets the rest be offered at once. */
  async accept(offers: readonly Offer[], tasks: readonly TaskInfo[]): Promise<void> {
    for (const offer of offers) this.outstanding.delete(offer.id.value);
    const answer = await this.subscription.call({
      type: 'ACCEPT',
      accept: {
        offer_ids: offers.map((offer) => offer.id),
        operations: [{ type: 'LAUNCH', launch: { task_infos: [...tasks] } }],
        filters: { refuse_seconds: 0 },
      },
    });
    assert.deepEqual([answer.status, answer.body], [202, '']);
  }

  taskInfo(id: string, offer: Offer, { script, address, more }: Launch): TaskInfo {
    return {
      name: 'conformance',
      task_id: { value: id },
      agent_id: offer.agent_id,
      resources: [
        {
          name: 'cpus',
          type: 'SCALAR',
          scalar: { value: cpus },
          allocation_info: { role: this.#mesos.role },
        },
        {
          name: 'mem',
          type: 'SCALAR',
          scalar: { value: memMb },
          allocation_info: { role: this.#mesos.role },
        },
      ],
      command: { shell: true, value: script },
      container: this.container(this.#mesos.image, this.#mesos.network, address),
      kill_policy: { grace_period: { nanoseconds: 2e9 } },
      ...more,
    };
  }

  container(image: string, network: string, address?: string): NonNullable<TaskInfo['container']> {
    return {
      type: 'DOCKER',
      docker: {
        image,
        network: 'USER',
        force_pull_image: false,
        ...(address === undefined ? {} : { parameters: [{ key: 'ip', value: address }] }),
      },
      network_infos: [{ name: network }],
    };
  }

  /** A task of that id, whose updates are handed to it; it is launched by `accept`. */
  expect(launch: Launch, id = `t-${randomBytes(6).toString('hex')}`): Task {
    const task = new Task(id, launch, this);
    this.#tasks.set(id, task);
    return task;
  }

  /** Resolves when the ACCEPT was answered. */
  async launch(launch: Launch): Promise<Task> {
    const task = this.expect(launch);
    const launched = new Promise<void>((resolve) => this.#wanted.push({ task, launched: resolve }));
    await this.subscription.call({ type: 'REVIVE' });
    this.#look();
    await launched;
    return task;
  }

  /** A task that has started, its updates seen as far as TASK_RUNNING. */
  async run(launch: Launch): Promise<{ readonly task: Task; readonly status: TaskStatus }> {
    const task = await this.launch(launch);
    await task.next('TASK_STARTING');
    return { task, status: await task.next('TASK_RUNNING') };
  }

  /** Resolves when the master has answered every acknowledgement so far. */
  async settled(): Promise<void> {
    await Promise.all(this.#acknowledgements);
  }

  /** An offer that is the test's to answer. */
  offer(agentId?: string): Promise<Offer> {
    assert.ok(this.#keepsOffers);
    return this.subscription.until('an offer', () =>
      [...this.outstanding.values()].find(
        (offer) => (agentId ?? offer.agent_id.value) === offer.agent_id.value,
      ),
    );
  }

  async decline(refuseS: number): Promise<void> {
    const offer_ids = [...this.outstanding.values()].map((offer) => offer.id);
    this.outstanding.clear();
    await this.subscription.call({
      type: 'DECLINE',
      decline: { offer_ids, filters: { refuse_seconds: refuseS } },
    });
  }

  kill(task: Task): Promise<unknown> {
    return this.subscription.call({ type: 'KILL', kill: { task_id: { value: task.id } } });
  }

  reconcile(tasks: readonly { readonly id: string; readonly agentId?: string }[]): Promise<unknown> {
    return this.subscription.call({
      type: 'RECONCILE',
      reconcile: {
        tasks: tasks.map(({ id, agentId }) => ({
          task_id: { value: id },
          ...(agentId === undefined ? {} : { agent_id: { value: agentId } }),
        })),
      },
    });
  }

  /** Ends the framework and all its tasks. */
  async teardown(): Promise<void> {
    await this.subscription.call({ type: 'TEARDOWN' }).catch(() => {});
    this.subscription.close();
  }
}

/** One task as its framework sees it. */
export class Task {
  readonly id: string;
  readonly launch: Launch;
  /** What it was launched on. */
  offer: Offer | undefined;
  /** In order of their arrival, those that were sent again, too. */
  readonly statuses: TaskStatus[] = [];
  readonly arrivals: number[] = [];
  readonly #scheduler: Scheduler;
  #seen = 0;

  constructor(id: string, launch: Launch, scheduler: Scheduler) {
    this.id = id;
    this.launch = launch;
    this.#scheduler = scheduler;
  }

  heard(status: TaskStatus): void {
    this.statuses.push(status);
    this.arrivals.push(performance.now());
  }

  /** The next update, which must be this one; one that is sent again for want of an acknowledgement counts once. */
  async next(state: TaskState): Promise<TaskStatus> {
    const status = await this.#scheduler.subscription.until(`${state} of ${this.id}`, () => {
      for (; this.#seen < this.statuses.length; this.#seen += 1) {
        const status = this.statuses[this.#seen] as TaskStatus;
        const isRepeated = this.statuses
          .slice(0, this.#seen)
          .some((earlier) => earlier.uuid !== undefined && earlier.uuid === status.uuid);
        if (isRepeated) continue;
        this.#seen += 1;
        return status;
      }
      return undefined;
    });
    assert.equal(
      status.state,
      state,
      `the next update of ${this.id}, ${inWords({ type: 'UPDATE', update: { status } })}: ${status.message ?? ''}`,
    );
    return status;
  }

  get agentId(): string {
    return this.offer?.agent_id.value ?? '';
  }
}

export const amountOf = (offer: { readonly resources?: readonly Resource[] }, name: string): number =>
  (offer.resources ?? []).reduce(
    (sum, resource) => sum + (resource.name === name ? (resource.scalar?.value ?? 0) : 0),
    0,
  );
