/** The scheduler: the pure core, fed by the driver and the clock, its actions carried out one after another. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decide, initialState, nextTickMs } from './cluster/decide.js';
import type {
  Action,
  ClusterEvent,
  ClusterRecord,
  ClusterSpec,
  ClusterState,
  Launch,
} from './cluster/model.js';
import { yetToHear } from './cluster/pause.js';
import { withoutFramework } from './cluster/record.js';
import { type ClusterView, type ToldMember, viewOf, warningsOf } from './cluster/view.js';
import type { Checked } from './config/load.js';
import type { Settings } from './config/settings.js';
import { ControlClient } from './control/client.js';
import { type AskedNode, handOver } from './control/hand-over.js';
import { Messenger } from './control/messenger.js';
import { CodedError, type ErrorCode, messageOf } from './errors.js';
import type { Logger } from './log.js';
import { createDetector } from './mesos/detector.js';
import { describeConnection, MesosDriver } from './mesos/driver.js';
import { frameworkInfoFor } from './mesos/framework-info.js';
import { takeResources } from './mesos/resources.js';
import { agentUrlOf, readStderr } from './mesos/sandbox.js';
import type { Offer, Resource, TaskInfo } from './mesos/schema/codec.js';
import { needsOf, taskInfoFor } from './mesos/task-info.js';
import { toClusterEvent } from './mesos/translate.js';
import { loadTransport, type Transport } from './mesos/transport.js';
import { askNode, memberTold } from './node-status.js';
import { runOperatorsCommand } from './operators-command.js';
import type { SchedulerKey } from './store/key-pair.js';
import { openStore, type StoreObserver } from './store/open-store.js';
import type { Order, OrderAnswer } from './store/orders.js';
import type { Store } from './store/store.js';

export interface Scheduler {
  snapshot(): ClusterView;
  connection(): MasterConnection;
  /** Leaves the master; tasks run on. */
  stop(): Promise<void>;
  /** Ends every task, then the framework. */
  teardown(): Promise<void>;
  /** Resolves after `stop` or `teardown`; rejects with a CodedError when the scheduler cannot go on. */
  readonly done: Promise<void>;
}

export interface MasterConnection {
  /** The master that it is subscribed at, `HOST:PORT`; undefined while it is at none. */
  readonly master: string | undefined;
  /** One sentence. */
  readonly reason: string;
}

interface Dependencies {
  readonly logger: Logger;
  /** Ends the standing by for a store that another scheduler has. */
  readonly signal?: AbortSignal;
  readonly observer?: StoreObserver;
}

/**
 * Starts scheduling. Resolves when the store is open, which may take until another scheduler ends, and the driver on its way.
 * @throws CodedError when the store cannot be used, or is another cluster's
 */
