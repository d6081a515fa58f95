/**
 * Hosts on one machine: each with a network and mounts of its own, so that each runs a GlusterFS daemon of its own, all on the machine's one
 * Docker engine. What a host mounts below its directory the machine (and so Docker) sees, too. Needs root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, type TestNetwork } from './docker.js';
import { type Outcome, runProgram, runToItsEnd } from './host-command.js';
import { waitFor } from './wait.js';

/**
 * Where bricks can lie: a file system of its own on each host. And below /run a host has nothing of the machine's but Docker's socket:
 * no systemd, and no other host's GlusterFS socket.
 */
const hostScript = `
set -eu
root=$1 own=$2
awk '{ print $5 }' /proc/self/mountinfo | while read -r point; do
  [ "$point" = "$root" ] || mount --make-private "$point" 2> /dev/null || true
done
mkdir "$own/glusterd" "$own/log" "$own/run"
mount -t tmpfs -o size=512m tmpfs /srv
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/gluster && touch /mnt/docker.sock
mount --bind /run/docker.sock /mnt/docker.sock
mount --bind "$own/glusterd" /var/lib/glusterd
mount --bind "$own/log" /var/log/glusterfs
grep '^#' /etc/fstab > "$own/fstab" || true
mount --bind "$own/fstab" /etc/fstab
mount --rbind /mnt /run
echo there
exec sleep infinity
`;

export class TestHost {
  readonly #init: ChildProcess;
  readonly #namespace: string;

  constructor(
    init: ChildProcess,
    readonly address: string,
    /** What of it the machine sees. */
    readonly directory: string,
  ) {
    this.#init = init;
    this.#namespace = readlinkSync(`/proc/${init.pid}/ns/net`);
  }

  /** Where the volume is mounted on this host, as the machine sees it, too. */
  get shared(): string {
    return join(this.directory, 'volume');
  }

  get fstab(): string {
    return readFileSync(join(this.directory, 'fstab'), 'utf8');
  }

  /** Runs a program on this host to its end. */
  run(program: string, ...args: readonly string[]): Promise<Outcome> {
    return runToItsEnd([...this.#wrapper, program, ...args]);
  }

  /** Runs `mesos-jupyter` on this host. */
  mesosJupyter(...args: readonly string[]): Promise<Outcome> {
    return runProgram(args, { wrapper: this.#wrapper });
  }

  get #wrapper(): string[] {
    return ['nsenter', '--target', String(this.#init.pid), '--net', '--mount', '--'];
  }

  /** Runs a program that must succeed, and resolves with what it printed. */
  async must(program: string, ...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(program, ...args);
    if (status !== 0)
      throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Ids of the host's processes whose command line matches. */
  processes(pattern: RegExp = /./): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          return (
            readlinkSync(`/proc/${pid}/ns/net`) === this.#namespace &&
            pattern.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))
          );
        } catch {
          return false;
        }
      });
  }

  signal(pattern: RegExp, signal: NodeJS.Signals): void {
    for (const pid of this.processes(pattern)) process.kill(pid, signal);
  }

  async remove(): Promise<void> {
    this.signal(/./, 'SIGKILL');
    await waitFor('the end of all processes of a host', 10_000, () => this.processes().length === 0);
  }
}

export class TestHosts {
  private constructor(
    readonly hosts: readonly TestHost[],
    readonly network: TestNetwork,
    readonly directory: string,
  ) {}

  /** Hosts at the addresses .20, .21… of a bridge network. */
  static async create(count: number, network: TestNetwork): Promise<TestHosts> {
    const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-hosts-'));
    // A mount of its own that is shared: what hosts mount below it shows everywhere.
    execFileSync('mount', ['--bind', directory, directory]);
    execFileSync('mount', ['--make-shared', directory]);
    const hosts: TestHost[] = [];
    const made = new TestHosts(hosts, network, directory);
    process.on('exit', () => unmountBelow(directory));
    const bridge = `br-${(await docker('network', 'inspect', '--format', '{{.Id}}', network.name)).slice(0, 12)}`;
    try {
      for (let number = 0; number < count; number++) {
        const address = network.address(20 + number);
        const own = join(directory, `host-${number}`);
        mkdirSync(own);
        hosts.push(await startHost(directory, own, address, bridge, network));
      }
    } catch (error) {
      await made.remove();
      throw error;
    }
    return made;
  }

  get addresses(): string[] {
    return this.hosts.map(({ address }) => address);
  }

  host(number: number): TestHost {
    const host = this.hosts[number];
    if (host === undefined) throw new RangeError(`there is no host ${number}`);
    return host;
  }

  async remove(): Promise<void> {
    for (const host of this.hosts) await host.remove();
    unmountBelow(this.directory);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function startHost(
  root: string,
  own: string,
  address: string,
  bridge: string,
  network: TestNetwork,
): Promise<TestHost> {
  const unshare = ['--mount', '--net', '--propagation', 'unchanged', 'sh', '-c', hostScript, 'sh'];
  const init = spawn('unshare', [...unshare, root, own], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  init.stdout.on('data', (chunk) => {
    said += String(chunk);
  });
  init.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  await waitFor(`a host's namespaces`, 10_000, () => {
    if (init.exitCode !== null) throw new Error(said);
    return said.includes('there');
  });
  const pid = String(init.pid);
  const [outer, inner] = [`mjh${pid}`, `mji${pid}`];
  const length = network.subnet.split('/')[1];
  execFileSync('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner]);
  execFileSync('ip', ['link', 'set', outer, 'master', bridge, 'up']);
  execFileSync('ip', ['link', 'set', inner, 'netns', pid, 'name', 'eth0']);
  const inside = `ip link set lo up && ip addr add ${address}/${length} dev eth0 && ip link set eth0 up`;
  execFileSync('nsenter', ['--target', pid, '--net', 'sh', '-c', inside]);
  return new TestHost(init, address, own);
}

/** Innermost first; lazily, as what is mounted there may be dead. */
function unmountBelow(directory: string): void {
  if (!existsSync('/proc/self/mountinfo')) return;
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === directory || point.startsWith(`${directory}/`));
  for (const point of points.reverse()) {
    try {
      execFileSync('umount', ['--lazy', point], { stdio: 'ignore' });
    } catch {
      // Gone with another of the same place.
    }
  }
}
