/** Recorders beside containers, and what they saw. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { containerPaths } from '../../executor-image/contract.js';
import type { Sight } from './intervals.js';
import type { RecorderOptions } from './recorder.js';

export interface Sights {
  /** Jupyter answered. */
  readonly answers: readonly Sight[];
  /** A kernel of it wrote. */
  readonly writes: readonly Sight[];
}

export class Recorders {
  readonly #byTask = new Map<string, ChildProcess>();

  /**
   * @param scratch a directory of this machine's
   * @param notebooks where this machine sees the directory that Jupyter serves
   */
  constructor(
    readonly scratch: string,
    readonly notebooks: string,
    readonly tokenFile: string,
  ) {}

  /** @param pid of the container's first process, as this machine counts them */
  start(taskId: string, pid: number): void {
    const options: RecorderOptions = {
      tokenFile: this.tokenFile,
      sightsFile: this.#answersOf(taskId),
      writesFile: `${containerPaths.notebooks}/writes-${taskId}`,
    };
    const program = fileURLToPath(new URL('./recorder.js', import.meta.url));
    const command = ['-t', String(pid), '-n', process.execPath, program, JSON.stringify(options)];
    this.#byTask.set(taskId, spawn('nsenter', command, { stdio: 'ignore' }));
  }

  end(taskId: string | undefined): void {
    if (taskId !== undefined) this.#byTask.get(taskId)?.kill('SIGKILL');
  }

  endAll(): void {
    for (const taskId of this.#byTask.keys()) this.end(taskId);
  }

  /** What all have seen until now. */
  read(): Sights {
    const tasks = [...this.#byTask.keys()];
    return {
      answers: tasks.flatMap((taskId) =>
        linesOf(this.#answersOf(taskId)).map((line) => {
          const [fromMs = Number.NaN, toMs = Number.NaN] = line.split(' ').map(Number);
          return { taskId, fromMs, toMs };
        }),
      ),
      writes: tasks.flatMap((taskId) =>
        linesOf(join(this.notebooks, `writes-${taskId}`)).flatMap((line) => {
          // A line that a kill cut short is none.
          if (!/^\d+\.\d{4}$/.test(line)) return [];
          const atMs = Number(line) * 1000;
          return [{ taskId, fromMs: atMs, toMs: atMs }];
        }),
      ),
    };
  }

  #answersOf(taskId: string): string {
    return join(this.scratch, `answers-${taskId}`);
  }
}

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'latin1').split('\n').filter(Boolean) : [];
