/** A running cluster as a test sees it from outside: its containers, node agents and Jupyter, however they were started. */
import { containerPaths, type NodeStatus, ports, stableName } from '../../executor-image/contract.js';
import { docker } from './docker.js';
import { JupyterClient } from './jupyter.js';
import { waitFor } from './wait.js';

export const basePath = '/notebook/';

export abstract class ClusterAccess {
  /** By node number. */
  abstract readonly addresses: readonly string[];
  /** The notebook token. */
  abstract readonly token: string;
  /** The name or id of the node's present container. */
  abstract container(node: number): string;

  get nodes(): number[] {
    return [...this.addresses.keys()];
  }

  address(node: number): string {
    const address = this.addresses[node];
    if (address === undefined) throw new RangeError(`there is no node ${node}`);
    return address;
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

  jupyter(node: number, token = this.token): JupyterClient {
    return new JupyterClient(`http://${this.address(node)}:${ports.notebook}${basePath}`, token);
  }

  /** Those of `nodes` whose Jupyter answers. */
  async serving(nodes: readonly number[] = this.nodes): Promise<number[]> {
    const { token } = this;
    const answers = await Promise.all(nodes.map((node) => this.jupyter(node, token).probe()));
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
      if (leader.notebook.holderTaskId !== leader.taskId) {
        throw new Error(`held by ${leader.notebook.holderTaskId}`);
      }
      return { leader: leader.node };
    }).then(({ leader }) => leader);
  }

  /**
   * Moves etcd's leadership by hand from one node to another; resolves when that has happened. A node agent may have handed it
   * back by then: etcd, which looks ten times a second whether the other leads, then never sees it and gives no answer.
   */
  async moveLeadership(from: number, to: number): Promise<void> {
    const { memberId = '' } = (await this.status(to)).etcd;
    const term = async (): Promise<number> => {
      const status = await this.exec(from, 'etcdctl', 'endpoint', 'status', '-w', 'json');
      return Number(/"raftTerm":(\d+)/.exec(status)?.[1]);
    };
    const before = await term();
    await this.exec(from, 'etcdctl', '--command-timeout', '2s', 'move-leader', memberId).catch(
      (error: unknown) => {
        if (!/deadline exceeded/.test(String(error))) throw error;
      },
    );
    await waitFor('another term', 10_000, async () => (await term()) > before);
  }

  /** Our block of a node's /etc/hosts, as `address names`. */
  async hosts(node: number): Promise<string[]> {
    const text = await this.exec(node, 'cat', '/etc/hosts');
    return text
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' '))
      .filter((line) => /^\S+ node\d+ /.test(line));
  }

  /** What `hosts` should be while `nodes` live and `holder` runs Jupyter. */
  expectedHosts(nodes: readonly number[], holder: number): string[] {
    return nodes.map(
      (node, position) =>
        `${this.address(node)} node${position} ${stableName(node)}${node === holder ? ' notebook' : ''}`,
    );
  }

  /** A file of Jupyter's, as the node sees it on the shared volume. */
  sharedFile(node: number, path: string): Promise<string> {
    return this.exec(node, 'cat', `${containerPaths.notebooks}/${path}`);
  }
}
