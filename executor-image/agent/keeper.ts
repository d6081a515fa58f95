/** The keeper of one Jupyter: the process that starts it, freezes it at its deadline, and ends with it. `keeper.py` is its other half. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { sleep } from './clock.js';
import type { Log } from './log.js';
import { killAllOf } from './processes.js';
import { describeEnd, Program } from './program.js';

const installed = '/opt/mesos-jupyter';
/** In the environment of all that the keeper starts, so that they are found when it was killed itself. */
export const mark = { name: 'MESOS_JUPYTER_KEEPER', value: '1' } as const;
/** A keeper that does not answer for so long was stopped itself: the node agent does its work. */
const killWithinMs = 500;

export interface KeeperOptions {
  readonly env: Record<string, string>;
  /** Whether JupyterLab is imported at once, before it may run. */
  readonly warm: boolean;
  readonly onReport: (report: Report) => void;
  readonly log: Log;
}

/** What a keeper tells: lines on its descriptor 3. */
export type Report =
  | { readonly kind: 'started' }
  | { readonly kind: 'frozen'; readonly lateMs: number }
  | { readonly kind: 'continued' }
  | { readonly kind: 'ended'; readonly status: string }
  /** All that is left was killed, and waits in the kernel: it will not run again. */
  | { readonly kind: 'stuck' };

export function parseReport(line: string): Report | undefined {
  const [kind, value = ''] = line.split(' ');
  switch (kind) {
    case 'started':
    case 'continued':
    case 'stuck':
      return { kind };
    case 'frozen':
      return { kind, lateMs: Number(value) };
    case 'ended':
      return { kind, status: value };
    default:
      return undefined;
  }
}

export class Keeper {
  /** Why it ended, in words; by then nothing is left of what it started. */
  readonly ended: Promise<string>;
  /** Resolves when nothing of it runs, nor will: it has ended, or what is left was killed and waits in the kernel. */
  readonly still: Promise<void>;
  readonly #program: Program;
  #jupyterEnd: string | undefined;
  #isBeingKilled = false;
  #isStill: () => void = () => {};

  constructor(readonly options: KeeperOptions) {
    this.#program = new Program(
      'jupyter',
      '/usr/bin/python3',
      [
        ...['-SE', `${installed}/keeper.py`, options.warm ? 'warm' : 'cold'],
        // No module of the notebooks' directory takes the place of one of Jupyter's.
        ...['/usr/bin/python3', '-P', `${installed}/standby.py`],
        `--config=${installed}/jupyter_server_config.py`,
      ],
      { env: { ...options.env, [mark.name]: mark.value }, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] },
      options.log,
    );
    this.#program.child.stdin?.on('error', () => undefined);
    const reports = this.#program.child.stdio[3] as Readable;
    createInterface({ input: reports }).on('line', (line) => this.#hear(line));
    this.ended = this.#program.ended.then(async (end) => {
      // Of a keeper that was killed itself nothing is left when these are gone.
      await endMarked();
      const how = this.#jupyterEnd ?? `its keeper ended with ${describeEnd(end)}`;
      return `${how}: ${this.#program.lastWords}`;
    });
    const stuck = new Promise<void>((resolve) => {
      this.#isStill = resolve;
    });
    this.still = Promise.race([stuck, this.ended.then(() => undefined)]);
  }

  /** Lets Jupyter run until `untilMs` on the boot clock: starts it, or has it go on where it was frozen. */
  runUntil(untilMs: number): void {
    this.#tell(`run ${Math.floor(untilMs)}`);
  }

  /** Asks Jupyter to shut its kernels down and end. */
  stop(): void {
    this.#tell('stop');
  }

  /** Ends it all; resolves when nothing runs any more, as `still` has it. */
  async kill(): Promise<void> {
    if (!this.#isBeingKilled) {
      this.#isBeingKilled = true;
      void this.#killAll();
    }
    await this.still;
  }

  async #killAll(): Promise<void> {
    this.#tell('kill');
    const over = new AbortController();
    await Promise.race([this.still, sleep(killWithinMs, over.signal)]);
    over.abort();
    if (!this.#program.running) return;
    await killAllOf(this.#program.child.pid, `${mark.name}=${mark.value}`, this.#isStill);
    this.#program.child.kill('SIGKILL');
  }

  #tell(command: string): void {
    this.#program.child.stdin?.write(`${command}\n`);
  }

  #hear(line: string): void {
    const report = parseReport(line);
    if (report === undefined) return;
    if (report.kind === 'stuck') this.#isStill();
    if (report.kind === 'ended') this.#jupyterEnd = `Jupyter ended with status ${report.status}`;
    this.options.onReport(report);
  }
}

/** Ends what a keeper that is no more has left behind. */
export function endMarked(): Promise<void> {
  return killAllOf(undefined, `${mark.name}=${mark.value}`);
}
