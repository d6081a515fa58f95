/** The shared volume: really mounted, writable by use, with its trusted directory. Nothing here can hang the node agent. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { containerPaths, type TaskEnvironment, tokenFileName } from '../contract.js';
import { messageOf, NodeEnd } from './errors.js';

/** Children that were given up and are not gone: each waits in the kernel, and more of them would learn no more. */
let hanging = 0;
const mostHanging = 8;

/**
 * Starts a process that may touch the volume. A lost brick makes every call on a GlusterFS mount hang for `network.ping-timeout`,
 * and no signal ends a process that waits there: so it is a child, to be given up after a time.
 * @throws when too many that were given up still hang
 */
export function spawnForVolume([command = '', ...args]: readonly string[]): ChildProcessWithoutNullStreams {
  if (hanging >= mostHanging) throw new Error(`${hanging} earlier calls to the shared volume hang`);
  return spawn(command, args, { stdio: 'pipe', detached: true });
}

/** Kills such a process and those that it started; until it is gone it counts as one that hangs. */
export function giveUp(child: ChildProcess): void {
  if (child.pid === undefined) return;
  hanging += 1;
  child.on('close', () => {
    hanging -= 1;
  });
  killGroup(child.pid);
}

/** Runs a shell script that may touch the volume, and resolves with what it prints. */
export async function onVolume(
  script: string,
  args: readonly string[],
  input = '',
  timeoutMs = 10_000,
): Promise<string> {
  const child = spawnForVolume(['/bin/sh', '-euc', script, 'sh', ...args]);
  return new Promise((resolve, reject) => {
    let out = '';
    let err = '';
    const timer = setTimeout(() => {
      giveUp(child);
      reject(new Error(`the shared volume did not answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      if (status === 0) resolve(out);
      else reject(new Error(err.trim() || `a script on the shared volume ended with status ${status}`));
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended at this very moment.
  }
}

/** The type of the file system that is mounted at `path`, by /proc/self/mountinfo; undefined when none is. */
export function mountType(mountinfo: string, path: string): string | undefined {
  let type: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const fields = line.split(' ');
    const point = fields[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(parseInt(octal, 8)),
    );
    // Of mounts over one another, the last one shows.
    if (point === path) type = fields[fields.indexOf('-') + 1];
  }
  return type;
}

/**
 * The type of the file system at the volume's place, where it may be used.
 * @param wanted the type that it must be of; empty for any
 * @throws NodeEnd `volumeUnusable`
 */
export function acceptedType(type: string | undefined, wanted: string): string {
  if (type === undefined) {
    throw new NodeEnd(
      'volumeUnusable',
      `nothing is mounted at ${containerPaths.shared}: start the container with the shared directory as a volume there`,
    );
  }
  if (wanted !== '' && type !== wanted) {
    throw new NodeEnd(
      'volumeUnusable',
      `the shared volume at ${containerPaths.shared} is ${type}, not ${wanted}: on this host the volume is not mounted at the shared directory, and files would land on its own disk; mount it ("mesos-jupyter host check" says what is wrong)`,
    );
  }
  return type;
}

const prepare = `
umask 077
trusted=$1 token=$2 notebooks=$3 node=$4
[ -d "$trusted" ] || mkdir "$trusted" || [ -d "$trusted" ]
mode=$(stat -c %a:%u "$trusted")
if [ "$mode" != 700:0 ]; then
  echo "$trusted has mode and owner $mode, not 700:0: others may have read or changed what is in it; look into it, then chmod or remove it" >&2
  exit 1
fi
probe="$trusted/.probe-$node"
echo probe > "$probe" && sync "$probe" && rm "$probe"
(umask 022; mkdir -p "$notebooks")
mkdir -p "$trusted/ssh"
if [ ! -s "$trusted/$token" ]; then
  draft=$(mktemp "$trusted/.$token.XXXXXX")
  od -An -N24 -tx1 /dev/urandom | tr -d ' \\n' > "$draft"
  sync "$draft"
  ln "$draft" "$trusted/$token" 2>/dev/null || [ -s "$trusted/$token" ]
  rm -f "$draft"
fi
`;

/**
 * Sees to it that the volume can be used: the trusted directory, the notebook token (whoever comes first makes it, by
 * `link`, which has one winner) and the notebooks' directory are there when it returns.
 * @throws NodeEnd `volumeUnusable`
 */
export async function prepareVolume({
  node,
  volumeType,
}: Pick<TaskEnvironment, 'node' | 'volumeType'>): Promise<string> {
  const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
  const type = acceptedType(mountType(mountinfo, containerPaths.shared), volumeType);
  try {
    await onVolume(
      prepare,
      [containerPaths.trusted, tokenFileName, containerPaths.notebooks, String(node)],
      '',
      20_000,
    );
  } catch (error) {
    throw new NodeEnd(
      'volumeUnusable',
      `the shared volume at ${containerPaths.shared} (${type}) cannot be used: ${messageOf(error)}`,
    );
  }
  return type;
}

/** `link` has one winner, on GlusterFS, too; what is linked is complete and on the disks. */
const linkOnceScript = `
umask 077
trusted=$1 name=$2
draft=$(mktemp "$trusted/.$name.XXXXXX")
trap 'rm -f "$draft"' EXIT
cat > "$draft"
sync "$draft"
ln "$draft" "$trusted/$name" 2>/dev/null || true
sync "$trusted" 2>/dev/null || true
cat "$trusted/$name"
`;

/** Makes a file of the trusted directory with `text` in it, unless it is there, and resolves with what is in it. */
export function linkOnce(name: string, text: string): Promise<string> {
  return onVolume(linkOnceScript, [containerPaths.trusted, name], text, 20_000);
}
