/** Packets that do not arrive: by iptables on this machine, or in a container's network namespace. Needs root. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { docker, pidOf } from './docker.js';

/** Keeps a rule as long as somebody holds its standard input open: however the test ends, the rule goes. */
const keepRule = `
trap '' INT TERM HUP
iptables -w -I "$@" && echo there
cat > /dev/null
iptables -w -D "$@"
`;

/** Drops all that this machine itself sends to `subnet` (not what containers there send to one another). */
export async function dropPacketsTo(subnet: string): Promise<() => Promise<void>> {
  const keeper = spawn('sh', ['-c', keepRule, 'sh', 'OUTPUT', '-d', subnet, '-j', 'DROP'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  await Promise.race([
    once(keeper.stdout, 'data'),
    once(keeper, 'exit').then(() => Promise.reject(new Error('iptables refuses the rule'))),
  ]);
  return async () => {
    const ended = once(keeper, 'exit');
    keeper.stdin.end();
    await ended;
  };
}

const cutOffRules = [
  ['INPUT', '!', '-i', 'lo', '-j', 'DROP'],
  ['OUTPUT', '!', '-o', 'lo', '-j', 'DROP'],
];

async function inNamespaceOf(container: string, ...command: readonly string[]): Promise<void> {
  const pid = await pidOf(container);
  execFileSync('nsenter', ['-t', pid, '-n', ...command], { stdio: 'pipe' });
}

/** Cuts a container off from everything but itself and its volumes. */
export async function cutOff(container: string): Promise<void> {
  for (const rule of cutOffRules) await inNamespaceOf(container, 'iptables', '-w', '-I', ...rule);
}

export async function connectAgain(container: string): Promise<void> {
  for (const rule of cutOffRules) await inNamespaceOf(container, 'iptables', '-w', '-D', ...rule);
}

/** Drops what `address` sends to a container; nothing of it can become a connection then. */
export async function dropFrom(container: string, address: string): Promise<void> {
  await inNamespaceOf(container, 'iptables', '-w', '-I', 'INPUT', '-s', address, '-j', 'DROP');
}

/** Gives a container's interface another MAC address, as its address has on another host. */
export async function changeMac(container: string): Promise<void> {
  const bytes = [...randomBytes(4)].map((byte) => byte.toString(16).padStart(2, '0'));
  await inNamespaceOf(container, 'ip', 'link', 'set', 'eth0', 'address', ['02', '00', ...bytes].join(':'));
}

/** Lets a container ask anew who has which address, rather than wait until it no longer believes what it learned. */
export async function forgetNeighbours(container: string): Promise<void> {
  await inNamespaceOf(container, 'ip', 'neighbour', 'flush', 'all');
}

/**
 * Puts a container that has no network on a Docker network, at an address that another container may have: Docker itself refuses that,
 * but hosts that come back from a partition do it. Goes with the container.
 */
export async function putBeside(container: string, network: string, address: string): Promise<void> {
  const bridge = `br-${(await docker('network', 'inspect', '-f', '{{.Id}}', network)).slice(0, 12)}`;
  const pid = await pidOf(container);
  const outside = `mj${pid}`;
  execFileSync('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth9', 'netns', pid]);
  execFileSync('ip', ['link', 'set', outside, 'master', bridge, 'up']);
  await inNamespaceOf(container, 'ip', 'address', 'add', `${address}/26`, 'dev', 'eth9');
  await inNamespaceOf(container, 'ip', 'link', 'set', 'eth9', 'up');
}
