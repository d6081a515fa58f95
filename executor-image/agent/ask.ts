/** Asks the node agent of another node what it is. */
import { type NodeStatus, ports } from '../contract.js';
import { getByHttp } from './get.js';

/** @throws when the node agent there does not answer in time */
export async function askNodeAgent(address: string, timeoutMs: number): Promise<NodeStatus> {
  const { body } = await getByHttp(`http://${address}:${ports.nodeAgent}/status`, timeoutMs);
  return JSON.parse(body) as NodeStatus;
}
