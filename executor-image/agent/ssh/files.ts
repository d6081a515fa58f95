/** What the nodes' public keys become on each node: `authorized_keys` and `known_hosts`. */
import { stableName } from '../../contract.js';
import { holderName, shiftingName } from '../hosts.js';

/** A node's public keys, as `ssh-ed25519 AAAA…`. */
export interface NodeKeys {
  readonly node: number;
  readonly hostKey: string;
  readonly userKey: string;
}

const publicKey = /^ssh-ed25519 [A-Za-z0-9+/]+=*$/;

/** The text that a node lays on the volume. */
export function renderNodeKeys(keys: NodeKeys): string {
  return `host ${keys.hostKey}\nuser ${keys.userKey}\n`;
}

/** Reads such a text; undefined when it is anything else, so that no line of a stranger's making gets into our files. */
export function parseNodeKeys(node: number, text: string): NodeKeys | undefined {
  const line = (name: string) =>
    text
      .split('\n')
      .find((candidate) => candidate.startsWith(`${name} `))
      ?.slice(name.length + 1);
  const hostKey = line('host');
  const userKey = line('user');
  if (hostKey === undefined || userKey === undefined) return undefined;
  return publicKey.test(hostKey) && publicKey.test(userKey) ? { node, hostKey, userKey } : undefined;
}

export function renderAuthorizedKeys(all: readonly NodeKeys[]): string {
  return all.map(({ node, userKey }) => `${userKey} ${stableName(node)}\n`).join('');
}

/**
 * Each node's host key under its address and its stable name, and under every name that may come to be its: node0… shift as
 * nodes die, and `notebook` moves.
 */
export function renderKnownHosts(all: readonly NodeKeys[], addresses: readonly string[]): string {
  const moving = [...addresses.map((_, position) => shiftingName(position)), holderName];
  return all
    .map(({ node, hostKey }) => `${[...moving, stableName(node), addresses[node]].join(',')} ${hostKey}\n`)
    .join('');
}
