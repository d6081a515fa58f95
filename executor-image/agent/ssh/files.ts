/** What the nodes' public keys become on each node: `authorized_keys` and `known_hosts`. */
import { stableName } from '../../contract.js';
import { holderName, shiftingName } from '../hosts.js';

/** The task whose keys they are: a node's keys go with its task. */
export interface KeyOwner {
  readonly node: number;
  readonly generation: number;
  readonly incarnation: number;
}

/**
 * The name of a task's keys on the volume. A new name for every task: it is seen at once on all hosts, where a changed content may take
 * seconds (GlusterFS).
 */
export function keyFileName({ node, generation, incarnation }: KeyOwner): string {
  return `node-${node}.${generation}.${incarnation}`;
}

/** Undefined for any other name, also that of a file that is being written. */
export function ownerOf(name: string): KeyOwner | undefined {
  const match = /^node-(\d{1,9})\.(\d{1,15})\.(\d{1,15})$/.exec(name);
  if (match === null) return undefined;
  const [node = 0, generation = 0, incarnation = 0] = match.slice(1).map(Number);
  return { node, generation, incarnation };
}

/** Whether `a` is of an earlier task than `b`. */
export function isEarlier(a: KeyOwner, b: KeyOwner): boolean {
  return a.generation < b.generation || (a.generation === b.generation && a.incarnation < b.incarnation);
}

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
