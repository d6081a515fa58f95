/** Asks the node agent of another node what it is. */
import { type NodeStatus, ports } from '../contract.js';

/** @throws when the node agent there does not answer in time */
export async function askNodeAgent(address: string, timeoutMs: number): Promise<NodeStatus> {
  const response = await fetch(`http://${address}:${ports.nodeAgent}/status`, {
    signal: AbortSignal.timeout(timeoutMs),
  });
  return (await response.json()) as NodeStatus;
}
