/**
 * The master itself, without HTTP: frameworks, hosts, offers, tasks. Its manners are those of src/master/master.cpp of Apache
 * Mesos 1.12 and of the captures; numbers in comments are those of the captures.
 */
import type { Logger } from '../../log.js';
import { reservationsOf } from '../../mesos/resources.js';
import type {
  Call,
  Filters,
  FrameworkInfo,
  InverseOffer,
  MasterInfo,
  Offer,
  Resource,
  TaskInfo,
  TaskState,
  TaskStatus,
  TaskStatusReason,
  Unavailability,
} from '../../mesos/schema/codec.js';
import { allocate } from './allocation.js';
import type { Clock, Timer } from './clock.js';
import type { HostLink, HostTask, HostUpdate, MasterLink, Registration } from './link.js';
import {
  can,
  type DrainState,
  type EventStream,
  type Framework,
  isTerminal,
  type MasterHost,
  type MasterOffer,
  type MasterTask,
  resourcesOf,
  rolesOf,
  streamOf,
} from './records.js';
import type { Registry } from './registry.js';
import { add, allocatedTo, subtract, withoutAllocation } from './resources.js';
import { validateFramework, validateOffers, validateTask } from './validation.js';

export interface CoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly masterInfo: MasterInfo;
  readonly heartbeatMs: number;
  readonly allocationIntervalMs: number;
  /** How often a host is asked, and after how many missed answers it counts as unreachable. */
  readonly pingIntervalMs: number;
  readonly maxMissedPings: number;
  /** How long a host that the registry names may take to register with a new master. */
  readonly hostReregisterTimeoutMs: number;
  /** Roles that a principal may not use; its subscription is refused (43). */
  readonly forbiddenRoles: ReadonlySet<string>;
  /** Also what an earlier master wrote: the tasks of hosts that it admitted are not answered for before they are back. */
  readonly registry: Registry;
}

/** Mesos' default of a filter, and the longest that it takes. */
const defaultRefuseS = 5;
const maxRefuseS = 365 * 24 * 3600;

/** The least of an inverse offer that must be kept of it: which framework was asked what. */
interface InverseOfferRecord {
  readonly id: string;
  readonly frameworkId: string;
  readonly agentId: string;
}

export class MasterCore implements MasterLink {
  readonly frameworks = new Map<string, Framework>();
  readonly completedFrameworks = new Map<string, Framework>();
  readonly hosts = new Map<string, MasterHost>();
  readonly offers = new Map<string, MasterOffer>();
  readonly inverseOffers = new Map<string, InverseOfferRecord>();
  /** Named by the registry of an earlier master, not back yet. */
  readonly recoveredHosts: Set<string>;
  readonly startedAt: number;

