/** Jupyter on the holder: allowed to run until a deadline, watched, started anew when it crashes, and ended with all it started. */
import { mkdir } from 'node:fs/promises';
import { containerPaths, type NodeStatus, ports, type TaskEnvironment, tokenFileName } from '../contract.js';
import { afterEnd, noBackoff } from './backoff.js';
import { Alarm, bootClockMs, sleep } from './clock.js';
import { getByHttp } from './get.js';
import { endMarked, Keeper, type Report } from './keeper.js';
import type { Log } from './log.js';
import { cannotStart, isSilentForTooLong, silentSince, vainStartsAfter } from './responsiveness.js';

/** On the container's own disk: SQLite on a shared file system hangs Jupyter. */
const home = '/var/lib/mesos-jupyter/jupyter';
const installed = '/opt/mesos-jupyter';
const directories = {
  JUPYTER_CONFIG_DIR: `${home}/config`,
  JUPYTER_DATA_DIR: `${home}/data`,
  JUPYTER_RUNTIME_DIR: `${home}/runtime`,
  IPYTHONDIR: `${home}/ipython`,
};
const probeEveryMs = { starting: 100, serving: 5000 };
/** After a Jupyter that is not wanted any more, the next one is not imported at once: whoever takes over needs the CPUs. */
const restMs = 1000;

type State = NodeStatus['notebook']['state'];

export class Notebook {
  state: State = 'stopped';
  /** Whether a look at the shared volume hangs. */
  volumeHangs: () => boolean = () => false;
  /** Called when a Jupyter that should run has ended. */
  onCrash: () => void = () => {};

  readonly #wake = new Alarm();
  /** Until when Jupyter may run, on the boot clock; undefined while it is not wanted. */
  #untilMs: number | undefined;
  #keeper: Keeper | undefined;
  /** Whether the present keeper was told to run Jupyter. */
  #isBegun = false;
  /** Whether the present keeper's end is one that was asked for. */
  #isGivenUp = false;
  #hasAnswered = false;
  #vainStarts = 0;

  constructor(
    readonly task: TaskEnvironment,
    readonly log: Log,
  ) {}

