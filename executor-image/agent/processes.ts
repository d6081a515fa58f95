/** Finding and ending all that Jupyter started, wherever it hid: kernels and terminals have sessions of their own. */
import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from './clock.js';

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Whether it has ended and only waits to be reaped. */
  readonly dead: boolean;
  /** Whether it waits in the kernel where no signal reaches it, for a volume that hangs, say. */
  readonly stuck: boolean;
}

/** One line of /proc/PID/stat. The command's name, in parentheses, may hold anything, parentheses too. */
export function parseStat(stat: string): ProcessInfo {
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number.parseInt(stat, 10),
    parent: Number(rest[1]),
    dead: rest[0] === 'Z' || rest[0] === 'X',
    stuck: rest[0] === 'D',
  };
}

/** All descendants of `root`, without itself. */
export function descendantsOf(root: number, processes: readonly ProcessInfo[]): ProcessInfo[] {
  const family = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent } of processes) {
      if (family.has(parent) && !family.has(pid)) {
        family.add(pid);
        grown = true;
      }
    }
  }
  return processes.filter(({ pid }) => pid !== root && family.has(pid));
}

function allProcesses(): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readProc(`/proc/${name}/stat`);
    if (stat !== undefined) found.push(parseStat(stat));
  }
  return found;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

/**
 * Ends all descendants of `keeper`, and whatever carries `mark` in its environment (they belong to a keeper that was itself
 * killed), and returns when none is left. All are stopped before any is killed, so that none can fork meanwhile.
 * @param onStill called when all that is left is stuck in the kernel: killed already, none of it will run again
 */
export async function killAllOf(
  keeper: number | undefined,
  mark: string,
  onStill: () => void = () => {},
): Promise<void> {
  for (let round = 0; ; round++) {
    const all = allProcesses();
    const marked = all.filter(
      ({ pid }) => pid !== keeper && readProc(`/proc/${pid}/environ`)?.split('\0').includes(mark),
    );
    const family = [...(keeper === undefined ? [] : descendantsOf(keeper, all)), ...marked].filter(
      ({ dead }) => !dead,
    );
    if (family.length === 0) return;
    if (round > 0 && family.every(({ stuck }) => stuck)) onStill();
    for (const { pid } of family) signal(pid, 'SIGSTOP');
    for (const { pid } of family) signal(pid, 'SIGKILL');
    await sleep(Math.min(10 * 2 ** Math.max(0, round - 10), 500));
  }
}
