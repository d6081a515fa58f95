/** Which node this is: the address that it should have must be one of the container's own. */
import type { NetworkInterfaceInfo } from 'node:os';
import { NodeEnd } from './errors.js';

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/**
 * This node's address.
 * @throws NodeEnd `addressNotMine` when no interface has it.
 */
export function ownAddress(node: number, addresses: readonly string[], interfaces: Interfaces): string {
  const wanted = addresses[node];
  const own = Object.values(interfaces)
    .flatMap((infos) => infos ?? [])
    .filter((info) => info.family === 'IPv4' && !info.internal)
    .map((info) => info.address);
  if (wanted !== undefined && own.includes(wanted)) return wanted;
  throw new NodeEnd(
    'addressNotMine',
    `node ${node} should have the address ${wanted}, but this container has ${own.join(', ') || 'none'}: ` +
      'is it on the network that the addresses belong to, started with `--ip`?',
  );
}