export async function startScheduler(
  settings: Settings,
  { logger, signal, observer }: Dependencies,
): Promise<Scheduler> {
  const transport = loadTransport(settings, process.env);
  const store = await openStore(settings, { logger, signal, observer, whileLocked: 'standBy' });
  try {
    const record = await store.load();
    if (record !== undefined) refuseOtherAddresses(record, settings, store.place);
    const key = await store.keyPair();
    return new RunningScheduler({
      store,
      record,
      spec: specOf(settings),
      settings,
      transport,
      logger,
      key,
      taskInfo: (launch, resources) => taskInfoFor(settings, launch, key.fingerprint, resources),
      releaseAddress: settings.releaseAddress,
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}

type TeardownSettings = Checked<
  | 'master'
  | 'masterTimeoutS'
  | 'frameworkName'
  | 'user'
  | 'role'
  | 'principal'
  | 'secretFile'
  | 'tlsCaFile'
  | 'tlsCertFile'
  | 'tlsKeyFile'
  | 'failoverTimeoutS'
  | 'hostname'
  | 'stateFile'
>;

/**
 * Ends the tasks of the framework that the store names, and the framework.
 * @throws CodedError STATE_MISSING where the store names none
 */
export async function tearDownFramework(
  settings: TeardownSettings,
  { logger }: Dependencies,
): Promise<{ frameworkId: string }> {
  const transport = loadTransport(settings, process.env);
  const store = await openStore(settings, { logger, whileLocked: 'giveUp' });
  const record = await store.load();
  const frameworkId = record?.frameworkId;
  if (record === undefined || frameworkId === undefined) {
    await store.close();
    throw new CodedError(
      'STATE_MISSING',
      `${store.place} names no framework: give the --state-file or --store, and the --framework-name, that it runs with`,
    );
  }
  const scheduler = new RunningScheduler({
    store,
    record,
    spec: { ...teardownSpec, addresses: record.addresses },
    settings,
    transport,
    logger,
    taskInfo: () => {
      throw new Error('a teardown launches nothing');
    },
  });
  await scheduler.teardown();
  return { frameworkId };
}

/** Of a spec, a teardown needs only how long the ends of tasks may take. */
const teardownSpec: Omit<ClusterSpec, 'addresses'> = {
  needs: { cpus: 0, memMb: 0, diskMb: 0 },
  constraints: [],
  launchTimeoutMs: Number.POSITIVE_INFINITY,
  unreachableGraceMs: Number.POSITIVE_INFINITY,
  killGraceMs: 20_000,
  backoffMinMs: 0,
  backoffMaxMs: 0,
  healthySpellMs: 0,
  offerHoldMs: 0,
  declineMs: 3_600_000,
  canReleaseAddress: false,
};

function specOf(settings: Settings): ClusterSpec {
  return {
    addresses: settings.ips,
    needs: needsOf(settings),
    constraints: settings.constraints,
    launchTimeoutMs: settings.launchTimeoutS * 1000,
    unreachableGraceMs: settings.unreachableGraceS * 1000,
    killGraceMs: settings.killGraceS * 1000,
    backoffMinMs: settings.backoffMinS * 1000,
    backoffMaxMs: settings.backoffMaxS * 1000,
    healthySpellMs: settings.healthySpellS * 1000,
    offerHoldMs: settings.offerHoldMs,
    declineMs: settings.declineRefuseS * 1000,
    canReleaseAddress: settings.releaseAddress !== undefined,
  };
}

function refuseOtherAddresses(record: ClusterRecord, settings: Settings, place: string): void {
  if (record.addresses.join() === settings.ips.join()) return;
  throw new CodedError(
    'STATE_MISMATCH',
    `${place} is that of a cluster with the addresses ${record.addresses.join(', ')}, not ${settings.ips.join(', ')}: give those, or tear that cluster down first, or use another --state-file (of --store: another prefix)`,
  );
}

interface RunningOptions {
  readonly store: Store;
  readonly record: ClusterRecord | undefined;
  readonly spec: ClusterSpec;
  readonly settings: TeardownSettings;
  readonly transport: Transport;
  readonly logger: Logger;
  /** What node agents know us by. Without it they are told nothing. */
  readonly key?: SchedulerKey;
  readonly taskInfo: (launch: Launch, resources: readonly Resource[]) => TaskInfo;
  /** The operator's command, with `{address}` in it. */
  readonly releaseAddress?: string | undefined;
}

/** Between attempts to store: nothing is sent before what it follows from is stored. */
const storeAgainMs = 1_000;
/** Between questions to the nodes. */
const askEveryMs = 5_000;
/** Between looks for the operator's orders: a person waits for the answer. */
const ordersEveryMs = 1_000;
/** For so long a pause, or its end, is not called done before all nodes know. */
const nodesHearWithinMs = 8_000;
/** What the store says once and for all. */
const forGood: ReadonlySet<ErrorCode> = new Set(['STORE_LOST', 'STATE_CORRUPT', 'STATE_NEWER']);

class RunningScheduler implements Scheduler {
  readonly done: Promise<void>;
  readonly #options: RunningOptions;
  readonly #driver: MesosDriver;
  #state: ClusterState;
  /** Offers in hand, whole: the core knows only what it decides by. */
  readonly #offers = new Map<string, Offer>();
  /** Where each host's Mesos agent answers, as its last offer said. */
  readonly #agents = new Map<string, URL>();
  /** The last failed task of each Mesos agent that no offer has named an address of yet: the process is new. */
  readonly #unexplained = new Map<string, string>();
  readonly #messenger: Messenger | undefined;
  readonly #over = new AbortController();
  #warnings: readonly string[] = [];
  /** What each node told last of its etcd, by number. */
  readonly #told = new Map<number, ToldMember>();
  readonly #events: ClusterEvent[] = [];
  #subscriptions = 0;
  #subscriptionsDecidedOn = 0;
  #working: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #hasReadAgain = false;
  #end!: { resolve: () => void; reject: (error: unknown) => void };
  readonly #driving: Promise<void>;
  /** Orders that were taken up, by id; one whose answer could not be stored is taken up again. */
  readonly #takenUp = new Set<string>();
  readonly #everySoOften: readonly NodeJS.Timeout[];

  constructor(options: RunningOptions) {
    this.#options = options;
    const { spec, record, settings, logger } = options;
    this.#state = initialState(spec, record, randomBytes(4).toString('hex'));
    this.done = new Promise((resolve, reject) => {
      this.#end = { resolve, reject };
    });
    // Whoever waits for `done` hears of it; nobody has to.
    this.done.catch(() => {});
    this.#messenger = options.key && this.#messengerOf(options.key);
    this.#driver = new MesosDriver({
      detector: createDetector(settings.master, {
        // ZooKeeper tells no scheme: masters are asked by TLS where something of it is set.
        secure: Object.keys(options.transport.tls).length > 0,
        logger,
      }),
      transport: options.transport,
      frameworkInfo: frameworkInfoFor(settings),
      firstTimeoutMs: settings.masterTimeoutS * 1000,
      logger,
      random: Math.random,
      onEvent: (event) => {
        if (event.type === 'OFFERS') {
          for (const offer of event.offers.offers ?? []) {
            this.#offers.set(offer.id.value, offer);
            const agent = agentUrlOf(offer);
            if (agent !== undefined) this.#agentIsKnown(offer.agent_id.value, agent);
          }
        }
        const translated = toClusterEvent(event);
        if (translated?.kind === 'subscribed') this.#subscriptions += 1;
        if (translated !== undefined) this.#enqueue(translated);
      },
      onDisconnected: () => {
        this.#offers.clear();
        this.#enqueue({ kind: 'disconnected' });
      },
      onCallFailed: () => this.#enqueue({ kind: 'callFailed' }),
      // Rule 12: only who holds the store's lock may cut off another's stream.
      beforeSubscribe: async () => {
        await this.#insist(() => options.store.load());
        // What was ordered while no scheduler ran comes before all that Mesos says.
        if (options.key !== undefined) await this.#readOrders();
      },
    });
    const { lost } = options.store;
    lost.addEventListener('abort', () => void this.#finish(lost.reason), { once: true });
    this.#everySoOften = [
      setInterval(() => void this.#askNodes(), askEveryMs),
      // A teardown, which no node agent would know, takes none.
      ...(options.key === undefined ? [] : [setInterval(() => void this.#readOrders(), ordersEveryMs)]),
    ];
    this.#driving = this.#driver
      .run(record?.frameworkId)
      .catch(async (error: unknown) => void this.#finish(await this.#reasonBehind(error)));
  }

  snapshot(): ClusterView {
    return viewOf(this.#state, this.#told);
  }

  connection(): MasterConnection {
    const { connection } = this.#driver;
    return {
      master: connection.state === 'subscribed' ? connection.master : undefined,
      reason: describeConnection(connection),
    };
  }

  async stop(): Promise<void> {
    await this.#finish();
  }

  async teardown(): Promise<void> {
    this.#enqueue({ kind: 'teardown' });
    await this.done;
  }

  /**
   * Who has lost the store was taken over by right, and may be started again to stand by; who still has it, by a scheduler that does
   * not know of the store. The master may tell of either first.
   */
  async #reasonBehind(error: unknown): Promise<unknown> {
    if (!(error instanceof CodedError) || error.code !== 'TAKEN_OVER') return error;
    return this.#options.store.load().then(
      () => error,
      (lost: unknown) => lost,
    );
  }

  /** Ends once; what is under way is finished, since a decision that was half carried out is what the rules guard against. */
  async #finish(error?: unknown): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.#over.abort();
      clearTimeout(this.#timer);
      for (const timer of this.#everySoOften) clearInterval(timer);
      this.#driver.stop();
      // Not awaited when the work itself ends us.
      void Promise.allSettled([this.#driving, this.#working])
        .then(() => this.#options.store.close())
        .then(() => (error === undefined ? this.#end.resolve() : this.#end.reject(error)));
    }
    await this.done.catch(() => {});
  }

  #enqueue(event: ClusterEvent): void {
    if (this.#ended) return;
    this.#events.push(event);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** One event at a time, its actions in order: rules 2 and 3 depend on it. */
  async #work(): Promise<void> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event === undefined || this.#ended) break;
        if (event.kind === 'subscribed') {
          this.#subscriptionsDecidedOn += 1;
          await this.#readAgain();
        }
        const { state, actions } = decide(this.#state, event, performance.now());
        this.#state = state;
        if (!(await this.#carryOut(actions))) return;
        this.#warn();
      }
      this.#arm();
    } catch (error) {
      const coded =
        error instanceof CodedError
          ? error
          : new CodedError('INTERNAL', `the scheduler failed: ${messageOf(error)}`, { cause: error });
      void this.#finish(coded);
    }
  }

  /** Each warning once, when it comes to be true. */
  #warn(): void {
    const warnings = warningsOf(this.#state);
    for (const warning of warnings) if (!this.#warnings.includes(warning)) this.#options.logger.warn(warning);
    this.#warnings = warnings;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = nextTickMs(this.#state);
    if (next === undefined || this.#ended) return;
    // Longer than a timer can be set: the tick then comes early, and sets the next.
    const wait = Math.min(Math.max(0, Math.ceil(next - performance.now())), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#enqueue({ kind: 'tick' }), wait);
  }

  /**
   * Rule 12: what the predecessor stored and sent until our first subscription cut its stream is read before anything is decided.
   */
  async #readAgain(): Promise<void> {
    if (this.#hasReadAgain) return;
    const read = await this.#insist(() => this.#options.store.load());
    if (read === undefined) return;
    this.#hasReadAgain = true;
    if (read.value === undefined) return;
    // All that can have been asked for before.
    const { idSuffix, tearingDownSinceMs } = this.#state;
    const state = initialState(this.#options.spec, read.value, idSuffix);
    this.#state = { ...state, ...(tearingDownSinceMs !== undefined && { tearingDownSinceMs }) };
  }

  /** False when it stopped before the end: what is not stored, or no longer ours to decide, is not sent. */
  async #carryOut(actions: readonly Action[]): Promise<boolean> {
    const { store } = this.#options;
    for (const action of actions) {
      if (action.kind === 'store') {
        if ((await this.#insist(() => store.save(action.record))) === undefined) return false;
      } else {
        if (store.lost.aborted) return false;
        await this.#perform(action);
      }
    }
    return true;
  }

  /**
   * None while the core does not know of the present subscription yet, since the store kept it waiting: what it decides about an earlier
   * one would change what it takes for granted of a new one (that offers are not suppressed, above all). All of it is asked again then.
   */
  get #calls(): MesosDriver['calls'] {
    return this.#subscriptionsDecidedOn === this.#subscriptions ? this.#driver.calls : undefined;
  }

  async #perform(action: Exclude<Action, { kind: 'store' }>): Promise<void> {
    const { logger } = this.#options;
    switch (action.kind) {
      case 'log':
        return void logger[action.level](action.message);
      case 'accept':
        return this.#accept(action.offerIds, action.launches);
      case 'decline':
        for (const id of action.offerIds) this.#offers.delete(id);
        return this.#calls?.decline(action.offerIds, action.refuseMs);
      case 'suppress':
        return this.#calls?.suppress();
      case 'revive':
        return this.#calls?.revive();
      case 'kill':
        return this.#calls?.kill(action.taskId, action.agentId);
      case 'acknowledge':
        return this.#calls?.acknowledge(action);
      case 'reconcile':
        return this.#calls?.reconcile(action.tasks);
      case 'explain':
        return void this.#explain(action.taskId, action.agentId);
      case 'tellDeath':
        return void this.#messenger?.tellDeath(action.taskId, action.survivors);
      case 'tellPause':
        return void this.#messenger?.tellPause(action.paused, action.nodes);
      case 'greet':
        return void this.#messenger?.greet(action.node);
      case 'releaseAddress':
        return void this.#releaseAddress(action.address);
      case 'teardown':
        return this.#tearDown();
    }
  }

  async #tearDown(): Promise<void> {
    const calls = this.#calls;
    if (calls === undefined) return;
    try {
      await calls.teardown();
    } catch (error) {
      return void this.#options.logger.warn(
        `TEARDOWN did not reach the master: ${messageOf(error)}. Trying again`,
      );
    }
    const { store } = this.#options;
    await this.#insist(() => store.save(withoutFramework(this.#state.record)));
    return void this.#finish();
  }

  /** Whoever answers makes things known sooner; nothing follows from silence. */
  async #askNodes(): Promise<readonly AskedNode[]> {
    const { record, nodes } = this.#state;
    return Promise.all(
      nodes.map(async ({ phase }, number): Promise<AskedNode> => {
        const task = phase.kind === 'running' ? record.nodes[number]?.task : undefined;
        // Its address may be another container's: an orphan's of its own.
        if (task === undefined && record.unproven.every(({ node }) => node !== number)) return { number };
        const address = record.addresses[number] ?? '';
        const status = await askNode(address);
        if (status?.bootId) {
          const { taskId, bootId, contractVersion, paused } = status;
          this.#enqueue({ kind: 'nodeTold', taskId, bootId, contractVersion, paused });
        }
        if (task === undefined) return { number };
        const recipient = { taskId: task.id, address };
        if (status?.taskId !== task.id) return { number, recipient };
        const member = memberTold(status, performance.now());
        if (member !== undefined) this.#told.set(number, member);
        return { number, recipient, status };
      }),
    );
  }

  async #readOrders(): Promise<void> {
    const { store, logger } = this.#options;
    try {
      for (const { id, order } of await store.orders()) {
        if (this.#takenUp.has(id)) continue;
        this.#takenUp.add(id);
        // One that takes long holds up no other. What came of it is said once what follows from it is stored.
        void this.#obey(id, order)
          .then((answer) => this.#answer(id, answer))
          .catch((error: unknown) => {
            this.#takenUp.delete(id);
            logger.warn(`order ${id} cannot be answered yet: ${messageOf(error)}`);
          });
      }
    } catch (error) {
      logger.debug(`the operator's orders cannot be read: ${messageOf(error)}`);
    }
  }

  async #answer(id: string, answer: OrderAnswer): Promise<void> {
    if (!this.#ended) await this.#options.store.answerOrder(id, answer);
  }

  async #obey(id: string, order: Order | undefined): Promise<OrderAnswer> {
    const { logger } = this.#options;
    switch (order?.kind) {
      case undefined:
        return {
          kind: 'refused',
          code: 'ORDER_UNKNOWN',
          words: 'the scheduler does not understand this order',
        };
      case 'confirmDead':
        this.#enqueue({ kind: 'confirmedDead', taskId: order.taskId });
        await this.#working;
        return this.#state.record.nodes.some(({ task }) => task?.id === order.taskId && !task.end)
          ? { kind: 'refused', code: 'TASK_UNKNOWN', words: `Mesos says that task ${order.taskId} runs` }
          : { kind: 'done', words: `Task ${order.taskId} counts as dead.` };
      case 'pause':
        this.#enqueue(order);
        await this.#working;
        return { kind: 'done', words: `The cluster is paused. ${await this.#whoKnows(id)}` };
      case 'resume': {
        const wasPaused = this.#state.record.paused !== undefined;
        this.#enqueue(order);
        await this.#working;
        if (!wasPaused) return { kind: 'done', words: 'The cluster was not paused.' };
        return { kind: 'done', words: `The cluster goes on. ${await this.#whoKnows(id)}` };
      }
      case 'handOver':
        try {
          // Not twice, should this process end over it.
          await this.#answer(id, { kind: 'underWay' });
          const words = await this.#handOver(order);
          logger.info(`hand-over, as the operator wants it: ${words}`);
          return { kind: 'done', words };
        } catch (error) {
          const coded = error instanceof CodedError ? error : undefined;
          logger.warn(`hand-over, as the operator wants it: ${messageOf(error)}`);
          return { kind: 'refused', code: coded?.code ?? 'INTERNAL', words: messageOf(error) };
        }
    }
  }

  /** Waits a little for all nodes that run to have heard of the pause, or of its end, and says which have. */
  async #whoKnows(orderId: string): Promise<string> {
    // It is stored, and only the telling takes longer.
    await this.#answer(orderId, { kind: 'underWay' });
    const untilMs = performance.now() + nodesHearWithinMs;
    for (;;) {
      await this.#askNodes();
      await this.#working;
      const left = yetToHear(this.#state);
      if (left.length === 0) return 'All nodes that run know of it.';
      if (this.#ended || performance.now() >= untilMs) {
        return `Not told yet: node ${left.join(', ')}, which the scheduler does not reach, or where etcd has no leader; it goes on trying.`;
      }
      await delay(300);
    }
  }

  async #handOver({ to, givenAt, withinS }: Extract<Order, { kind: 'handOver' }>): Promise<string> {
    const messenger = this.#messenger;
    if (messenger === undefined) throw new Error('without a key nodes are told nothing');
    const ageMs = Date.now() - Date.parse(givenAt);
    if (ageMs > withinS * 1000) {
      throw new CodedError(
        'HAND_OVER_REFUSED',
        `the order is ${Math.round(ageMs / 1000)} s old, by this machine's clock: it came too late`,
      );
    }
    return handOver(to, withinS * 1000, {
      ask: () => this.#askNodes(),
      tell: (holder, node) => messenger.handOver(holder, node),
      signal: this.#over.signal,
    });
  }

  #messengerOf(key: SchedulerKey): Messenger {
    return new Messenger({
      client: new ControlClient(key),
      logger: this.#options.logger,
      ca: () => this.#state.record.ca,
      onCaShown: (ca) => this.#enqueue({ kind: 'caShown', ca }),
      pause: () => this.#state.record.paused,
      signal: this.#over.signal,
    });
  }

  #agentIsKnown(agentId: string, agent: URL): void {
    this.#agents.set(agentId, agent);
    const taskId = this.#unexplained.get(agentId);
    if (taskId === undefined) return;
    this.#unexplained.delete(agentId);
    void this.#explain(taskId, agentId);
  }

  /** Beside everything else: a relaunch does not wait for it. */
  async #explain(taskId: string, agentId: string): Promise<void> {
    const agent = this.#agents.get(agentId);
    const { frameworkId } = this.#state.record;
    if (frameworkId === undefined) return;
    if (agent === undefined) {
      this.#unexplained.set(agentId, taskId);
      return;
    }
    try {
      this.#enqueue({ kind: 'explained', taskId, stderr: await readStderr(agent, frameworkId, taskId) });
    } catch (error) {
      this.#options.logger.debug(`the stderr of task ${taskId} cannot be read: ${messageOf(error)}`);
    }
  }

  async #releaseAddress(address: string): Promise<void> {
    const { releaseAddress, logger } = this.#options;
    if (releaseAddress === undefined) return;
    try {
      logger.info(`address ${address}: ${await runOperatorsCommand(releaseAddress, address)}`);
    } catch (error) {
      logger.error(`the command for address ${address} failed: ${messageOf(error)}`);
    }
  }

  /**
   * Asks the store until it answers: a full disk, or an etcd that is away, is waited for, with nothing sent meanwhile. Undefined
   * when the scheduler ends first.
   */
  async #insist<T>(work: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
    let sayAgainMs = Number.NEGATIVE_INFINITY;
    while (!this.#ended) {
      try {
        return { value: await work() };
      } catch (error) {
        if (error instanceof CodedError && forGood.has(error.code)) throw error;
        if (performance.now() >= sayAgainMs) {
          sayAgainMs = performance.now() + 60_000;
          this.#options.logger.error(`${messageOf(error)}; nothing is done until it works. Trying again`);
        }
        await delay(storeAgainMs);
      }
    }
    return undefined;
  }

  /** Where the connection went since the decision, nothing is sent: reconciliation will say that nothing was launched. */
  #accept(offerIds: readonly string[], launches: readonly Launch[]): void {
    const { taskInfo, spec } = this.#options;
    const offers = offerIds.flatMap((id) => this.#offers.get(id) ?? []);
    for (const id of offerIds) this.#offers.delete(id);
    if (this.#calls === undefined || offers.length < offerIds.length) return;
    let resources = offers.flatMap((offer) => offer.resources ?? []);
    const tasks = launches.map((launch) => {
      const { taken, left } = takeResources(resources, spec.needs);
      resources = left;
      return taskInfo(launch, taken);
    });
    this.#calls.accept(offerIds, tasks);
  }
}
