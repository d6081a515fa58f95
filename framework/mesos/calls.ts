/**
 * Calls to the master, through mesos-framework's `Scheduler`: the only file that knows the package. What it does otherwise
 * than the package, and why, stands at each override; each has a test that shows the defect.
 */
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { Socket } from 'node:net';
import mesosFramework from 'mesos-framework';
import helpers from 'mesos-framework/lib/helpers.js';
import type { Logger } from '../log.js';
import type { AgentID, Call, OfferID, TaskInfo } from './schema/codec.js';
import type { Transport } from './transport.js';

/** A call that has had no answer for this long is given up. */
const callTimeoutMs = 15_000;

/** The master's answer to a call that it did not accept, or that no call could be made. */
export interface CallFailure {
  /** HTTP status of the answer; undefined where there was none. */
  readonly status?: number;
  readonly message: string;
}

export interface CallsOptions {
  readonly master: URL;
  readonly transport: Transport;
  readonly frameworkName: string;
  readonly frameworkId: string;
  readonly streamId: string;
  readonly logger: Logger;
  readonly onFailure: (failure: CallFailure) => void;
}

interface TaskAddress {
  readonly taskId: string;
  readonly agentId: string;
}

// The package's own logger writes files below the working directory, and prints every call; ours is told what matters.
helpers.getLogger = () => ({ info: () => {}, debug: () => {}, error: () => {}, warn: () => {} });

/** The calls of one subscription; a new one is made for the next. */
export class MesosCalls {
  readonly #scheduler: InstanceType<typeof mesosFramework.Scheduler>;
  readonly #agent: Agent;
  readonly #closed = new AbortController();

