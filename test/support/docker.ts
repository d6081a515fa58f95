/** Real containers and networks for tests, by the `docker` command, and their removal whatever happens. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { hostNetworks, overlapping } from '../../framework/local/network.js';
import { reachedHosts } from '../../framework/local/reached-hosts.js';

const run = promisify(execFile);

/** Runs `docker …` and resolves with its standard output, trimmed. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', [...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

/** The image under test, which the test runner has built. */
export function imageUnderTest(): string {
  const image = process.env['MESOS_JUPYTER_IMAGE'];
  if (image === undefined || image === '') {
    throw new Error('MESOS_JUPYTER_IMAGE does not name the image to test; `npm test` builds one and sets it');
  }
  return image;
}

/** A name that no other test of this machine has. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString('hex')}`;
}

export interface TestNetwork {
  readonly name: string;
  /** In CIDR notation. */
  readonly subnet: string;
  /** The network's address number `host`: 1 is the gateway. */
  address(host: number): string;
  remove(): Promise<void>;
}

/**
 * Quarters of one documentation range, and of a private one. The other documentation ranges are the network of some of the
 * machines that this is developed on, and of what they fetch packages from.
 */
const blocks = ['198.51.100', '10.213.1'].flatMap((range) =>
  [0, 64, 128, 192].map((first) => ({ range, first, subnet: `${range}.${first}/26` })),
);

/** A range that nothing of this machine is on, for a network that a test makes by itself. */
export async function freeTestRange(): Promise<Pick<TestNetwork, 'subnet' | 'address'>> {
  const taken = [...hostNetworks(), ...(await reachedHosts())];
  const free = blocks.find(({ subnet }) => overlapping(subnet, taken) === undefined);
  if (free === undefined) throw new Error(`none of ${blocks.map(({ subnet }) => subnet).join(', ')} is free`);
  return { subnet: free.subnet, address: (host) => `${free.range}.${free.first + host}` };
}

/** Makes a bridge network with a /26 that overlaps nothing that this machine is on or talks to. */
export async function createTestNetwork(prefix: string): Promise<TestNetwork> {
  const name = uniqueName(prefix);
  const taken = [...hostNetworks(), ...(await reachedHosts())];
  for (const { range, first, subnet } of blocks) {
    if (overlapping(subnet, taken) !== undefined) continue;
    try {
      await docker('network', 'create', '--driver', 'bridge', '--subnet', subnet, name);
    } catch (error) {
      // Another test, or a network that is down and has no route, has it.
      if (/overlaps/.test(String(error))) continue;
      throw error;
    }
    removeAtExit(['network', 'rm', name]);
    return {
      name,
      subnet,
      address: (host) => `${range}.${first + host}`,
      remove: async () => {
        await docker('network', 'rm', name);
      },
    };
  }
  throw new Error(`none of ${blocks.map(({ subnet }) => subnet).join(', ')} is free for a test network`);
}

/** This machine's own address on Docker's default network; not every engine lists it with the network. */
export async function bridgeAddress(): Promise<string> {
  const option = '{{index .Options "com.docker.network.bridge.name"}}';
  const name = await docker('network', 'inspect', '--format', option, 'bridge');
  // Node lists no interface that has no carrier, as a bridge has none while no container is there.
  const { stdout } = await run('ip', ['-4', '-oneline', 'address', 'show', 'dev', name]);
  const [, address] = / inet ([\d.]+)\//.exec(stdout) ?? [];
  if (address === undefined) throw new Error(`Docker's bridge "${name}" has no IPv4 address`);
  return address;
}

/** Starts a container and resolves with its name. Everything before the image's name is in `options`. */
export async function startContainer(
  name: string,
  options: readonly string[],
  image: string,
  command: readonly string[] = [],
): Promise<string> {
  removeAtExit(['rm', '-f', '-v', name]);
  await docker('run', '-d', '--name', name, ...options, image, ...command);
  return name;
}

export async function removeContainer(name: string): Promise<void> {
  await docker('rm', '-f', '-v', name).catch(() => undefined);
}

/** A container's first process, as this machine counts them; "0" where it does not run. */
export function pidOf(container: string): Promise<string> {
  return docker('inspect', '-f', '{{.State.Pid}}', container);
}

/** What a container printed so far, both streams. */
export async function logsOf(name: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', name], { maxBuffer: 64 * 1024 * 1024 });
  return stdout + stderr;
}

/** The exit status of a container, when it has ended. */
export async function exitStatusOf(name: string): Promise<number | undefined> {
  const [status, code] = (await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name)).split(
    ' ',
  );
  return status === 'exited' ? Number(code) : undefined;
}

const leftovers: (readonly string[])[] = [];

/** For a test that never got to its clean-up: what is gone already makes these fail, which is as good. */
function removeAtExit(args: readonly string[]): void {
  if (leftovers.length === 0) {
    process.on('exit', () => {
      for (const command of leftovers.reverse()) {
        try {
          execFileSync('docker', [...command], { stdio: 'ignore' });
        } catch {}
      }
    });
  }
  leftovers.push(args);
}
