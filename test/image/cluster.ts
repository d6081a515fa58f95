/** A cluster of real containers without a scheduler: started by `docker run` as the scheduler would have Mesos start them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  containerPaths,
  type NodeStatus,
  type TaskEnvironment,
  tokenFileName,
  writeTaskEnvironment,
} from '../../executor-image/contract.js';
import { newKeyPem, readKey } from '../../framework/store/key-pair.js';
import { basePath, ClusterAccess } from '../support/cluster-access.js';
import {
  createTestNetwork,
  docker,
  imageUnderTest,
  logsOf,
  removeContainer,
  startContainer,
  type TestNetwork,
  uniqueName,
} from '../support/docker.js';
import { jupyterAnswersInside, statusInside } from '../support/inside.js';
import { changeMac, dropPacketsTo } from '../support/packets.js';

interface TestClusterOptions {
  readonly size?: number;
  readonly lookLimitS?: number;
  readonly logLevel?: string;
  readonly warmStandby?: boolean;
  /** Whether nodes expect an executor's health checks, which a test then makes. */
  readonly healthChecks?: boolean;
  /** The shared directory; without it a new one, which goes with the cluster. */
  readonly shared?: string;
  readonly volumeType?: string;
  /** Where a node's containers find the shared directory; without it they have the directory itself. */
  readonly mountOf?: (shared: string, node: number) => string;
  /** Drops all that this machine itself sends to the nodes, as Calico does where a scheduler is on another host. */
  readonly dropsPackets?: boolean;
}

/** Whoever has it is the scheduler of all test clusters. */
export const schedulerKey = readKey(newKeyPem(), 'the test');

export class TestCluster extends ClusterAccess {
  readonly addresses: readonly string[];
  /** The name of each node's present container. */
  readonly containers: string[] = [];
  readonly all: string[] = [];
  readonly #incarnations: number[] = [];
  #stopDropping: () => Promise<void> = async () => {};
  /** The generation that tasks are started in. */
  #generation: Pick<TaskEnvironment, 'generation' | 'founders' | 'unproven'>;

  private constructor(
    readonly network: TestNetwork,
    readonly shared: string,
    readonly options: TestClusterOptions,
  ) {
    super();
    const size = options.size ?? 3;
    this.addresses = Array.from({ length: size }, (_, node) => network.address(10 + node));
    this.#generation = { generation: 1, founders: this.nodes.map((node) => `task-${node}-1`), unproven: [] };
  }

  static async create(size = 3, options: Omit<TestClusterOptions, 'size'> = {}): Promise<TestCluster> {
    imageUnderTest();
    const network = await createTestNetwork('mj-image-test');
    const shared = options.shared ?? mkdtempSync(join(tmpdir(), 'mj-image-test-'));
    const cluster = new TestCluster(network, shared, { size, ...options });
    if (options.dropsPackets) cluster.#stopDropping = await dropPacketsTo(network.subnet);
    return cluster;
  }

  /** Begins another generation, as the scheduler would: the next task of each node is a founder. */
  found(generation: number, unproven: readonly string[] = []): void {
    const founders = this.nodes.map((node) => `task-${node}-${(this.#incarnations[node] ?? 0) + 1}`);
    this.#generation = { generation, founders, unproven };
  }

  /** The trusted directory, on this machine. */
  get trusted(): string {
    return join(this.shared, '.mesos-jupyter');
  }

  environment(node: number, incarnation: number): TaskEnvironment {
    return {
      node,
      addresses: this.addresses,
      taskId: `task-${node}-${incarnation}`,
      incarnation,
      ...this.#generation,
      basePath,
      leaseTtlS: 5,
      lookLimitS: this.options.lookLimitS ?? 60,
      volumeType: this.options.volumeType ?? '',
      warmStandby: this.options.warmStandby ?? true,
      cpus: 1,
      healthChecks: this.options.healthChecks ?? false,
      schedulerKey: schedulerKey.fingerprint,
      logLevel: this.options.logLevel ?? 'debug',
    };
  }

  override async status(node: number): Promise<NodeStatus> {
    return this.options.dropsPackets ? statusInside(this.container(node)) : super.status(node);
  }

  override async serving(nodes: readonly number[] = this.nodes): Promise<number[]> {
    if (!this.options.dropsPackets) return super.serving(nodes);
    const answers = await Promise.all(nodes.map((node) => jupyterAnswersInside(this.container(node))));
    return nodes.filter((_, position) => answers[position]);
  }

  /** Starts the next task of a node, in place of its last. */
  async start(node: number, ...options: readonly string[]): Promise<string> {
    const former = this.containers[node];
    // As Mesos does: the dead container is still there when the next one comes.
    if (former !== undefined) await docker('stop', '-t', '0', former).catch(() => undefined);
    return this.#run(node, options);
  }

  /** Starts the next task of a node on "another host": the last one lives on, out of reach, and the address has another MAC. */
  async startElsewhere(node: number): Promise<string> {
    await docker('network', 'disconnect', this.network.name, this.container(node));
    const name = await this.#run(node, []);
    await changeMac(name);
    return name;
  }

  async #run(node: number, options: readonly string[]): Promise<string> {
    const incarnation = (this.#incarnations[node] ?? 0) + 1;
    this.#incarnations[node] = incarnation;
    const name = uniqueName(`mj-image-test-node-${node}`);
    this.containers[node] = name;
    this.all.push(name);
    const variables = Object.entries(writeTaskEnvironment(this.environment(node, incarnation)));
    return startContainer(
      name,
      [
        ...['--net', this.network.name, '--ip', this.address(node)],
        ...['-v', `${this.options.mountOf?.(this.shared, node) ?? this.shared}:${containerPaths.shared}`],
        ...variables.flatMap(([key, value]) => ['-e', `${key}=${value}`]),
        ...options,
      ],
      imageUnderTest(),
    );
  }

  async startAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.start(node)));
  }

  override container(node: number): string {
    const name = this.containers[node];
    if (name === undefined) throw new Error(`node ${node} was never started`);
    return name;
  }

  get token(): string {
    return readFileSync(join(this.trusted, tokenFileName), 'utf8');
  }

  /** What all containers printed, for the eyes of whoever reads a failure. */
  async logs(): Promise<string> {
    const logs = await Promise.all(
      this.all.map(async (name) => `--- ${name}\n${await logsOf(name).catch(String)}`),
    );
    return logs.join('\n');
  }

  async remove(): Promise<void> {
    await this.#stopDropping();
    await Promise.all(this.all.map(removeContainer));
    await this.network.remove();
    if (this.options.shared === undefined) rmSync(this.shared, { recursive: true, force: true });
  }
}
