/** A script for the core: send events, look at the actions, on a clock that the test moves. */
import { contractVersion } from '../../../executor-image/contract.js';
import { decide, initialState, nextTickMs } from '../../../framework/cluster/decide.js';
import type {
  Action,
  ClusterEvent,
  ClusterRecord,
  ClusterSpec,
  ClusterState,
  Offer,
  Phase,
  StatusUpdate,
  TaskRecord,
  TaskState,
} from '../../../framework/cluster/model.js';

import { clusterSpec } from '../../support/cluster-spec.js';

export const spec = clusterSpec;

export type Kind = Action['kind'];
export type ActionOf<K extends Kind> = Extract<Action, { kind: K }>;

export class World {
  now = 1_000_000;
  state: ClusterState;
  /** All that was asked for since the last `take`. */
  #actions: Action[] = [];
  #offers = 0;
  #uuids = 0;

  constructor(options: { spec?: Partial<ClusterSpec>; record?: ClusterRecord; idSuffix?: string } = {}) {
    this.state = initialState(
      { ...clusterSpec, ...options.spec },
      options.record,
      options.idSuffix ?? 'aaaa',
    );
  }

  send(event: ClusterEvent): Action[] {
    const { state, actions } = decide(this.state, event, this.now);
    this.state = state;
    this.#actions.push(...actions);
    return [...actions];
  }

  /** Lets time pass, with a tick whenever the core asked for one. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const next = nextTickMs(this.state);
      if (next === undefined || next > until) break;
      // A tick that is already due when asked for would make the shell spin.
      this.now = Math.max(this.now, next);
      this.send({ kind: 'tick' });
      const after = nextTickMs(this.state);
      if (after !== undefined && after <= this.now)
        throw new Error('the core asks for a tick that brings nothing');
    }
    this.now = until;
  }

  /** What was asked for since the last call, of one kind. */
  take<K extends Kind>(kind: K): ActionOf<K>[] {
    const taken = this.#actions.filter((action): action is ActionOf<K> => action.kind === kind);
    this.#actions = this.#actions.filter((action) => action.kind !== kind);
    return taken;
  }

  forget(): void {
    this.#actions = [];
  }

  get actions(): readonly Action[] {
    return this.#actions;
  }

  subscribe(frameworkId = 'f-1'): void {
    this.send({ kind: 'subscribed', frameworkId });
  }

  offer(hosts: readonly (string | Partial<Offer>)[]): Offer[] {
    const offers = hosts.map((host): Offer => {
      const given = typeof host === 'string' ? { hostname: host } : host;
      const hostname = given.hostname ?? 'host-1';
      this.#offers += 1;
      return {
        id: `o-${this.#offers}`,
        agentId: `agent-of-${hostname}`,
        hostname,
        cpus: 4,
        memMb: 8192,
        diskMb: 0,
        attributes: {},
        unavailable: false,
        ...given,
      };
    });
    this.send({ kind: 'offers', offers });
    return offers;
  }

  update(taskId: string, state: TaskState, more: Partial<StatusUpdate> = {}): Action[] {
    this.#uuids += 1;
    const task = this.state.record.nodes.find((node) => node.task?.id === taskId)?.task;
    return this.send({
      kind: 'update',
      update: {
        taskId,
        state,
        agentId: task?.agentId ?? 'agent-x',
        source: 'SOURCE_EXECUTOR',
        uuid: `uuid-${this.#uuids}`,
        ...more,
      },
    });
  }

  /** The end of a container as Mesos' Docker executor reports it. */
  exit(taskId: string, status: number): Action[] {
    return this.update(taskId, status === 0 ? 'TASK_FINISHED' : 'TASK_FAILED', {
      message: `Container exited with status ${status}`,
    });
  }

  /** A node agent's answer, by which it knows of a pause or not. */
  heardPause(node: number, paused: boolean): Action[] {
    const { id: taskId } = this.task(node);
    return this.send({ kind: 'nodeTold', taskId, bootId: 'boot', contractVersion, paused });
  }

  task(node: number): TaskRecord {
    const task = this.state.record.nodes[node]?.task;
    if (task === undefined) throw new Error(`node ${node} has no task`);
    return task;
  }

  phase(node: number): Phase['kind'] | undefined {
    return this.state.nodes[node]?.phase.kind;
  }

  reason(node: number): string {
    return this.state.nodes[node]?.reason ?? '';
  }

  run(node: number): void {
    const { id } = this.task(node);
    this.update(id, 'TASK_STARTING');
    this.update(id, 'TASK_RUNNING');
    this.update(id, 'TASK_RUNNING', { healthy: true });
  }

  /** A subscribed cluster with all nodes running and healthy on two hosts. */
  static running(options: { spec?: Partial<ClusterSpec> } = {}): World {
    const world = new World(options);
    world.subscribe();
    world.offer(['host-1', 'host-2']);
    world.pass(500);
    for (const node of world.state.nodes.keys()) world.run(node);
    world.forget();
    return world;
  }
}
