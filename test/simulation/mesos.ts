/** A simulated Mesos: a master that may forget, hosts that may be cut off, updates sent again until acknowledged. */
import type { Launch, Needs, StatusUpdate, TaskState } from '../../framework/cluster/model.js';
import type { Container } from './containers.js';
import type { World } from './world.js';

/** Update states after which a task is over. */
const terminal = new Set<TaskState>([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
]);

/** Mesos' pings: 5 of 15 s. */
const unreachableMs = 75_000;
/** How far from true a host's clock may go: ten times what a bad one does. */
const mostDrift = 0.005;
/** An update without acknowledgement is sent again after this. */
const resendMs = 10_000;

interface HostTask {
  readonly taskId: string;
  readonly launch: Launch;
  container: Container | undefined;
  /** Updates not yet acknowledged, oldest first: only the first is sent. */
  readonly updates: StatusUpdate[];
  state: TaskState;
  killing: boolean;
  /** The executor is gone: nothing more is known of the container. */
  over: boolean;
  /** What `docker run` said where it was refused. */
  stderr?: string;
}

export class Host {
  readonly tasks = new Map<string, HostTask>();
  up = true;
  /** No packet of it reaches the master. */
  cutOff = false;
  registered = false;
  registeredMs = 0;
  epoch = 0;
  /** Counts the times that it lost power. */
  boots = 0;
  /** Until when the image cannot be had on it. */
  imageSpoiltUntilMs = 0;

  constructor(
    readonly index: number,
    readonly name: string,
    /** Another one after the operator said that this one is gone. */
    public agentId: string,
    readonly total: Needs,
    /** How fast its clock goes. */
    readonly clockRate: number,
    readonly bootedMs: number,
  ) {}

  get bootId(): string {
    return `${this.name}-boot-${this.boots}`;
  }

  /** Whether a container of the task may yet be started. */
  mayStart(taskId: string): boolean {
    const task = this.tasks.get(taskId);
    return task === undefined || (!task.over && task.container === undefined);
  }

  /** The end of a task's `stderr`, where the Mesos agent can be asked for it. */
  stderrOf(taskId: string): string | undefined {
    return this.up && !this.cutOff ? this.tasks.get(taskId)?.stderr : undefined;
  }

  /** CLOCK_BOOTTIME. */
  bootMs(nowMs: number): number {
    return (nowMs + this.bootedMs) * this.clockRate;
  }
}

interface MasterTask {
  readonly taskId: string;
  readonly agentId: string;
  state: TaskState;
}

interface OpenOffer {
  readonly id: string;
  readonly agentId: string;
  readonly sinceMs: number;
}

export class Mesos {
  readonly hosts: Host[];
  up = true;
  /** Id of the present subscription; each has a scheduler process at its other end. */
  stream: number | undefined;
  readonly tasks = new Map<string, MasterTask>();
  readonly offers = new Map<string, OpenOffer>();
  #suppressed = false;
  readonly #filters = new Map<string, number>();
  #frameworks = 0;
  #offerCount = 0;
  #uuids = 0;
  readonly #world: World;

  constructor(world: World, hostCount: number) {
    this.#world = world;
    this.hosts = Array.from(
      { length: hostCount },
      (_, index) =>
        new Host(
          index,
          `host-${index + 1}`,
          `agent-${index + 1}`,
          { cpus: 4, memMb: 8192, diskMb: 0 },
          1 + (world.random.next() - 0.5) * 2 * mostDrift,
          world.random.between(0, 1_000_000),
        ),
    );
    for (const host of this.hosts) this.register(host);
  }

  host(agentId: string): Host | undefined {
    return this.hosts.find((host) => host.agentId === agentId);
  }

  // The scheduler's calls.

