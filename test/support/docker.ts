/** Real containers and networks for tests, by the `docker` command, and their removal whatever happens. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

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

/** Two documentation ranges; 192.0.2.0/24, the third, is the network of some machines that this is developed on. */
const ranges = ['198.51.100', '203.0.113'];
const blocks = ranges.flatMap((range) => [0, 64, 128, 192].map((first) => ({ range, first })));

/** Makes a bridge network with a /26 that overlaps no route of this host and no other Docker network. */
export async function createTestNetwork(prefix: string): Promise<TestNetwork> {
  const name = uniqueName(prefix);
  const taken = (await run('ip', ['-4', 'route'])).stdout.match(/\d+\.\d+\.\d+\.\d+(\/\d+)?/g) ?? [];
  for (const { range, first } of blocks) {
    const subnet = `${range}.${first}/26`;
    if (taken.some((other) => overlap(subnet, other))) continue;
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
  throw new Error(`no /26 of ${ranges.join('.0/24, ')}.0/24 is free for a test network`);
}

/** Whether two networks share an address; a bare address is a network of one. */
function overlap(a: string, b: string): boolean {
  const parse = (cidr: string): [number, number] => {
    const [address = '', bits = '32'] = cidr.split('/');
    const start = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    return [start, start + 2 ** (32 - Number(bits)) - 1];
  };
  const [aStart, aEnd] = parse(a);
  const [bStart, bEnd] = parse(b);
  return aStart <= bEnd && bStart <= aEnd && !b.startsWith('0.0.0.0');
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
