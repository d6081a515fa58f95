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

/** The youngest first, as far as pids tell. */
function allPids(): number[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((a, b) => b - a);
}

function allProcesses(): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (const pid of allPids()) {
    const stat = readProc(`/proc/${pid}/stat`);
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

/** So many rounds follow one another at once: what forks all the time is only caught by being quick. */
const hastyRounds = 100;

/**
 * Ends all descendants of `keeper`, and whatever carries `mark` in its environment (they belong to a keeper that was itself
 * killed), and returns when none is left: when two looks in a row found none. Each is stopped before any is killed, so that
 * none can fork meanwhile; the youngest first, since an older one may have ended when its turn comes.
 * @param onStill called when all that is left is stuck in the kernel: killed already, none of it will run again
 */
export async function killAllOf(
  keeper: number | undefined,
  mark: string,
  onStill: () => void = () => {},
): Promise<void> {
  const isMarked = (pid: number): boolean =>
    pid !== keeper && (readProc(`/proc/${pid}/environ`)?.split('\0').includes(mark) ?? false);
  for (let round = 0, cleanRounds = 0; cleanRounds < 2; round++) {
    // At once, before the rest of /proc is read: in that millisecond what forks all the time is another process already.
    for (const pid of allPids()) if (isMarked(pid)) signal(pid, 'SIGSTOP');
    const all = allProcesses();
    const descendants = new Set(keeper === undefined ? [] : descendantsOf(keeper, all).map(({ pid }) => pid));
    const family: ProcessInfo[] = [];
    for (const process of all) {
      if (process.dead || !(descendants.has(process.pid) || isMarked(process.pid))) continue;
      signal(process.pid, 'SIGSTOP');
      family.push(process);
    }
    for (const { pid } of family) signal(pid, 'SIGKILL');
    cleanRounds = family.length === 0 ? cleanRounds + 1 : 0;
    if (round > 0 && family.length > 0 && family.every(({ stuck }) => stuck)) onStill();
    await sleep(round < hastyRounds ? 0 : Math.min(10 * 2 ** (round - hastyRounds), 500));
  }
}