  /** Whether Jupyter cannot be started here, as it seems. */
  get cannotStart(): boolean {
    return cannotStart(this.#vainStarts);
  }

  /** Lets Jupyter run until `untilMs` on the boot clock, and then freezes it. It starts only when nothing of a former one is left. */
  runUntil(untilMs: number): void {
    this.#untilMs = untilMs;
    this.#begin();
    this.#wake.ring();
  }

  #begin(): void {
    if (this.#untilMs === undefined || this.#keeper === undefined) return;
    this.#isBegun = true;
    this.#keeper.runUntil(this.#untilMs);
  }

  /** Ends Jupyter and all its descendants now; resolves when none of them runs, nor will. */
  async kill(why: string): Promise<void> {
    if (this.#untilMs !== undefined) this.log.warn(`killing Jupyter: ${why}`);
    this.#untilMs = undefined;
    this.#vainStarts = 0;
    if (!this.#isBegun) {
      this.state = 'stopped';
      return;
    }
    this.#isGivenUp = true;
    this.state = 'stopping';
    await this.#keeper?.kill();
  }

  /** Lets Jupyter shut its kernels down, for at most `graceMs`, and kills what is left. */
  async stop(graceMs: number, why: string): Promise<void> {
    const keeper = this.#keeper;
    if (this.#untilMs !== undefined && this.#isBegun && this.state !== 'frozen') {
      this.log.info(`stopping Jupyter: ${why}`);
      // One that ends from now on is not to be started again.
      this.#untilMs = undefined;
      this.#isGivenUp = true;
      this.state = 'stopping';
      keeper?.stop();
      const over = new AbortController();
      await Promise.race([keeper?.still, sleep(graceMs, over.signal)]);
      over.abort();
    }
    await this.kill(why);
  }

  /** Keeps a keeper: with a warm interpreter before Jupyter is wanted, or only then. */
  async run(signal: AbortSignal): Promise<void> {
    for (const path of Object.values(directories)) await mkdir(path, { recursive: true, mode: 0o700 });
    await endMarked();
    let backoff = noBackoff;
    while (!signal.aborted) {
      if (this.#untilMs === undefined && !this.task.warmStandby) {
        await this.#wake.wait(60_000, signal);
        continue;
      }
      const started = performance.now();
      const end = await this.#runKeeper(signal);
      if (signal.aborted) return;
      if (this.#isGivenUp) {
        this.log.info('Jupyter and all that it started are gone');
        backoff = noBackoff;
        if (this.#untilMs === undefined) {
          this.state = 'stopped';
          await this.#wake.wait(restMs, signal);
        }
        continue;
      }
      backoff = afterEnd(backoff, performance.now() - started);
      if (end.wasBegun) this.#vainStarts = vainStartsAfter(this.#vainStarts, end.hadAnswered);
      this.log.warn(`Jupyter ended (${end.how}); starting it again in ${backoff.waitMs} ms`);
      if (this.#untilMs !== undefined) this.state = 'starting';
      if (end.wasBegun) this.onCrash();
      await sleep(backoff.waitMs, signal);
    }
  }

  /** From one start to its end, for whatever reason; nothing of it is left afterwards. */
  async #runKeeper(signal: AbortSignal): Promise<{ how: string; wasBegun: boolean; hadAnswered: boolean }> {
    const over = new AbortController();
    const keeper = new Keeper({
      env: { ...environmentForPeople(process.env), ...directories, ...this.#environment() },
      warm: this.task.warmStandby,
      onReport: (report) => this.#hear(report, keeper, over.signal),
      log: this.log,
    });
    this.#keeper = keeper;
    this.#isBegun = false;
    this.#isGivenUp = false;
    this.#hasAnswered = false;
    if (this.#untilMs !== undefined) this.state = 'starting';
    this.#begin();
    const onAbort = () => void keeper.kill();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    const how = await keeper.ended;
    signal.removeEventListener('abort', onAbort);
    over.abort();
    const end = { how, wasBegun: this.#isBegun, hadAnswered: this.#hasAnswered };
    this.#keeper = undefined;
    this.#isBegun = false;
    return end;
  }

  #hear(report: Report, keeper: Keeper, over: AbortSignal): void {
    if (this.state === 'stopping') return;
    switch (report.kind) {
      case 'started':
        this.state = 'starting';
        void this.#watch(keeper, over);
        return;
      case 'frozen':
        this.state = 'frozen';
        this.log.warn(`Jupyter and all that it started are frozen, ${report.lateMs} ms after the deadline`);
        return;
      case 'continued':
        this.state = this.#hasAnswered ? 'serving' : 'starting';
        this.log.info('Jupyter and all that it started go on');
        return;
      case 'ended':
      case 'stuck':
        return;
    }
  }

  /** Asks Jupyter again and again whether it answers, and ends one that does not for too long. */
  async #watch(keeper: Keeper, over: AbortSignal): Promise<void> {
    const started = performance.now();
    let silentSinceMs: number | undefined;
    while (!over.aborted) {
      const answers = this.state !== 'frozen' && (await this.#probe());
      if (over.aborted) return;
      const nowMs = bootClockMs();
      const isExcused = this.state === 'frozen' || this.volumeHangs();
      silentSinceMs = silentSince(silentSinceMs, { nowMs, answers, isExcused });
      if (answers && !this.#hasAnswered) {
        this.#hasAnswered = true;
        this.#vainStarts = 0;
        if (this.state === 'starting') this.state = 'serving';
        const tookMs = Math.round(performance.now() - started);
        this.log.info(`Jupyter serves at ${this.task.basePath}, ${tookMs} ms after its start`);
      }
      if (isSilentForTooLong(silentSinceMs, nowMs)) {
        this.log.warn('killing Jupyter: it does not answer');
        return keeper.kill();
      }
      await sleep(this.#hasAnswered ? probeEveryMs.serving : probeEveryMs.starting, over);
    }
  }

  async #probe(): Promise<boolean> {
    const url = `http://127.0.0.1:${ports.notebook}${this.task.basePath}api`;
    const answer = await getByHttp(url, 5000).catch(() => undefined);
    return answer?.status === 200;
  }

  #environment(): Record<string, string> {
    // Numeric libraries start a thread for each core that they see, whatever share of them the task has.
    const threads = String(Math.max(1, Math.floor(this.task.cpus)));
    return {
      MESOS_JUPYTER_PORT: String(ports.notebook),
      MESOS_JUPYTER_BASE_PATH: this.task.basePath,
      MESOS_JUPYTER_NOTEBOOKS: containerPaths.notebooks,
      MESOS_JUPYTER_TOKEN_FILE: `${containerPaths.trusted}/${tokenFileName}`,
      JUPYTER_PATH: `${installed}/jupyter`,
      SHELL: '/bin/bash',
      OMP_NUM_THREADS: threads,
      OPENBLAS_NUM_THREADS: threads,
      MKL_NUM_THREADS: threads,
      NUMEXPR_NUM_THREADS: threads,
      BLIS_NUM_THREADS: threads,
      VECLIB_MAXIMUM_THREADS: threads,
    };
  }
}

/** What a kernel may see of the node agent's environment: all but the contract's variables. */
function environmentForPeople(env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('MJ_'),
  );
  return Object.fromEntries(entries) as Record<string, string>;
}
