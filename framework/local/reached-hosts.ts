/**
 * Single addresses that this machine needs behind its default route, where no route tells of them: a network laid over one
 * of them would cut it off. Documentation ranges are not in the world's routes, yet closed networks do use them.
 */
import { lookup } from 'node:dns/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { formatAddress, parseAddress } from '../config/addresses.js';
import type { TakenNetwork } from './network.js';

/** Where packages and images come from, beside what this machine is set up to use. */
const usualHosts = ['deb.debian.org', 'registry-1.docker.io', 'registry.npmjs.org'];
/** Without a name server every lookup would wait for its own time-outs. */
const lookupLimitMs = 3_000;

export async function reachedHosts(): Promise<TakenNetwork[]> {
  const names = [...new Set([...usualHosts, ...packageMirrors(), ...proxies()])];
  const found = names.map(async (name) =>
    (await lookup(name, { all: true, family: 4 }).catch(() => [])).map(({ address }) =>
      single(address, name),
    ),
  );
  const limit = delay(lookupLimitMs, [] as (TakenNetwork | undefined)[], { ref: false });
  const hosts = await Promise.all(found.map((addresses) => Promise.race([addresses, limit])));
  return [
    ...nameServers(read('/etc/resolv.conf')).map((address) => single(address, 'a name server')),
    ...connectedAddresses(read('/proc/net/tcp')).map((address) => single(address, 'an open connection')),
    ...hosts.flat(),
  ].filter((taken) => taken !== undefined);
}

function single(address: string, by: string): TakenNetwork | undefined {
  const base = parseAddress(address);
  return base === undefined ? undefined : { network: { base, prefixLength: 32 }, by: `${by} at ${address}` };
}

export function nameServers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+([\d.]+)\s*$/gm)].map(([, address]) => address ?? '');
}

/** The far ends of established connections, an operator's SSH among them, from /proc/net/tcp: hexadecimal, bytes reversed. */
export function connectedAddresses(table: string): string[] {
  const established = '01';
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, , remote, state] = line.trim().split(/\s+/);
      const hex = /^([0-9A-F]{8}):/.exec(remote ?? '')?.[1];
      if (hex === undefined || state !== established) return [];
      const bytes = hex.match(/../g) ?? [];
      return [formatAddress(Number.parseInt(bytes.reverse().join(''), 16))];
    });
}

function packageMirrors(): string[] {
  const directory = '/etc/apt/sources.list.d';
  const texts = [read('/etc/apt/sources.list')];
  try {
    for (const name of readdirSync(directory)) texts.push(read(`${directory}/${name}`));
  } catch {
    // No Debian.
  }
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .flatMap(hostsIn),
  );
}

function proxies(): string[] {
  return ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'DOCKER_HOST'].flatMap((name) =>
    hostsIn(process.env[name] ?? ''),
  );
}

function hostsIn(text: string): string[] {
  return [...text.matchAll(/(?:https?|tcp|ssh):\/\/(?:[^@\s/]*@)?([A-Za-z0-9.-]+)/g)].map(
    ([, host]) => host ?? '',
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
