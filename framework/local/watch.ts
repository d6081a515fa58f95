/** What a local cluster looks like: the scheduler's view and the node agents' own words, put together. */
import { type NodeStatus, ports } from '../../executor-image/contract.js';

/** A node as the scheduler sees it. */
export interface ScheduledNode {
  readonly number: number;
  readonly address: string;
  readonly hostname: string | undefined;
  /** Such as TASK_RUNNING, or what the node waits for. */
  readonly state: string;
  /** One sentence. */
  readonly reason: string;
}

export interface NodeView extends ScheduledNode {
  /** `-` where the node agent does not answer. */
  readonly etcd: NodeStatus['etcd']['role'] | '-';
  readonly jupyter: NodeStatus['notebook']['state'] | '-';
  readonly ready: boolean;
  /** Whether the node is to leave; `reason` says why. */
  readonly leaving: boolean;
}

export function combine(
  nodes: readonly ScheduledNode[],
  statuses: readonly (NodeStatus | undefined)[],
): NodeView[] {
  return nodes.map((node, index) => {
    const status = statuses[index];
    return {
      ...node,
      etcd: status?.etcd.role ?? '-',
      jupyter: status?.notebook.state ?? '-',
      ready: node.state === 'TASK_RUNNING' && status?.ready === true,
      leaving: status?.leaving !== undefined,
      reason: status !== undefined && node.state === 'TASK_RUNNING' ? status.reason : node.reason,
    };
  });
}

/** The nodes that look different from before. */
export function changed(before: readonly NodeView[], after: readonly NodeView[]): NodeView[] {
  const looks = (node: NodeView | undefined) => node && [...cells(node), node.leaving].join('\0');
  return after.filter((node, index) => looks(node) !== looks(before[index]));
}

export const columns = ['node', 'address', 'host', 'task', 'etcd', 'jupyter'] as const;

export function cells(node: NodeView): string[] {
  return [`node ${node.number}`, node.address, node.hostname ?? '-', node.state, node.etcd, node.jupyter];
}

/** What is not yet as it should be, in a few words each; nothing when all is well. */
export function missing(nodes: readonly NodeView[]): string[] {
  const wanting = nodes
    .filter((node) => !node.ready || node.leaving)
    .map(
      (node) => `node ${node.number} (${node.address}) is ${node.state}, etcd ${node.etcd}: ${node.reason}`,
    );
  const serving = nodes.filter((node) => node.jupyter === 'serving');
  if (serving.length === 0) wanting.push('Jupyter runs on no node');
  if (serving.length > 1) wanting.push(`Jupyter runs on ${serving.length} nodes`);
  if (nodes.filter((node) => node.etcd === 'leader').length !== 1)
    wanting.push('etcd has no leader that is known');
  return wanting;
}

/** The address of the node that runs Jupyter, when it is exactly one. */
export function servingAddress(nodes: readonly NodeView[]): string | undefined {
  const serving = nodes.filter((node) => node.jupyter === 'serving');
  return serving.length === 1 ? serving[0]?.address : undefined;
}

/** On one machine Jupyter answers in milliseconds, or it is not there. */
const askTimeoutMs = 1_500;

/** Whether Jupyter answers there, to this token. */
export async function jupyterAnswers(address: string, basePath: string, token: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}:${ports.notebook}${basePath}api/status`, {
      headers: { authorization: `token ${token}` },
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

export function notebookUrl(address: string, basePath: string, token: string): string {
  return `http://${address}:${ports.notebook}${basePath}lab?token=${encodeURIComponent(token)}`;
}