  readonly #options: CoreOptions;
  readonly #timers = new Set<Timer>();
  #counters = { framework: 0, host: 0, offer: 0 };
  #stopped = false;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.startedAt = options.clock.now();
    this.recoveredHosts = new Set(options.registry.admitted);
    this.#every(options.allocationIntervalMs, () => this.allocate());
    if (this.recoveredHosts.size > 0) {
      this.#after(options.hostReregisterTimeoutMs, () => this.#giveUpRecoveredHosts());
    }
  }

  get #registry(): Registry {
    return this.#options.registry;
  }

  /** When a host became unreachable, in ms since the epoch. */
  get unreachableHosts(): ReadonlyMap<string, number> {
    return this.#registry.unreachable;
  }

  get goneHosts(): ReadonlySet<string> {
    return this.#registry.gone;
  }

  get forbiddenRoles(): ReadonlySet<string> {
    return this.#options.forbiddenRoles;
  }

  get masterInfo(): MasterInfo {
    return this.#options.masterInfo;
  }

  /** Ends all timers; streams and hosts are the caller's. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    for (const framework of this.frameworks.values()) {
      switch (framework.connection.kind) {
        case 'connected':
          framework.connection.heartbeats.cancel();
          break;
        case 'disconnected':
        case 'recovered':
          framework.connection.failover.cancel();
          break;
      }
      for (const filter of framework.filters) filter.expiry.cancel();
    }
    for (const host of this.hosts.values()) host.pings.cancel();
  }

  // ---- Frameworks ----

  /** A SUBSCRIBE that has passed the check of the call: refusals come as an ERROR on the stream, which then ends (15, 43). */
  subscribe(
    call: Extract<Call, { type: 'SUBSCRIBE' }>,
    principal: string | undefined,
    stream: EventStream,
  ): void {
    const info: FrameworkInfo = { ...call.subscribe.framework_info };
    if (principal !== undefined && info.principal === undefined) info.principal = principal;
    const refusal = this.#refusalOf(info, call.subscribe.suppressed_roles ?? []);
    if (refusal !== undefined) {
      this.#options.logger.info(`master: refused framework ${info.name}: ${refusal}`);
      stream.send({ type: 'ERROR', error: { message: refusal } });
      stream.end();
      return;
    }
    const existing = this.frameworks.get(info.id?.value ?? '');
    const framework = existing ?? this.#addFramework(info);
    if (existing !== undefined) {
      if (existing.info.principal !== info.principal) {
        stream.send({ type: 'ERROR', error: { message: "Changing framework's principal is not allowed." } });
        stream.end();
        return;
      }
      this.#endConnection(existing, 'Framework failed over');
      // Not to be changed by a new subscription (FACTS, scheduler API 3).
      const { user, checkpoint } = existing.info;
      existing.info = { ...info, user, ...(checkpoint === undefined ? {} : { checkpoint }) };
      existing.reregisteredAt = this.#options.clock.now();
    }
    framework.suppressed.clear();
    for (const role of call.subscribe.suppressed_roles ?? []) framework.suppressed.add(role);
    this.#clearFilters(framework);
    this.#connect(framework, stream);
    this.#options.logger.info(`master: framework ${framework.id} (${info.name}) subscribed`);
    for (const host of this.hosts.values()) {
      if (host.connected) host.link.frameworkSubscribed({ id: framework.id, info: framework.info });
    }
    this.allocate();
    this.#offerInverse(framework);
  }

  #refusalOf(info: FrameworkInfo, suppressedRoles: readonly string[]): string | undefined {
    const invalid = validateFramework(info);
    if (invalid !== undefined) return invalid;
    if (info.id !== undefined && this.completedFrameworks.has(info.id.value))
      return 'Framework has been removed';
    const roles = rolesOf(info);
    const stray = suppressedRoles.find((role) => !roles.includes(role));
    if (stray !== undefined) return `Suppressed role '${stray}' is not one of the framework's roles`;
    if (roles.some((role) => this.#options.forbiddenRoles.has(role))) {
      return `Not authorized to register framework ${info.id?.value ?? ''} with roles { ${roles.join(', ')} }`;
    }
    return undefined;
  }

  #addFramework(info: FrameworkInfo): Framework {
    const { masterInfo, clock } = this.#options;
    let id = info.id?.value;
    if (id === undefined || id === '') {
      id = `${masterInfo.id}-${String(this.#counters.framework).padStart(4, '0')}`;
      this.#counters.framework += 1;
    }
    const framework: Framework = {
      id,
      info: { ...info, id: { value: id } },
      connection: { kind: 'recovered', failover: { cancel: () => {} } },
      suppressed: new Set(),
      filters: new Set(),
      tasks: new Map(),
      unreachableTasks: new Map(),
      completedTasks: [],
      registeredAt: clock.now(),
      reregisteredAt: undefined,
      unregisteredAt: undefined,
    };
    this.frameworks.set(id, framework);
    return framework;
  }

  #connect(framework: Framework, stream: EventStream): void {
    const { heartbeatMs, masterInfo } = this.#options;
    const heartbeats = this.#every(heartbeatMs, () => stream.send({ type: 'HEARTBEAT' }));
    framework.connection = { kind: 'connected', stream, heartbeats };
    stream.send({
      type: 'SUBSCRIBED',
      subscribed: {
        framework_id: { value: framework.id },
        heartbeat_interval_seconds: heartbeatMs / 1000,
        master_info: masterInfo,
      },
    });
    stream.send({ type: 'HEARTBEAT' });
  }

  /** Takes the connection from a framework, whose offers are then void. With a message the old stream is told why it ends. */
  #endConnection(framework: Framework, message: string | undefined): void {
    const { connection } = framework;
    switch (connection.kind) {
      case 'connected':
        connection.heartbeats.cancel();
        if (message !== undefined) connection.stream.send({ type: 'ERROR', error: { message } });
        connection.stream.end();
        break;
      case 'disconnected':
      case 'recovered':
        connection.failover.cancel();
        break;
    }
    for (const offer of [...this.offers.values()]) {
      if (offer.frameworkId === framework.id) this.offers.delete(offer.id);
    }
    for (const offer of [...this.inverseOffers.values()]) {
      if (offer.frameworkId === framework.id) this.inverseOffers.delete(offer.id);
    }
  }

  /** The client has gone. Its tasks stay for the failover timeout; that is 0 by default, and then they are ended at once. */
  streamClosed(stream: EventStream): void {
    const framework = [...this.frameworks.values()].find((f) => streamOf(f)?.id === stream.id);
    if (framework === undefined || this.#stopped) return;
    const timeoutS = framework.info.failover_timeout ?? 0;
    this.#options.logger.info(
      `master: framework ${framework.id} disconnected; it has ${timeoutS} s to come back`,
    );
    this.#endConnection(framework, undefined);
    framework.connection = { kind: 'disconnected', failover: this.#failoverTimer(framework) };
  }

  #failoverTimer(framework: Framework): Timer {
    return this.#after((framework.info.failover_timeout ?? 0) * 1000, () => {
      this.#options.logger.info(`master: framework ${framework.id} did not come back in time`);
      this.removeFramework(framework.id);
    });
  }

  /** TEARDOWN, or the failover timeout: all tasks end, the id is never taken again. */
  removeFramework(id: string): void {
    const framework = this.frameworks.get(id);
    if (framework === undefined) return;
    this.#options.logger.info(`master: framework ${id} is removed`);
    // The stream just ends after a TEARDOWN: no event says so (14).
    this.#endConnection(framework, undefined);
    this.#clearFilters(framework);
    for (const host of this.hosts.values()) if (host.connected) host.link.shutdownFramework(id);
    for (const task of [...framework.tasks.values(), ...framework.unreachableTasks.values()]) {
      task.state = 'TASK_KILLED';
      remember(framework, task);
    }
    framework.tasks.clear();
    framework.unreachableTasks.clear();
    framework.connection = { kind: 'recovered', failover: { cancel: () => {} } };
    framework.unregisteredAt = this.#options.clock.now();
    this.frameworks.delete(id);
    this.completedFrameworks.set(id, framework);
  }

  // ---- Calls of a subscribed framework ----

  /** Every call but SUBSCRIBE. The caller has checked framework and stream; effects come on the stream. */
  call(framework: Framework, call: Exclude<Call, { type: 'SUBSCRIBE' }>): void {
    switch (call.type) {
      case 'TEARDOWN':
        this.removeFramework(framework.id);
        return;
      case 'ACCEPT':
        this.#accept(framework, call.accept);
        return;
      case 'DECLINE':
        this.#decline(framework, call.decline.offer_ids?.map((id) => id.value) ?? [], call.decline.filters);
        return;
      case 'ACCEPT_INVERSE_OFFERS':
        this.#answerInverse(
          framework,
          call.accept_inverse_offers.inverse_offer_ids ?? [],
          call.accept_inverse_offers.filters,
        );
        return;
      case 'DECLINE_INVERSE_OFFERS':
        this.#answerInverse(
          framework,
          call.decline_inverse_offers.inverse_offer_ids ?? [],
          call.decline_inverse_offers.filters,
        );
        return;
      case 'REVIVE': {
        const roles = this.#ownRoles(framework, call.revive?.roles);
        for (const role of roles) framework.suppressed.delete(role);
        for (const filter of [...framework.filters])
          if (roles.includes(filter.role)) dropFilter(framework, filter);
        this.allocate();
        return;
      }
      case 'SUPPRESS':
        for (const role of this.#ownRoles(framework, call.suppress?.roles)) framework.suppressed.add(role);
        return;
      case 'KILL':
        this.#kill(framework, call.kill);
        return;
      case 'ACKNOWLEDGE':
        this.#acknowledge(framework, call.acknowledge);
        return;
      case 'RECONCILE':
        this.#reconcile(framework, call.reconcile.tasks ?? []);
        return;
      case 'UPDATE_FRAMEWORK': {
        const { user, checkpoint } = framework.info;
        framework.info = {
          ...call.update_framework.framework_info,
          user,
          ...(checkpoint === undefined ? {} : { checkpoint }),
        };
        framework.suppressed.clear();
        for (const role of call.update_framework.suppressed_roles ?? []) framework.suppressed.add(role);
        this.allocate();
        return;
      }
      case 'SHUTDOWN':
      case 'MESSAGE':
      case 'REQUEST':
      case 'ACKNOWLEDGE_OPERATION_STATUS':
      case 'RECONCILE_OPERATIONS':
      case 'UNKNOWN':
        // Custom executors and operations on resources are not run here: the call is taken, and nothing comes of it.
        this.#options.logger.warn(`master: ${call.type} of framework ${framework.id} has no effect here`);
        return;
    }
  }

  /** No roles mean all; one that is not the framework's makes the whole call void (Master::suppress). */
  #ownRoles(framework: Framework, roles: readonly string[] | undefined): readonly string[] {
    const own = rolesOf(framework.info);
    if (roles === undefined || roles.length === 0) return own;
    return roles.every((role) => own.includes(role)) ? roles : [];
  }

  #accept(framework: Framework, accept: Extract<Call, { type: 'ACCEPT' }>['accept']): void {
    const ids = (accept.offer_ids ?? []).map((id) => id.value);
    const tasks = (accept.operations ?? []).flatMap((operation) =>
      operation.type === 'LAUNCH'
        ? (operation.launch?.task_infos ?? [])
        : operation.type === 'LAUNCH_GROUP'
          ? (operation.launch_group?.task_group.tasks ?? [])
          : [],
    );
    const error = validateOffers(ids, this.offers, framework);
    if (error !== undefined) {
      // Those of the offers that are still good are lost to the framework, too.
      for (const id of ids) this.offers.delete(id);
      for (const task of tasks) {
        this.#refuseTask(
          framework,
          task,
          this.#droppedState(framework),
          'REASON_INVALID_OFFERS',
          `Task launched with invalid offers: ${error}`,
        );
      }
      return;
    }
    const offers = ids.map((id) => this.offers.get(id) as MasterOffer);
    const { agentId, role } = offers[0] as MasterOffer;
    const host = this.hosts.get(agentId);
    for (const id of ids) this.offers.delete(id);
    if (host === undefined || !host.connected) {
      for (const task of tasks) {
        this.#refuseTask(
          framework,
          task,
          this.#droppedState(framework),
          host === undefined ? 'REASON_AGENT_REMOVED' : 'REASON_AGENT_DISCONNECTED',
          host === undefined ? 'Agent removed' : 'Agent disconnected',
        );
      }
      return;
    }
    let available = offers.reduce<Resource[]>((sum, offer) => add(sum, offer.resources), []);
    for (const given of tasks) {
      const task: TaskInfo = { ...given, resources: allocatedTo(role, given.resources ?? []) };
      const invalid = validateTask(task, agentId, framework, available);
      if (invalid !== undefined) {
        this.#refuseTask(framework, task, 'TASK_ERROR', 'REASON_TASK_INVALID', invalid);
        continue;
      }
      available = subtract(available, resourcesOf(task));
      this.#options.logger.info(`master: launching ${task.task_id.value} on ${host.registration.hostname}`);
      framework.tasks.set(task.task_id.value, {
        frameworkId: framework.id,
        agentId,
        info: task,
        state: 'TASK_STAGING',
        forwarded: undefined,
        statuses: [],
      });
      host.link.launch({ id: framework.id, info: framework.info }, task);
    }
    this.#addFilter(framework, role, agentId, available, accept.filters);
  }

  #droppedState(framework: Framework): TaskState {
    return can(framework.info, 'PARTITION_AWARE') ? 'TASK_DROPPED' : 'TASK_LOST';
  }

  /** A task that never came to be: the status has no uuid, so there is nothing to acknowledge (FACTS, real master 3). */
  #refuseTask(
    framework: Framework,
    task: TaskInfo,
    state: TaskState,
    reason: TaskStatusReason,
    message: string,
  ): void {
    this.#options.logger.info(`master: ${task.task_id.value} not launched: ${message}`);
    this.#sendStatus(framework, {
      task_id: task.task_id,
      state,
      message,
      source: 'SOURCE_MASTER',
      reason,
      agent_id: task.agent_id,
    });
  }

  #decline(framework: Framework, ids: readonly string[], filters: Filters | undefined): void {
    for (const id of ids) {
      const offer = this.offers.get(id);
      if (offer === undefined || offer.frameworkId !== framework.id) continue;
      this.offers.delete(id);
      this.#addFilter(framework, offer.role, offer.agentId, offer.resources, filters);
    }
  }

  #addFilter(
    framework: Framework,
    role: string,
    agentId: string,
    resources: readonly Resource[],
    filters: Filters | undefined,
  ): void {
    const given = filters?.refuse_seconds ?? defaultRefuseS;
    const refuseS = Math.min(given < 0 ? defaultRefuseS : given, maxRefuseS);
    if (refuseS === 0 || resources.length === 0) return;
    const filter = {
      role,
      agentId,
      resources: withoutAllocation(resources),
      expiry: this.#after(Math.max(refuseS * 1000, this.#options.allocationIntervalMs), () => {
        framework.filters.delete(filter);
      }),
    };
    framework.filters.add(filter);
  }

  #clearFilters(framework: Framework): void {
    for (const filter of [...framework.filters]) dropFilter(framework, filter);
  }

  #kill(framework: Framework, kill: Extract<Call, { type: 'KILL' }>['kill']): void {
    const taskId = kill.task_id.value;
    const task = framework.tasks.get(taskId);
    if (task === undefined) {
      this.#reconcile(framework, [
        { task_id: kill.task_id, ...(kill.agent_id === undefined ? {} : { agent_id: kill.agent_id }) },
      ]);
      return;
    }
    // A kill with another Mesos agent's id is passed over in silence (07).
    if (kill.agent_id !== undefined && kill.agent_id.value !== task.agentId) return;
    const host = this.hosts.get(task.agentId);
    if (host === undefined) return;
    host.killedTasks.add(killedKey(framework.id, taskId));
    if (host.connected) host.link.kill(framework.id, taskId, kill.kill_policy, false);
  }

  #acknowledge(framework: Framework, ack: Extract<Call, { type: 'ACKNOWLEDGE' }>['acknowledge']): void {
    const host = this.hosts.get(ack.agent_id.value);
    // Lost where the host is not there to hear it; the update then comes again.
    if (host === undefined || !host.connected) return;
    const task = framework.tasks.get(ack.task_id.value);
    if (task !== undefined && task.agentId === host.id) {
      if (task.forwarded === undefined) return;
      if (isTerminal(task.forwarded.state) && task.forwarded.uuid === ack.uuid) {
        framework.tasks.delete(ack.task_id.value);
        remember(framework, task);
      }
    }
    host.link.acknowledge(framework.id, ack.task_id.value, ack.uuid);
    this.#checkDrained(host);
  }

  #reconcile(
    framework: Framework,
    asked: readonly { task_id: { value: string }; agent_id?: { value: string } }[],
  ): void {
    if (asked.length === 0) {
      for (const task of framework.tasks.values()) this.#sendStatus(framework, latestStatus(task));
      return;
    }
    const partitionAware = can(framework.info, 'PARTITION_AWARE');
    for (const { task_id, agent_id } of asked) {
      const task = framework.tasks.get(task_id.value);
      if (task !== undefined) {
        this.#sendStatus(framework, latestStatus(task));
        continue;
      }
      const agentId = agent_id?.value;
      const mayComeBack =
        agentId === undefined ? this.recoveredHosts.size > 0 : this.recoveredHosts.has(agentId);
      // Silence: a host of the registry has not registered yet, and might run it.
      if (mayComeBack) continue;
      const answer = (state: TaskState, what: string, more: Partial<TaskStatus> = {}) =>
        this.#sendStatus(framework, {
          task_id,
          state: partitionAware ? state : 'TASK_LOST',
          message: `Reconciliation: Task is ${what}`,
          source: 'SOURCE_MASTER',
          reason: 'REASON_RECONCILIATION',
          ...(agent_id === undefined ? {} : { agent_id }),
          ...more,
        });
      const unreachableAt = agentId === undefined ? undefined : this.unreachableHosts.get(agentId);
      if (agentId !== undefined && this.hosts.has(agentId)) answer('TASK_GONE', 'unknown to the agent');
      else if (unreachableAt !== undefined) {
        answer('TASK_UNREACHABLE', 'unreachable', { unreachable_time: { nanoseconds: unreachableAt * 1e6 } });
      } else if (agentId !== undefined && this.goneHosts.has(agentId))
        answer('TASK_GONE_BY_OPERATOR', 'gone');
      else answer('TASK_UNKNOWN', 'unknown');
    }
  }

  #sendStatus(framework: Framework, status: TaskStatus): void {
    const timestamp = status.timestamp ?? this.#options.clock.now() / 1000;
    streamOf(framework)?.send({ type: 'UPDATE', update: { status: { ...status, timestamp } } });
  }

  // ---- Offers ----

  /** Offers what is free, where it is wanted. */
  allocate(): void {
    if (this.#stopped) return;
    const allocations = allocate({
      frameworks: [...this.frameworks.values()],
      hosts: [...this.hosts.values()],
      offers: this.offers.values(),
    });
    const byFramework = new Map<string, Offer[]>();
    for (const { frameworkId, agentId, role, resources } of allocations) {
      const framework = this.frameworks.get(frameworkId) as Framework;
      const host = this.hosts.get(agentId) as MasterHost;
      const id = this.#nextOfferId();
      this.offers.set(id, { id, frameworkId, agentId, role, resources });
      const { registration } = host;
      const offer: Offer = {
        id: { value: id },
        framework_id: { value: frameworkId },
        agent_id: { value: agentId },
        hostname: registration.hostname,
        url: urlOf(registration),
        ...(registration.domain === undefined ? {} : { domain: registration.domain }),
        resources: resources.map((resource) => offered(framework, resource)),
        ...(registration.attributes.length === 0 ? {} : { attributes: [...registration.attributes] }),
        ...(host.unavailability === undefined ? {} : { unavailability: host.unavailability }),
        allocation_info: { role },
      };
      byFramework.set(frameworkId, [...(byFramework.get(frameworkId) ?? []), offer]);
    }
    for (const [frameworkId, offers] of byFramework) {
      streamOf(this.frameworks.get(frameworkId) as Framework)?.send({ type: 'OFFERS', offers: { offers } });
    }
  }

  #nextOfferId(): string {
    const id = `${this.#options.masterInfo.id}-O${this.#counters.offer}`;
    this.#counters.offer += 1;
    return id;
  }

  /** Takes back every offer of a host. */
  rescindOffers(agentId: string): void {
    for (const offer of [...this.offers.values()]) {
      if (offer.agentId !== agentId) continue;
      this.offers.delete(offer.id);
      const framework = this.frameworks.get(offer.frameworkId);
      if (framework !== undefined)
        streamOf(framework)?.send({ type: 'RESCIND', rescind: { offer_id: { value: offer.id } } });
    }
    for (const offer of [...this.inverseOffers.values()]) {
      if (offer.agentId !== agentId) continue;
      this.inverseOffers.delete(offer.id);
      const framework = this.frameworks.get(offer.frameworkId);
      if (framework !== undefined) {
        streamOf(framework)?.send({
          type: 'RESCIND_INVERSE_OFFER',
          rescind_inverse_offer: { inverse_offer_id: { value: offer.id } },
        });
      }
    }
  }

  // ---- Maintenance ----

  /** The whole schedule anew, as POST /maintenance/schedule gives it: by host name. */
  setMaintenance(schedule: ReadonlyMap<string, Unavailability>): void {
    // Offers of all hosts are taken back, whether or not the schedule changes anything for them (20).
    for (const host of this.hosts.values()) {
      host.unavailability = schedule.get(host.registration.hostname);
      this.rescindOffers(host.id);
    }
    this.allocate();
    for (const framework of this.frameworks.values()) this.#offerInverse(framework);
  }

  /** Asks the framework for what it has, or is offered, on hosts that will be away (23). */
  #offerInverse(framework: Framework): void {
    const stream = streamOf(framework);
    if (stream === undefined) return;
    const inverse: InverseOffer[] = [];
    for (const host of this.hosts.values()) {
      if (host.unavailability === undefined) continue;
      const isThere = ({ agentId }: MasterTask | MasterOffer) => agentId === host.id;
      const offers = [...this.offers.values()].filter((offer) => offer.frameworkId === framework.id);
      if (![...framework.tasks.values(), ...offers].some(isThere)) continue;
      if (
        [...this.inverseOffers.values()].some((o) => o.frameworkId === framework.id && o.agentId === host.id)
      )
        continue;
      const id = this.#nextOfferId();
      this.inverseOffers.set(id, { id, frameworkId: framework.id, agentId: host.id });
      inverse.push({
        id: { value: id },
        url: urlOf(host.registration),
        framework_id: { value: framework.id },
        agent_id: { value: host.id },
        unavailability: host.unavailability,
      });
    }
    if (inverse.length > 0)
      stream.send({ type: 'INVERSE_OFFERS', inverse_offers: { inverse_offers: inverse } });
  }

  /** Whether accepted or declined, the framework is asked again when the filter has run out (20, the second inverse offer). */
  #answerInverse(
    framework: Framework,
    ids: readonly { value: string }[],
    filters: Filters | undefined,
  ): void {
    let known = false;
    for (const { value } of ids) {
      if (this.inverseOffers.get(value)?.frameworkId === framework.id)
        known = this.inverseOffers.delete(value);
    }
    if (known)
      this.#after((filters?.refuse_seconds ?? defaultRefuseS) * 1000, () => this.#offerInverse(framework));
  }

  // ---- Hosts ----

  register(registration: Registration, link: HostLink): string | undefined {
    const { clock, logger, masterInfo } = this.#options;
    let id = registration.agentId;
    if (id !== undefined && this.goneHosts.has(id)) {
      link.markedGone();
      return undefined;
    }
    const now = clock.now();
    const known = id !== undefined && (this.hosts.has(id) || this.recoveredHosts.has(id));
    const wasUnreachable = id !== undefined && this.unreachableHosts.has(id);
    if (id === undefined) {
      id = `${masterInfo.id}-S${this.#counters.host}`;
      this.#counters.host += 1;
    } else if (!known) {
      this.#announceReturn(id, registration, wasUnreachable);
    }
    const before = this.hosts.get(id);
    if (before !== undefined) {
      before.pings.cancel();
      if (JSON.stringify(before.registration.resources) !== JSON.stringify(registration.resources))
        this.rescindOffers(id);
    }
    const host: MasterHost = {
      id,
      registration,
      link,
      connected: true,
      missedPings: 0,
      pings: { cancel: () => {} },
      registeredAt: before?.registeredAt ?? now,
      reregisteredAt: registration.agentId === undefined ? undefined : now,
      unavailability: before?.unavailability,
      draining: before?.draining ?? 'no',
      killedTasks: before?.killedTasks ?? new Set(),
    };
    host.pings = this.#every(this.#options.pingIntervalMs, () => this.#ping(host));
    this.hosts.set(id, host);
    this.recoveredHosts.delete(id);
    this.#registry.admit(id);
    logger.info(`master: host ${registration.hostname} registered as ${id}`);
    this.#takeTasks(host);
    this.allocate();
    return id;
  }

  /** Tasks of a host that counted as unreachable, or that this master never knew: the frameworks learn that they are back (20). */
  #announceReturn(agentId: string, registration: Registration, wasUnreachable: boolean): void {
    for (const task of registration.tasks) {
      const framework = this.frameworks.get(task.frameworkId);
      if (framework === undefined) continue;
      framework.unreachableTasks.delete(task.info.task_id.value);
      this.#sendStatus(framework, {
        ...latestStatus(taskOf(task, agentId)),
        message: wasUnreachable ? 'Unreachable agent re-reregistered' : 'Unknown agent reregistered',
        reason: 'REASON_AGENT_REREGISTERED',
        state: task.state,
      });
    }
    for (const framework of this.frameworks.values()) {
      for (const [taskId, task] of framework.unreachableTasks) {
        if (task.agentId !== agentId) continue;
        framework.unreachableTasks.delete(taskId);
        remember(framework, task);
      }
    }
  }

  /** What the host says it runs becomes what the master knows; what only the master knows, the host is asked about. */
  #takeTasks(host: MasterHost): void {
    const { registration } = host;
    const said = new Set<string>();
    for (const { id, info } of registration.frameworks) {
      if (this.frameworks.has(id)) continue;
      if (this.completedFrameworks.has(id)) {
        host.link.shutdownFramework(id);
        continue;
      }
      if (!registration.tasks.some((task) => task.frameworkId === id)) continue;
      const framework = this.#addFramework({ ...info, id: { value: id } });
      framework.connection = { kind: 'recovered', failover: this.#failoverTimer(framework) };
    }
    for (const task of registration.tasks) {
      const framework = this.frameworks.get(task.frameworkId);
      if (framework === undefined) continue;
      said.add(killedKey(framework.id, task.info.task_id.value));
      framework.unreachableTasks.delete(task.info.task_id.value);
      framework.tasks.set(task.info.task_id.value, taskOf(task, host.id));
    }
    for (const framework of this.frameworks.values()) {
      const missing = [...framework.tasks.values()]
        .filter(
          (task) => task.agentId === host.id && !said.has(killedKey(framework.id, task.info.task_id.value)),
        )
        .map((task) => task.info.task_id.value);
      if (missing.length > 0) host.link.reconcile(framework.id, missing);
    }
    for (const key of host.killedTasks) {
      const [frameworkId, taskId] = JSON.parse(key) as [string, string];
      if (said.has(key)) host.link.kill(frameworkId, taskId, undefined, false);
    }
  }

  update(agentId: string, update: HostUpdate): void {
    const host = this.hosts.get(agentId);
    const framework = this.frameworks.get(update.frameworkId);
    // Lost: the host sends it again until it is acknowledged.
    if (host === undefined || !host.connected || framework === undefined) return;
    const { status, latestState } = update;
    const task = framework.tasks.get(status.task_id.value);
    if (task !== undefined && task.agentId === agentId) {
      if (!isTerminal(task.state)) task.state = latestState;
      task.forwarded = { state: status.state, uuid: status.uuid };
      if (!task.statuses.some((s) => s.uuid === status.uuid)) task.statuses.push(status);
    }
    const stream = streamOf(framework);
    if (stream === undefined) return;
    this.#options.logger.debug(
      `master: ${status.task_id.value} is ${status.state}${status.message ? `: ${status.message}` : ''}`,
    );
    stream.send({ type: 'UPDATE', update: { status } });
  }

  /** Pings go on, and decide when the host counts as unreachable; until then its tasks count as running. */
  closed(agentId: string): void {
    const host = this.hosts.get(agentId);
    if (host === undefined || !host.connected) return;
    this.#options.logger.info(`master: host ${host.registration.hostname} disconnected`);
    host.connected = false;
    this.rescindOffers(agentId);
    for (const framework of this.frameworks.values()) {
      // Without checkpointing a host that disconnects takes the tasks with it (Master::exited).
      if (framework.info.checkpoint === true) continue;
      for (const task of [...framework.tasks.values()]) {
        if (task.agentId !== agentId) continue;
        this.#endTask(framework, task, {
          state: 'TASK_LOST',
          message: `Agent ${host.registration.hostname} disconnected`,
          reason: 'REASON_AGENT_DISCONNECTED',
        });
      }
    }
  }

  unregister(agentId: string): void {
    const host = this.hosts.get(agentId);
    if (host === undefined) return;
    this.#options.logger.info(`master: host ${host.registration.hostname} unregistered`);
    const message = `Agent ${host.registration.hostname} removed: the agent unregistered`;
    this.#registry.remove(agentId);
    // TASK_LOST even for those that are PARTITION_AWARE (Master::_removeSlave).
    this.#removeHost(host, { state: 'TASK_LOST', message, reason: 'REASON_AGENT_REMOVED' });
  }

  #ping(host: MasterHost): void {
    if (host.link.ping()) {
      host.missedPings = 0;
      return;
    }
    host.missedPings += 1;
    if (host.missedPings >= this.#options.maxMissedPings) this.markUnreachable(host.id);
  }

  markUnreachable(agentId: string): void {
    const host = this.hosts.get(agentId);
    if (host === undefined) return;
    const now = this.#options.clock.now();
    this.#options.logger.info(`master: host ${host.registration.hostname} is unreachable`);
    this.#registry.markUnreachable(agentId, now);
    this.#removeHost(host, {
      state: 'TASK_UNREACHABLE',
      message: 'health check timed out',
      reason: 'REASON_AGENT_REMOVED',
      unreachable_time: { nanoseconds: now * 1e6 },
    });
  }

  /** The operator's word (60 to 66): whatever ran there counts as ended, and the host never comes back. */
  markGone(agentId: string): void {
    this.#registry.markGone(agentId);
    this.recoveredHosts.delete(agentId);
    const status = {
      state: 'TASK_GONE_BY_OPERATOR',
      message: 'Agent has been marked gone',
      reason: 'REASON_AGENT_REMOVED_BY_OPERATOR',
    } as const;
    const host = this.hosts.get(agentId);
    if (host !== undefined) {
      this.#removeHost(host, status);
      host.link.markedGone();
      return;
    }
    for (const framework of this.frameworks.values()) {
      for (const task of [...framework.unreachableTasks.values()]) {
        if (task.agentId === agentId) this.#endTask(framework, task, status);
      }
    }
  }

  #removeHost(
    host: MasterHost,
    status: Partial<TaskStatus> & { state: TaskState; reason: TaskStatusReason },
  ): void {
    host.pings.cancel();
    this.hosts.delete(host.id);
    for (const framework of this.frameworks.values()) {
      for (const task of [...framework.tasks.values()]) {
        if (task.agentId === host.id) this.#endTask(framework, task, status);
      }
    }
    this.rescindOffers(host.id);
    for (const framework of this.frameworks.values()) {
      streamOf(framework)?.send({ type: 'FAILURE', failure: { agent_id: { value: host.id } } });
    }
  }

  /** Without PARTITION_AWARE all of these are TASK_LOST, with the one reason that was there before it. */
  #endTask(
    framework: Framework,
    task: MasterTask,
    status: Partial<TaskStatus> & { state: TaskState; reason: TaskStatusReason },
  ): void {
    const aware = can(framework.info, 'PARTITION_AWARE');
    const lost = {
      state: 'TASK_LOST',
      reason: status.reason === 'REASON_AGENT_REMOVED_BY_OPERATOR' ? 'REASON_AGENT_REMOVED' : status.reason,
    } as const;
    const { unreachable_time, ...rest } = status;
    framework.tasks.delete(task.info.task_id.value);
    framework.unreachableTasks.delete(task.info.task_id.value);
    task.state = aware ? status.state : 'TASK_LOST';
    if (status.state === 'TASK_UNREACHABLE') framework.unreachableTasks.set(task.info.task_id.value, task);
    else remember(framework, task);
    this.#sendStatus(framework, {
      task_id: task.info.task_id,
      agent_id: { value: task.agentId },
      source: 'SOURCE_MASTER',
      ...rest,
      ...(aware ? {} : lost),
      ...(unreachable_time === undefined ? {} : { unreachable_time }),
    });
  }

  #giveUpRecoveredHosts(): void {
    const now = this.#options.clock.now();
    for (const id of this.recoveredHosts) this.#registry.markUnreachable(id, now);
    this.recoveredHosts.clear();
  }

  // ---- Draining ----

  drain(agentId: string, maxGraceNs: number | undefined): void {
    const host = this.hosts.get(agentId);
    if (host === undefined) return;
    this.#setDraining(host, 'draining');
    const policy = maxGraceNs === undefined ? undefined : { grace_period: { nanoseconds: maxGraceNs } };
    for (const framework of this.frameworks.values()) {
      for (const task of framework.tasks.values()) {
        if (task.agentId !== agentId || isTerminal(task.state)) continue;
        const own = task.info.kill_policy?.grace_period?.nanoseconds ?? Number.POSITIVE_INFINITY;
        const shorter = maxGraceNs !== undefined && maxGraceNs < own ? policy : undefined;
        host.link.kill(framework.id, task.info.task_id.value, shorter, true);
      }
    }
    this.#checkDrained(host);
  }

  reactivate(agentId: string): void {
    const host = this.hosts.get(agentId);
    if (host === undefined) return;
    this.#setDraining(host, 'no');
    this.allocate();
  }

  #setDraining(host: MasterHost, state: DrainState): void {
    host.draining = state;
    if (state !== 'no') this.rescindOffers(host.id);
  }

  #checkDrained(host: MasterHost): void {
    if (host.draining !== 'draining') return;
    const busy = [...this.frameworks.values()].some((f) =>
      [...f.tasks.values()].some((task) => task.agentId === host.id),
    );
    if (!busy) host.draining = 'drained';
  }

  // ---- Time ----

  #after(ms: number, run: () => void): Timer {
    const timer = this.#options.clock.after(ms, () => {
      this.#timers.delete(handle);
      run();
    });
    const handle: Timer = {
      cancel: () => {
        this.#timers.delete(handle);
        timer.cancel();
      },
    };
    this.#timers.add(handle);
    return handle;
  }

  #every(ms: number, run: () => void): Timer {
    let current: Timer;
    const arm = () => {
      current = this.#after(ms, () => {
        arm();
        run();
      });
    };
    arm();
    return { cancel: () => current.cancel() };
  }
}

