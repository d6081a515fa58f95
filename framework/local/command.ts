/** Runs other programs: output kept for messages and in a log file, interruptible, apart from the terminal's own Ctrl-C. */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, type WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { CodedError, type ErrorCode } from '../errors.js';

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Ends the program and rejects with INTERRUPTED. Without it, the program runs to its end whatever the user presses. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** Sees each line of output as it comes. */
  readonly onLine?: (line: string) => void;
  /** What the program reads; nothing by default. */
  readonly input?: string;
  /** Gets all the output. */
  readonly logFile?: string;
}

export interface Finished {
  /** The exit status; 127 where the program is not there, 128 + 9 where it was ended for taking too long. */
  readonly status: number;
  readonly stdout: string;
  /** Standard output and error together, as they came; of long output the end. */
  readonly output: string;
}

/** What a program that was killed may take until it is gone. */
const goingMs = 1_000;

/** Enough for any message, and for the answers of `docker … inspect`. */
const keptCharacters = 4_000_000;

/** Runs a program to its end. Rejects only when interrupted: a failure is a status. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { signal, timeoutMs, onLine, logFile, input = '' } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(interrupted());
    const log: WriteStream | undefined =
      logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
    log?.on('error', () => {});
    log?.write(`$ ${[command, ...args].join(' ')}\n`);
    // A process group of its own: Ctrl-C in a terminal reaches us alone, and we decide what it ends.
    const child = spawn(command, args, {
      detached: true,
      stdio: 'pipe',
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    // A program that ends without reading closes it.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    let stdout = '';
    let output = '';
    let partial = '';
    let late = false;
    let givenUp: NodeJS.Timeout | undefined;
    const keep = (text: string, chunk: string) => (text + chunk).slice(-keptCharacters);
    const take = (chunk: string) => {
      output = keep(output, chunk);
      log?.write(chunk);
      const lines = (partial + chunk).split(/[\r\n]+/);
      partial = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') onLine?.(line);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = keep(stdout, chunk);
      take(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', take);

    const end = (how: NodeJS.Signals) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // It has ended in the meantime.
      }
    };
    const onAbort = () => end('SIGTERM');
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            end('SIGKILL');
            // A process that waits in the kernel, for a dead mount say, is not ended by that: it is left behind.
            givenUp = setTimeout(() => {
              for (const stream of [child.stdout, child.stderr]) stream.destroy();
              child.unref();
              settle(null);
            }, goingMs);
          }, timeoutMs);
    let isSettled = false;
    const settle = (ended: number | null) => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      clearTimeout(givenUp);
      if (late) take(`\n${command} took longer than ${(timeoutMs ?? 0) / 1000} s\n`);
      const status = late ? 137 : (ended ?? 128);
      signal?.removeEventListener('abort', onAbort);
      log?.end();
      if (signal?.aborted) reject(interrupted());
      else resolve({ status, stdout, output });
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      take(`${command}: ${error.code === 'ENOENT' ? 'not found' : error.message}\n`);
      settle(127);
    });
    child.on('close', settle);
  });
}

/** Runs a program that must succeed. @throws CodedError `code` with the end of its output, and the log file's path if there is one. */
export async function mustRun(
  code: ErrorCode,
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, output } = await run(command, args, options);
  if (status !== 0) throw failed(code, `${command} ${args.join(' ')}`, status, output, options.logFile);
  return stdout;
}

export function failed(
  code: ErrorCode,
  what: string,
  status: number,
  output: string,
  logFile?: string,
): CodedError {
  const where = logFile === undefined ? '' : `\n  The whole output is in ${logFile}`;
  return new CodedError(code, `"${what}" ended with status ${status}:\n${lastLines(output)}${where}`);
}

export function interrupted(): CodedError {
  return new CodedError('INTERRUPTED', 'stopped before it was done');
}

/** @throws CodedError INTERRUPTED when the signal has fired. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted();
}

export function lastLines(text: string, count = 12): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines
    .slice(-count)
    .map((line) => `    ${line.trimEnd()}`)
    .join('\n');
}

/** Gives `work` a log file, which goes when the work succeeds: a failure's message names it. */
export async function withLogFile<T>(name: string, work: (logFile: string) => Promise<T>): Promise<T> {
  const logFile = newLogFile(name);
  const result = await work(logFile);
  rmSync(dirname(logFile), { recursive: true, force: true });
  return result;
}

/** A log file that nobody else can have put there before. */
export function newLogFile(name: string): string {
  return join(mkdtempSync(join(tmpdir(), 'mesos-jupyter-log-')), `${name}.log`);
}
