/** One decision in the making: the state as it stands so far, and the actions asked for so far. */
import type {
  Action,
  ClusterRecord,
  ClusterState,
  NodeState,
  Phase,
  Recipient,
  TaskRecord,
} from './model.js';
import { isPaused } from './pause.js';
import type { Host } from './placement.js';
import { taskIdOf } from './record.js';

/** A property set to undefined is taken away (the state's optional properties are absent, never undefined). */
type Change<T> = { [K in keyof T]?: T[K] | undefined };

function changed<T extends object>(value: T, change: Change<T>): T {
  const result = { ...value, ...change };
  for (const key of Object.keys(result) as (keyof T)[]) if (result[key] === undefined) delete result[key];
  return result as T;
}

export class Turn {
  readonly #before: ClusterState;
  #state: ClusterState;
  readonly #sends: Action[] = [];

  constructor(
    state: ClusterState,
    readonly now: number,
  ) {
    this.#before = state;
    this.#state = state;
  }

  get state(): ClusterState {
    return this.#state;
  }

  set(change: Change<Omit<ClusterState, 'spec' | 'record' | 'nodes' | 'idSuffix'>>): void {
    this.#state = changed<ClusterState>(this.#state, change);
  }

  setRecord(change: Change<ClusterRecord>): void {
    this.#state = { ...this.#state, record: changed<ClusterRecord>(this.#state.record, change) };
  }

  node(number: number): NodeState {
    const node = this.#state.nodes[number];
    if (node === undefined) throw new RangeError(`no node ${number}`);
    return node;
  }

  setNode(number: number, change: Change<NodeState>): void {
    const nodes = this.#state.nodes.map((node, index) =>
      index === number ? changed<NodeState>(node, change) : node,
    );
    this.#state = { ...this.#state, nodes };
  }

  /** Moves a node to a phase; a new reason is logged, so that every transition says why. */
  enter(number: number, phase: Phase, reason: string): void {
    const before = this.node(number);
    const held = isPaused(this.#state) ? ' (paused)' : '';
    if (before.reason !== reason) this.log('info', `node ${number}: ${reason}${held}`);
    this.setNode(number, { phase, reason, ...(before.phase.kind !== phase.kind && { sinceMs: this.now }) });
  }

  /** The node's last task, ended or not. */
  task(number: number): TaskRecord | undefined {
    return this.#state.record.nodes[number]?.task;
  }

  /** To speak to a task's node agent. */
  recipient({ id, node }: TaskRecord): Recipient {
    return { taskId: id, address: this.#state.record.addresses[node] ?? '' };
  }

  setTask(task: TaskRecord): void {
    const nodes = this.#state.record.nodes.map((node, index) =>
      index === task.node ? { ...node, task } : node,
    );
    this.setRecord({ nodes });
  }

  /** Tasks that have not ended as far as is known. */
  liveTasks(): TaskRecord[] {
    return this.#state.record.nodes.flatMap(({ task }) =>
      task !== undefined && task.end === undefined ? [task] : [],
    );
  }

  /** Nodes that want an offer now. */
  waiting(): number[] {
    return this.#state.nodes.flatMap(({ phase }, number) => (phase.kind === 'waiting' ? [number] : []));
  }

  /** Records the node's next task: its founder of the present generation if that was never launched, or a joiner. */
  newTask(number: number, host: Host): TaskRecord {
    const { record } = this.#state;
    const { generation } = record;
    const founder = generation.founders[number];
    const asFounder = founder !== undefined && !founder.launched;
    const incarnation = asFounder ? founder.incarnation : (record.nodes[number]?.incarnation ?? 0) + 1;
    const task: TaskRecord = {
      id: asFounder ? founder.taskId : taskIdOf(number, incarnation, this.#state.idSuffix),
      node: number,
      incarnation,
      generation: generation.number,
      agentId: host.agentId,
      hostname: host.hostname,
      attributes: this.#constrained(host),
      seenAlive: false,
    };
    this.setRecord({
      generation: {
        ...generation,
        founders: generation.founders.map((each, index) =>
          index === number ? { ...each, launched: true } : each,
        ),
      },
      nodes: record.nodes.map((node, index) => (index === number ? { incarnation, task } : node)),
    });
    return task;
  }

  /** The node's next task gets a number so much higher. */
  skipIncarnations(number: number, count: number): void {
    const nodes = this.#state.record.nodes.map((node, index) =>
      index === number ? { ...node, incarnation: node.incarnation + count } : node,
    );
    this.setRecord({ nodes });
  }

  /** Of the host's attributes, those that constraints will ask about. */
  #constrained({ attributes }: Host): Record<string, string> {
    const fields = new Set(this.#state.spec.constraints.map(({ field }) => field));
    return Object.fromEntries(Object.entries(attributes).filter(([name]) => fields.has(name)));
  }

  send(action: Exclude<Action, { kind: 'store' }>): void {
    this.#sends.push(action);
  }

  log(level: 'info' | 'warn', message: string): void {
    this.send({ kind: 'log', level, message });
  }

  /** Rules 2 and 3 by construction: whatever changed in the record is stored before anything is sent. */
  end(): { state: ClusterState; actions: readonly Action[] } {
    const stored: Action[] =
      this.#state.record === this.#before.record ? [] : [{ kind: 'store', record: this.#state.record }];
    return { state: this.#state, actions: [...stored, ...this.#sends] };
  }
}
