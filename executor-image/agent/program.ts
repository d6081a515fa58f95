/** A child program whose output goes to the log. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { sleep } from './clock.js';
import { type Log, withoutTokens } from './log.js';

export interface End {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  readonly livedMs: number;
}

export class Program {
  readonly ended: Promise<End>;
  readonly child: ChildProcess;
  #last: string[] = [];

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    options: SpawnOptions,
    log: Log,
  ) {
    const started = performance.now();
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (text) => {
        const line = withoutTokens(text);
        this.#last = [...this.#last.slice(-4), line];
        log.debug(line);
      });
    }
    this.ended = new Promise((resolve) => {
      const end = (status: number | null, signal: string | null) =>
        resolve({
          status: status ?? undefined,
          signal: signal ?? undefined,
          livedMs: performance.now() - started,
        });
      this.child.on('error', (error) => {
        this.#last.push(error.message);
        end(127, null);
      });
      // Not `close`: a grandchild may hold the output open. What was printed last is given a moment to be read.
      this.child.on('exit', (status, signal) => setTimeout(end, 20, status, signal));
    });
  }

  /** The end of its output, for a message about why it ended. */
  get lastWords(): string {
    return this.#last.join(' | ').slice(-1500);
  }

  get running(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** SIGTERM, and SIGKILL after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.child.kill('SIGTERM');
    const over = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, over.signal)]);
    over.abort();
    if (this.running) this.child.kill('SIGKILL');
    await this.ended;
  }
}

export function describeEnd(end: End): string {
  return end.signal === undefined ? `status ${end.status}` : `signal ${end.signal}`;
}
