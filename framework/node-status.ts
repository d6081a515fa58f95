/** What a node agent says of itself, where it can be reached. */
import { type NodeStatus, ports } from '../executor-image/contract.js';

/** A node agent answers in milliseconds, or its network is not ours. */
const askTimeoutMs = 1_500;

/** Undefined where it does not answer: nothing follows from that (a scheduler often reaches the nodes of its own host only). */
export async function askNode(address: string): Promise<NodeStatus | undefined> {
  try {
    const response = await fetch(`http://${address}:${ports.nodeAgent}/status`, {
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    return response.ok ? ((await response.json()) as NodeStatus) : undefined;
  } catch {
    return undefined;
  }
}