  subscribe(frameworkId: string | undefined): string | undefined {
    if (!this.up || this.#isTornDown) return undefined;
    this.#frameworks += 1;
    this.stream = this.#world.newStream();
    this.#suppressed = false;
    this.#filters.clear();
    this.offers.clear();
    const id = frameworkId ?? `framework-${this.#frameworks}`;
    this.#toScheduler({ kind: 'subscribed', frameworkId: id });
    this.#offerSoon();
    return id;
  }

  accept(offerIds: readonly string[], launches: readonly Launch[]): void {
    const agentId = this.offers.get(offerIds[0] ?? '')?.agentId;
    const host = agentId === undefined ? undefined : this.host(agentId);
    const valid = offerIds.every((id) => this.offers.get(id)?.agentId === agentId);
    for (const id of offerIds) this.offers.delete(id);
    for (const launch of launches) {
      const taskId = launch.task.id;
      if (!valid || host === undefined || !host.registered) {
        this.#update({
          taskId,
          state: 'TASK_DROPPED',
          agentId: launch.task.agentId,
          source: 'SOURCE_MASTER',
          reason: 'REASON_INVALID_OFFERS',
        });
        continue;
      }
      this.tasks.set(taskId, { taskId, agentId: host.agentId, state: 'TASK_STAGING' });
      const { epoch } = host;
      this.#world.clock.in(this.#world.random.between(5, 500), () => {
        // A host that went meanwhile never hears of it.
        if (host.up && !host.cutOff && host.epoch === epoch) this.#launch(host, launch);
      });
    }
    this.#offerSoon();
  }

  decline(offerIds: readonly string[], refuseMs: number): void {
    for (const id of offerIds) {
      const offer = this.offers.get(id);
      if (offer === undefined) continue;
      this.offers.delete(id);
      this.#filters.set(offer.agentId, this.#world.clock.nowMs + refuseMs);
    }
    this.#offerSoon();
  }

  suppress(): void {
    this.#suppressed = true;
  }

  revive(): void {
    this.#suppressed = false;
    this.#filters.clear();
    this.#offerSoon();
  }

  acknowledge(taskId: string, agentId: string, uuid: string): void {
    const host = this.host(agentId);
    const task = host?.tasks.get(taskId);
    if (host === undefined || task === undefined || host.cutOff || !host.up) return;
    if (task.updates[0]?.uuid !== uuid) return;
    task.updates.shift();
    if (task.updates.length > 0) this.#sendFirst(host, task);
    else if (task.over) {
      host.tasks.delete(taskId);
      this.tasks.delete(taskId);
    }
  }

  kill(taskId: string, agentId: string | undefined): void {
    const known = this.tasks.get(taskId);
    if (known === undefined) return this.#unknown(taskId, agentId);
    if (agentId !== undefined && known.agentId !== agentId) return;
    const host = this.host(known.agentId);
    const task = host?.tasks.get(taskId);
    if (host === undefined || task === undefined || host.cutOff || !host.up || task.killing || task.over)
      return;
    task.killing = true;
    this.#say(host, task, { state: 'TASK_KILLING', source: 'SOURCE_EXECUTOR' });
    const { container } = task;
    // It ends by itself, whether or not anybody still watches.
    container?.agent.leave(() => this.#world.containers.end(container));
    this.#world.clock.in(this.#world.random.between(100, 10_000), () => {
      if (!host.up || task.over) return;
      this.#ends(host, task, 'TASK_KILLED', 'Container exited with status 0');
    });
  }

  reconcile(tasks: readonly { taskId: string; agentId: string }[]): void {
    if (tasks.length === 0) {
      for (const task of this.tasks.values()) this.#answer(task);
      return;
    }
    for (const { taskId, agentId } of tasks) {
      const task = this.tasks.get(taskId);
      if (task !== undefined) this.#answer(task);
      // While its host is still on the way back, the master is silent.
      else if (this.host(agentId)?.registered !== false || this.#world.clock.nowMs > this.#silentUntilMs) {
        this.#unknown(taskId, agentId);
      }
    }
  }

  // What happens to it.

  /** The master's process ends, and another leads after a while: it knows what hosts tell it. */
  failover(downMs: number): void {
    if (!this.up) return;
    this.up = false;
    this.#cutStream();
    this.tasks.clear();
    this.offers.clear();
    for (const host of this.hosts) host.registered = false;
    this.#world.clock.in(downMs, () => {
      this.up = true;
      this.#silentUntilMs = this.#world.clock.nowMs + 600_000;
      for (const host of this.hosts) {
        this.#world.clock.in(this.#world.random.between(500, 10_000), () => this.register(host));
      }
    });
  }
  #silentUntilMs = 0;

  cutConnection(): void {
    this.#cutStream();
  }

  rescindOne(): void {
    const offer = this.#world.random.pickIfAny([...this.offers.values()]);
    if (offer === undefined) return;
    this.offers.delete(offer.id);
    this.#toScheduler({ kind: 'rescinded', offerId: offer.id });
    this.#offerSoon();
  }

  /** No packets between the host and the master for a while. */
  cutHost(host: Host, forMs: number): void {
    if (host.cutOff || !host.up) return;
    host.cutOff = true;
    const { epoch } = host;
    this.#world.clock.in(unreachableMs, () => {
      if (host.cutOff && host.epoch === epoch) this.#unreachable(host);
    });
    this.#world.clock.in(forMs, () => {
      host.cutOff = false;
      // The connection broke: the host registers again, also where the master had not given it up.
      host.registered = false;
      this.register(host);
    });
  }

  /** The host loses power, and comes back with nothing running. */
  crashHost(host: Host, downMs: number): void {
    if (!host.up) return;
    host.up = false;
    host.boots += 1;
    host.epoch += 1;
    const { epoch } = host;
    for (const task of host.tasks.values()) {
      if (task.container !== undefined) this.#world.containers.end(task.container, true);
    }
    for (const container of this.#world.containers.running) {
      if (container.host === host) this.#world.containers.end(container, true);
    }
    this.#world.clock.in(unreachableMs, () => {
      if (!host.up && host.epoch === epoch) this.#unreachable(host);
    });
    this.#world.clock.in(downMs, () => {
      host.up = true;
      this.#world.volume.mountAgain(host);
      // What was running is reported by an agent that rebooted: it proves nothing (FACTS, Docker containerizer 5).
      for (const task of host.tasks.values()) {
        if (!task.over) {
          this.#queue(host, task, {
            state: 'TASK_FAILED',
            source: 'SOURCE_AGENT',
            reason: 'REASON_EXECUTOR_TERMINATED',
            message: 'Container terminated',
          });
          task.over = true;
        }
      }
      host.registered = false;
      this.register(host);
    });
  }

  spoilImage(host: Host, forMs: number): void {
    host.imageSpoiltUntilMs = Math.max(host.imageSpoiltUntilMs, this.#world.clock.nowMs + forMs);
  }

  /** The operator's word that a host will never come back with what ran on it; should it, it is another to Mesos. */
  markGone(host: Host): void {
    if (!this.up || host.up) return;
    const { agentId } = host;
    for (const task of [...this.tasks.values()]) {
      if (task.agentId !== agentId) continue;
      this.tasks.delete(task.taskId);
      this.#update({
        taskId: task.taskId,
        state: 'TASK_GONE_BY_OPERATOR',
        agentId,
        source: 'SOURCE_MASTER',
        reason: 'REASON_AGENT_REMOVED_BY_OPERATOR',
      });
    }
    this.#gone.add(agentId);
    this.#unreachable(host);
    host.tasks.clear();
    host.agentId = `agent-${host.index + 1}-after-${this.#gone.size}`;
  }
  readonly #gone = new Set<string>();

  /** The framework is removed, and with it whatever runs of it, wherever it shows up. */
  tearDown(): void {
    this.#isTornDown = true;
    this.stream = undefined;
    for (const host of this.hosts) this.#shutDown(host);
  }
  #isTornDown = false;

  #shutDown(host: Host): void {
    if (host.cutOff || !host.up) return;
    for (const task of host.tasks.values()) {
      task.over = true;
      if (task.container !== undefined) this.#world.containers.end(task.container);
    }
    host.tasks.clear();
  }

  register(host: Host): void {
    if (!this.up || !host.up || host.cutOff || host.registered) {
      if (!host.registered && host.up) this.#world.clock.in(1_000, () => this.register(host));
      return;
    }
    host.registered = true;
    host.registeredMs = this.#world.clock.nowMs;
    host.epoch += 1;
    if (this.#isTornDown) return this.#shutDown(host);
    // What the master has of it and it has not, never reached it.
    for (const task of [...this.tasks.values()]) {
      if (task.agentId !== host.agentId || host.tasks.has(task.taskId)) continue;
      this.tasks.delete(task.taskId);
      this.#update({
        taskId: task.taskId,
        state: 'TASK_DROPPED',
        agentId: host.agentId,
        source: 'SOURCE_AGENT',
        reason: 'REASON_RECONCILIATION',
      });
    }
    for (const task of host.tasks.values()) {
      this.tasks.set(task.taskId, { taskId: task.taskId, agentId: host.agentId, state: task.state });
      if (!task.over) {
        this.#update({
          taskId: task.taskId,
          state: task.state,
          agentId: host.agentId,
          source: 'SOURCE_MASTER',
          reason: 'REASON_AGENT_REREGISTERED',
        });
      }
      if (task.updates.length > 0) this.#sendFirst(host, task);
    }
    this.#offerSoon();
  }

  /** The container's main process ends. */
  containerEnds(container: Container, status: number): void {
    this.#world.containers.end(container);
    const { host } = container;
    const task = host.tasks.get(container.taskId);
    if (task === undefined || task.over) return;
    this.#ends(
      host,
      task,
      status === 0 ? 'TASK_FINISHED' : 'TASK_FAILED',
      `Container exited with status ${status}`,
    );
  }

  /** `docker run`'s client or the executor dies: Mesos reports an end, the container lives on. */
  loseSight(container: Container): void {
    const { host } = container;
    const task = host.tasks.get(container.taskId);
    if (task === undefined || task.over || !container.running) return;
    this.#world.containers.orphaned(container);
    task.container = undefined;
    const byClient = this.#world.random.chance(0.5);
    this.#queue(host, task, {
      state: 'TASK_FAILED',
      source: byClient ? 'SOURCE_EXECUTOR' : 'SOURCE_AGENT',
      message: byClient ? 'Container terminated with signal Killed' : 'Container terminated',
      ...(!byClient && { reason: 'REASON_EXECUTOR_TERMINATED' }),
    });
    task.over = true;
  }

  fail(container: Container): void {
    const { host } = container;
    const task = host.tasks.get(container.taskId);
    if (task === undefined || task.over) return;
    this.#world.containers.end(container);
    this.#queue(host, task, {
      state: 'TASK_KILLED',
      source: 'SOURCE_EXECUTOR',
      healthy: false,
      message: 'Container exited with status 137',
    });
    task.over = true;
  }

  // Its insides.

  #launch(host: Host, launch: Launch): void {
    const { task } = launch;
    const running: HostTask = {
      taskId: task.id,
      launch,
      container: undefined,
      updates: [],
      state: 'TASK_STAGING',
      killing: false,
      over: false,
    };
    host.tasks.set(task.id, running);
    this.#say(host, running, { state: 'TASK_STARTING', source: 'SOURCE_EXECUTOR' });
    const { boots } = host;
    this.#world.clock.in(this.#world.random.between(200, 5_000), () => {
      if (!host.up || running.over || host.boots !== boots) return;
      if (this.#world.clock.nowMs < host.imageSpoiltUntilMs) {
        this.#queue(host, running, {
          state: 'TASK_FAILED',
          source: 'SOURCE_AGENT',
          reason: 'REASON_CONTAINER_LAUNCH_FAILED',
          message: 'Failed to launch container: the image cannot be pulled',
        });
        running.over = true;
        return;
      }
      const container = this.#world.containers.start(launch, host);
      if (container === undefined) {
        running.stderr = 'docker: Error response from daemon: Address already in use.';
        this.#ends(host, running, 'TASK_FAILED', 'Container exited with status 125');
        return;
      }
      running.container = container;
      this.#say(host, running, { state: 'TASK_RUNNING', source: 'SOURCE_EXECUTOR' });
      this.#world.clock.in(3_000, () => {
        if (!running.over && !running.killing && container.running) {
          this.#say(host, running, { state: 'TASK_RUNNING', source: 'SOURCE_EXECUTOR', healthy: true });
        }
      });
    });
  }

  #ends(host: Host, task: HostTask, state: TaskState, message: string): void {
    if (task.container !== undefined) this.#world.containers.end(task.container);
    this.#queue(host, task, { state, source: 'SOURCE_EXECUTOR', message });
    task.over = true;
  }

  #say(
    host: Host,
    task: HostTask,
    update: Pick<StatusUpdate, 'state' | 'source'> & Partial<StatusUpdate>,
  ): void {
    if (!task.over) this.#queue(host, task, update);
  }

  #queue(host: Host, task: HostTask, update: Pick<StatusUpdate, 'state'> & Partial<StatusUpdate>): void {
    this.#uuids += 1;
    task.state = update.state;
    task.updates.push({ ...update, taskId: task.taskId, agentId: host.agentId, uuid: `uuid-${this.#uuids}` });
    if (task.updates.length === 1) this.#sendFirst(host, task);
  }

  /** The oldest update, now and again until it is acknowledged. */
  #sendFirst(host: Host, task: HostTask): void {
    const update = task.updates[0];
    // What the agent of a host that was marked gone had still to tell is never told: the next one begins with nothing.
    if (update === undefined || host.tasks.get(task.taskId) !== task) return;
    if (host.up && !host.cutOff && host.registered) {
      const known = this.tasks.get(task.taskId);
      if (known !== undefined) known.state = task.state;
      if (!this.#world.random.chance(this.#world.faults.lostUpdate)) this.#update(update);
      if (this.#world.random.chance(this.#world.faults.repeatedUpdate)) this.#update(update);
    }
    this.#world.clock.in(resendMs, () => {
      if (task.updates[0] === update) this.#sendFirst(host, task);
    });
  }

  #unreachable(host: Host): void {
    if (!host.registered) return;
    host.registered = false;
    for (const [id, offer] of this.offers) {
      if (offer.agentId !== host.agentId) continue;
      this.offers.delete(id);
      this.#toScheduler({ kind: 'rescinded', offerId: id });
    }
    for (const task of this.tasks.values()) {
      if (task.agentId !== host.agentId || terminal.has(task.state)) continue;
      task.state = 'TASK_UNREACHABLE';
      this.#answer(task);
    }
  }

  #answer(task: MasterTask): void {
    this.#update({
      taskId: task.taskId,
      state: task.state,
      agentId: task.agentId,
      source: 'SOURCE_MASTER',
      reason: task.state === 'TASK_UNREACHABLE' ? 'REASON_AGENT_REMOVED' : 'REASON_RECONCILIATION',
    });
  }

  #unknown(taskId: string, agentId: string | undefined): void {
    const isGone = agentId !== undefined && this.#gone.has(agentId);
    this.#update({
      taskId,
      state: isGone ? 'TASK_GONE_BY_OPERATOR' : 'TASK_UNKNOWN',
      ...(agentId !== undefined && { agentId }),
      source: 'SOURCE_MASTER',
      reason: 'REASON_RECONCILIATION',
    });
  }

  #update(update: StatusUpdate): void {
    this.#toScheduler({ kind: 'update', update });
  }

  #toScheduler(event: Parameters<World['deliver']>[1]): void {
    if (this.stream !== undefined && this.up) this.#world.deliver(this.stream, event);
  }

  #cutStream(): void {
    const { stream } = this;
    this.stream = undefined;
    this.offers.clear();
    if (stream !== undefined) this.#world.streamEnds(stream);
  }

  #free(host: Host): Needs {
    const used = [...host.tasks.values()].filter((task) => !task.over).length;
    const offered = [...this.offers.values()].some((offer) => offer.agentId === host.agentId);
    const left = offered ? 0 : 4 - used;
    return { cpus: left, memMb: left * 2048, diskMb: 0 };
  }

  #offerSoon(): void {
    this.#world.clock.in(this.#world.random.between(1, 1_000), () => this.#offer());
  }

  #offer(): void {
    if (this.stream === undefined || !this.up || this.#suppressed) return;
    const fresh = this.hosts.flatMap((host) => {
      if (!host.registered || (this.#filters.get(host.agentId) ?? 0) > this.#world.clock.nowMs) return [];
      const free = this.#free(host);
      if (free.cpus <= 0) return [];
      this.#offerCount += 1;
      const offer = {
        id: `offer-${this.#offerCount}`,
        agentId: host.agentId,
        hostname: host.name,
        attributes: {},
        unavailable: false,
        ...free,
      };
      this.offers.set(offer.id, { id: offer.id, agentId: host.agentId, sinceMs: this.#world.clock.nowMs });
      return [offer];
    });
    if (fresh.length > 0) this.#toScheduler({ kind: 'offers', offers: fresh });
  }
}