  constructor(options: CallsOptions) {
    const { master, transport, frameworkName, frameworkId, streamId, logger, onFailure } = options;
    const secure = master.protocol === 'https:';
    const port = Number(master.port || (secure ? 443 : 80));
    this.#agent = inOrder(
      secure ? new SecureAgent({ ...agentOptions, ...transport.tls }) : new Agent(agentOptions),
    );
    this.#scheduler = new mesosFramework.Scheduler({ masterUrl: master.hostname, port, frameworkName });
    this.#scheduler.frameworkId = frameworkId;
    this.#scheduler.mesosStreamId = streamId;
    this.#scheduler.requestTemplate = {
      ...this.#scheduler.requestTemplate,
      protocol: master.protocol,
      agent: this.#agent,
      headers: {
        ...this.#scheduler.requestTemplate.headers,
        ...(transport.authorization !== undefined && { authorization: transport.authorization }),
      },
    };
    this.#scheduler.on('error', (error: unknown) => {
      const failure = failureOf(error);
      logger.warn(`a call to the master failed: ${failure.message}`);
      onFailure(failure);
    });
  }

  /** The package's `accept` encodes by a schema of Mesos 0.28, which refuses the fields of later releases. */
  accept(offerIds: readonly string[], tasks: readonly TaskInfo[]): void {
    this.#send({
      type: 'ACCEPT',
      accept: {
        offer_ids: ids(offerIds),
        operations: [{ type: 'LAUNCH', launch: { task_infos: [...tasks] } }],
      },
    });
  }

  decline(offerIds: readonly string[], refuseMs: number): void {
    this.#scheduler.decline(ids(offerIds), { refuse_seconds: refuseMs / 1000 });
  }

  /** The package's `revive` is about all roles: it takes none. Without `roles`, so is this. */
  revive(roles: readonly string[] = []): void {
    if (roles.length === 0) this.#scheduler.revive();
    else this.#send({ type: 'REVIVE', revive: { roles: [...roles] } });
  }

  /** The package knows no SUPPRESS. Without `roles`, it is about all. */
  suppress(roles: readonly string[] = []): void {
    this.#send({ type: 'SUPPRESS', ...(roles.length > 0 && { suppress: { roles: [...roles] } }) });
  }

  /**
   * The package's `kill` takes no kill policy, and sends a task's agent as an empty id where none is known, which the master
   * cannot read.
   * @param graceMs in place of the grace in the task's own kill policy
   */
  kill(taskId: string, agentId: string | undefined, graceMs?: number): void {
    if (agentId !== undefined && graceMs === undefined) {
      this.#scheduler.kill(taskId, agentId);
      return;
    }
    this.#send({
      type: 'KILL',
      kill: {
        task_id: { value: taskId },
        ...(agentId !== undefined && { agent_id: { value: agentId } }),
        ...(graceMs !== undefined && { kill_policy: { grace_period: { nanoseconds: graceMs * 1e6 } } }),
      },
    });
  }

  /** Ends a custom executor and all its tasks. The package's `shutdown` puts its body where the master does not look. */
  shutdown(executorId: string, agentId: string): void {
    this.#send({
      type: 'SHUTDOWN',
      shutdown: { executor_id: { value: executorId }, agent_id: { value: agentId } },
    });
  }

  /** Bytes for an executor, with no guarantee that they arrive. */
  message(executorId: string, agentId: string, data: Uint8Array): void {
    this.#send({
      type: 'MESSAGE',
      message: {
        agent_id: { value: agentId },
        executor_id: { value: executorId },
        data: Buffer.from(data).toString('base64'),
      },
    });
  }

  /** Says that a host may be taken for maintenance as announced. The package knows no inverse offers. */
  acceptInverseOffers(inverseOfferIds: readonly string[]): void {
    this.#send({
      type: 'ACCEPT_INVERSE_OFFERS',
      accept_inverse_offers: { inverse_offer_ids: ids(inverseOfferIds) },
    });
  }

  /** Asks that a host be spared; the operator may take it all the same. */
  declineInverseOffers(inverseOfferIds: readonly string[], refuseMs: number): void {
    this.#send({
      type: 'DECLINE_INVERSE_OFFERS',
      decline_inverse_offers: {
        inverse_offer_ids: ids(inverseOfferIds),
        filters: { refuse_seconds: refuseMs / 1000 },
      },
    });
  }

  acknowledge({ taskId, agentId, uuid }: TaskAddress & { readonly uuid: string }): void {
    this.#scheduler.acknowledge({
      status: { uuid, agent_id: { value: agentId }, task_id: { value: taskId } },
    });
  }

  /** The package's `reconcile` takes one task a call; several in one let the master answer at one time. */
  reconcile(tasks: readonly TaskAddress[]): void {
    if (tasks.length === 0) {
      this.#scheduler.reconcile();
      return;
    }
    this.#send({
      type: 'RECONCILE',
      reconcile: {
        tasks: tasks.map(({ taskId, agentId }) => ({
          task_id: { value: taskId },
          agent_id: { value: agentId },
        })),
      },
    });
  }

  /** Resolves when the master has taken the call; rejects when that is not certain. */
  teardown(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#closed.signal.addEventListener('abort', () => reject(new Error('the connection ended')));
      this.#scheduler.once('sent_teardown', resolve);
      this.#scheduler.once('error', reject);
      this.#scheduler.teardown();
    });
  }

  /** Ends the connection; calls under way are given up, and nobody hears of it. */
  close(): void {
    this.#closed.abort();
    this.#scheduler.removeAllListeners();
    this.#scheduler.on('error', () => {});
    this.#agent.destroy();
  }

  #send(call: Call): void {
    const scheduler = this.#scheduler;
    helpers.doRequest.call(
      scheduler,
      { framework_id: { value: scheduler.frameworkId }, ...call },
      (error) => {
        if (error !== null) scheduler.emit('error', error);
      },
    );
  }
}

const ids = (values: readonly string[]): (OfferID | AgentID)[] => values.map((value) => ({ value }));

/** One connection, so that calls arrive in the order in which they were made: an ACCEPT before its reconciliation. */
const agentOptions = { keepAlive: true, maxSockets: 1, timeout: callTimeoutMs };

/** The package sets no timeout: a master that does not answer would hold up every later call. */
function inOrder<T extends Agent>(agent: T): T {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback);
    socket?.on('timeout', () => {
      const error = new Error(`no answer from the master for ${callTimeoutMs / 1000} s`);
      if (socket instanceof Socket) socket.destroy(error);
    });
    return socket;
  };
  return agent;
}

/** The package gives a text alone: the status is in it. */
function failureOf(error: unknown): CallFailure {
  const message =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  const status = /status code was '(\d+)'/.exec(message)?.[1];
  return { message, ...(status !== undefined && { status: Number(status) }) };
}