/** As many ended tasks of a framework are kept for /state; Mesos' default. */
const maxCompletedTasks = 1000;

function remember(framework: Framework, task: MasterTask): void {
  framework.completedTasks.push(task);
  if (framework.completedTasks.length > maxCompletedTasks) framework.completedTasks.shift();
}

const killedKey = (frameworkId: string, taskId: string): string => JSON.stringify([frameworkId, taskId]);

function dropFilter(
  framework: Framework,
  filter: Framework['filters'] extends Set<infer F> ? F : never,
): void {
  filter.expiry.cancel();
  framework.filters.delete(filter);
}

function taskOf(task: HostTask, agentId: string): MasterTask {
  const last = task.statuses.at(-1);
  return {
    frameworkId: task.frameworkId,
    agentId,
    info: task.info,
    state: task.state,
    forwarded: last === undefined ? undefined : { state: last.state, uuid: last.uuid },
    statuses: [...task.statuses],
  };
}

/** The answer of a reconciliation: no uuid, no executor, no `data` (05, 06). */
function latestStatus(task: MasterTask): TaskStatus {
  const last = task.statuses.at(-1);
  return {
    task_id: task.info.task_id,
    state: task.forwarded?.state ?? task.state,
    message: 'Reconciliation: Latest task state',
    source: 'SOURCE_MASTER',
    reason: 'REASON_RECONCILIATION',
    agent_id: { value: task.agentId },
    ...(last?.healthy === undefined ? {} : { healthy: last.healthy }),
    ...(last?.check_status === undefined ? {} : { check_status: last.check_status }),
    ...(last?.container_status === undefined ? {} : { container_status: last.container_status }),
  };
}

function urlOf(registration: Registration): NonNullable<Offer['url']> {
  return {
    scheme: 'http',
    address: { hostname: registration.hostname, ...registration.address },
    path: '/slave(1)',
  };
}

/** Reservations are written in the one way that the framework understands (FACTS, scheduler API 4). */
function offered(framework: Framework, resource: Resource): Resource {
  const { role: _, reservation: __, reservations: ___, ...rest } = resource;
  const reservations = reservationsOf(resource);
  if (can(framework.info, 'RESERVATION_REFINEMENT')) {
    return { ...rest, ...(reservations.length === 0 ? {} : { reservations }) };
  }
  const reserved = reservations.at(-1);
  if (reserved === undefined) return { ...rest, role: '*' };
  const { role, type, ...reservation } = reserved;
  return { ...rest, role: role ?? '*', ...(type === 'DYNAMIC' ? { reservation } : {}) };
}
