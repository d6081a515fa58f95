/** A cluster of real containers without a scheduler: started by `docker run` as the scheduler would have Mesos start them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  containerPaths,
  type NodeStatus,
  ports,
  type TaskEnvironment,
  tokenFileName,
  writeTaskEnvironment,
} from '../../executor-image/contract.js';
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
import { JupyterClient } from '../support/jupyter.js';
import { waitFor } from '../support/wait.js';

export const basePath = '/notebook/';

export class TestCluster {
  /** The name of each node's present container. */
  readonly containers: string[] = [];
  readonly all: string[] = [];
  readonly #incarnations: number[] = [];

  private constructor(
    readonly network: TestNetwork,
    readonly shared: string,
    readonly size: number,
  ) {}

  static async create(size = 3): Promise<TestCluster> {
    imageUnderTest();
    const network = await createTestNetwork('mj-image-test');
    return new TestCluster(network, mkdtempSync(join(tmpdir(), 'mj-image-test-')), size);
  }

  get nodes(): number[] {
    return Array.from({ length: this.size }, (_, node) => node);
  }

  get addresses(): string[] {
    return this.nodes.map((node) => this.address(node));
  }

  address(node: number): string {
    return this.network.address(10 + node);
  }

  environment(node: number, incarnation: number): TaskEnvironment {
    return {
      node,
      addresses: this.addresses,
      taskId: `task-${node}-${incarnation}`,
      incarnation,
      generation: 1,
      founders: this.nodes.map((founder) => `task-${founder}-1`),
      basePath,
      leaseTtlS: 5,
      cpus: 1,
      logLevel: 'debug',
    };
  }

  /** Starts the next task of a node, in place of its last. */
  async start(node: number): Promise<string> {
    const incarnation = (this.#incarnations[node] ?? 0) + 1;
    this.#incarnations[node] = incarnation;
    const former = this.containers[node];
    const name = uniqueName(`mj-image-test-node-${node}`);
    this.containers[node] = name;
    this.all.push(name);
    // As Mesos does: the dead container is still there when the next one comes.
    if (former !== undefined) await docker('stop', '-t', '0', former).catch(() => undefined);
    const variables = Object.entries(writeTaskEnvironment(this.environment(node, incarnation)));
    return startContainer(
      name,
      [
        ...['--net', this.network.name, '--ip', this.address(node)],
        ...['-v', `${this.shared}:${containerPaths.shared}`],
        ...variables.flatMap(([key, value]) => ['-e', `${key}=${value}`]),
      ],
      imageUnderTest(),
    );
  }

  async startAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.start(node)));
  }

  container(node: number): string {
    const name = this.containers[node];
    if (name === undefined) throw new Error(`node ${node} was never started`);
    return name;
  }

  exec(node: number, ...command: string[]): Promise<string> {
    return docker('exec', this.container(node), ...command);
  }

  shell(node: number, script: string): Promise<string> {
    return this.exec(node, 'sh', '-c', script);
  }

  async status(node: number): Promise<NodeStatus> {
    const response = await fetch(`http://${this.address(node)}:${ports.nodeAgent}/status`, {
      signal: AbortSignal.timeout(2000),
    });
    return (await response.json()) as NodeStatus;
  }

  get token(): string {
    return readFileSync(join(this.shared, '.mesos-jupyter', tokenFileName), 'utf8');
  }

  jupyter(node: number, token = this.token): JupyterClient {
    return new JupyterClient(`http://${this.address(node)}:${ports.notebook}${basePath}`, token);
  }

  /** Those of `nodes` whose Jupyter answers. */
  async serving(nodes: readonly number[] = this.nodes): Promise<number[]> {
    const answers = await Promise.all(nodes.map((node) => this.jupyter(node).probe()));
    return nodes.filter((_, position) => answers[position] === 200);
  }

  /**
   * Waits until the cluster is as it should be: each of `nodes` a ready voter that lists them all as live, and Jupyter
   * answering on one of them, the leader and holder. Resolves with that one.
   */
  settled(timeoutMs: number, nodes: readonly number[] = this.nodes): Promise<number> {
    return waitFor('a settled cluster', timeoutMs, async () => {
      const statuses = await Promise.all(nodes.map((node) => this.status(node)));
      const live = nodes.map((node) => this.address(node)).join();
      const troubled = statuses.find((status) => !status.ready || status.live.join() !== live);
      if (troubled !== undefined) throw new Error(JSON.stringify(troubled));
      const leaders = statuses.filter(({ etcd }) => etcd.role === 'leader');
      const serving = await this.serving(nodes);
      const [leader] = leaders;
      if (leader === undefined || leaders.length > 1 || serving.join() !== String(leader.node)) {
        throw new Error(`led by ${leaders.map(({ node }) => node)}, Jupyter answers on ${serving}`);
      }
      if (leader.notebook.holderTaskId !== leader.taskId)
        throw new Error(`held by ${leader.notebook.holderTaskId}`);
      return { leader: leader.node };
    }).then(({ leader }) => leader);
  }

  /** Our block of a node's /etc/hosts, as `address names`. */
  async hosts(node: number): Promise<string[]> {
    const text = await this.exec(node, 'cat', '/etc/hosts');
    return text
      .split('\n')
      .filter(
        (line) => line.startsWith(this.network.address(10).replace(/\d+$/, '')) && line.includes('jupyter-'),
      )
      .map((line) => line.replace(/\s+/g, ' '));
  }

  /** What all containers printed, for the eyes of whoever reads a failure. */
  async logs(): Promise<string> {
    const logs = await Promise.all(this.all.map(async (name) => `--- ${name}\n${await logsOf(name)}`));
    return logs.join('\n');
  }

  async remove(): Promise<void> {
    await Promise.all(this.all.map(removeContainer));
    await this.network.remove();
    rmSync(this.shared, { recursive: true, force: true });
  }
}
