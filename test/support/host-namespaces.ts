/**
 * Hosts on one machine: each with a network and mounts of its own, so that each runs a GlusterFS daemon of its own, all on the machine's one
 * Docker engine. What a host mounts below its directory the machine (and so Docker) sees, too. Needs root.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
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

/**
 * Waits for the end of its input, however the test ends; then ends the processes of the namespaces that it was told of, takes off what
 * is mounted below the directory (lazily, as it may be dead), and removes the directory.
 */
const keeperScript = `
trap '' INT TERM HUP
directory=$1 own=$(readlink /proc/self/ns/net)
namespaces=
while read -r namespace; do
  [ "$namespace" = "$own" ] || namespaces="$namespaces $namespace"
done
for process in /proc/[0-9]*; do
  found=$(readlink "$process/ns/net" 2> /dev/null) || continue
  for namespace in $namespaces; do
    [ "$found" != "$namespace" ] || kill -9 "\${process#/proc/}" 2> /dev/null || true
  done
done
awk -v directory="$directory" '$5 == directory || index($5, directory "/") == 1 { print $5 }' /proc/self/mountinfo \\
  | sort -r | while read -r point; do umount --lazy "$point"; done
rm -rf --one-file-system "$directory"
`;

export class TestHost {
  readonly #init: ChildProcess;
  /** The network namespace, by which its processes are known. */
  readonly namespace: string;

  constructor(
    init: ChildProcess,
    readonly address: string,
    /** What of it the machine sees. */
    readonly directory: string,
  ) {
    this.#init = init;
    this.namespace = readlinkSync(`/proc/${init.pid}/ns/net`);
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
            readlinkSync(`/proc/${pid}/ns/net`) === this.namespace &&
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
}

export class TestHosts {
  readonly #keeper: ChildProcess;

  private constructor(
    readonly hosts: readonly TestHost[],
    directory: string,
  ) {
    this.#keeper = spawn('sh', ['-c', keeperScript, 'sh', directory], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    });
  }

  /** Hosts at the addresses .20, .21… of a bridge network. */
  static async create(count: number, network: TestNetwork): Promise<TestHosts> {
    const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-hosts-'));
    // A mount of its own that is shared: what hosts mount below it shows everywhere.
    execFileSync('mount', ['--bind', directory, directory]);
    execFileSync('mount', ['--make-shared', directory]);
    const hosts: TestHost[] = [];
    const made = new TestHosts(hosts, directory);
    const bridge = `br-${(await docker('network', 'inspect', '--format', '{{.Id}}', network.name)).slice(0, 12)}`;
    try {
      for (let number = 0; number < count; number++) {
        const address = network.address(20 + number);
        const own = join(directory, `host-${number}`);
        mkdirSync(own);
        const host = await startHost(directory, own, address, bridge, network);
        hosts.push(host);
        made.#keeper.stdin?.write(`${host.namespace}\n`);
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
    const ended = once(this.#keeper, 'exit');
    this.#keeper.stdin?.end();
    await ended;
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
