/** Jupyter's process on the holder: started, watched, restarted when it crashes, and ended with all that it started. */
import { mkdir } from 'node:fs/promises';
import { containerPaths, type NodeStatus, ports, type TaskEnvironment, tokenFileName } from '../contract.js';
import { afterEnd, noBackoff } from './backoff.js';
import { sleep } from './clock.js';
import { messageOf } from './errors.js';
import type { Log } from './log.js';
import { killAllOf } from './processes.js';
import { describeEnd, Program } from './program.js';

/** On the container's own disk: SQLite on a shared file system hangs Jupyter. */
const home = '/var/lib/mesos-jupyter/jupyter';
const installed = '/opt/mesos-jupyter';
/** In the environment of all that the keeper starts, so that they are found when it was killed itself. */
const mark = 'MESOS_JUPYTER_KEEPER=1';

type State = NodeStatus['notebook']['state'];

export class Notebook {
  state: State = 'stopped';
  #isStill = true;
  /** What Jupyter should be doing; a run that is not the wanted one any more ends. */
  #wanted: AbortController | undefined;
  /** Ends when the last run has ended and nothing of it is left. */
  #run: Promise<void> = Promise.resolve();
  #keeper: Program | undefined;
  #stopping = false;

  constructor(
    readonly task: TaskEnvironment,
    readonly log: Log,
  ) {}

  /** Whether nothing of Jupyter runs, nor will: all is gone, or killed while it waits for the volume. */
  get isStill(): boolean {
    return this.#isStill;
  }

  /** Sees to it that Jupyter runs. Starts only when nothing of a former run is left. */
  start(): void {
    if (this.#wanted !== undefined) return;
    const wanted = new AbortController();
    this.#wanted = wanted;
    this.#run = this.#run.then(() => this.#keepRunning(wanted.signal));
  }

  /** Ends Jupyter and all its descendants now. */
  async kill(why: string): Promise<void> {
    if (this.#wanted !== undefined) this.log.warn(`killing Jupyter: ${why}`);
    await this.#end();
  }

  /** Lets Jupyter shut its kernels down, for at most `graceMs`, and kills what is left. */
  async stop(graceMs: number): Promise<void> {
    const keeper = this.#keeper;
    if (this.#wanted !== undefined && keeper?.running) {
      this.log.info('stopping Jupyter');
      // A Jupyter that ends from now on is not to be started again.
      this.state = 'stopping';
      this.#stopping = true;
      keeper.child.kill('SIGTERM');
      const over = new AbortController();
      await Promise.race([this.#run, sleep(graceMs, over.signal)]);
      over.abort();
    }
    await this.#end();
  }

  /** Returns when nothing of any run is left, also when another call has ended it. */
  async #end(): Promise<void> {
    const wanted = this.#wanted;
    if (wanted !== undefined) {
      this.#wanted = undefined;
      this.state = 'stopping';
      wanted.abort();
    }
    await this.#run;
    if (this.#wanted !== undefined) return;
    if (wanted !== undefined) this.log.info('Jupyter and all that it started are gone');
    this.state = 'stopped';
  }

  async #keepRunning(signal: AbortSignal): Promise<void> {
    let backoff = noBackoff;
    this.#stopping = false;
    while (!signal.aborted && !this.#stopping) {
      this.state = 'starting';
      const started = performance.now();
      const how = await this.#runOnce(signal).catch((error) => `it cannot be started: ${messageOf(error)}`);
      if (signal.aborted || this.#stopping) return;
      this.state = 'starting';
      backoff = afterEnd(backoff, performance.now() - started);
      this.log.warn(`Jupyter ended (${how}); starting it again in ${backoff.waitMs} ms`);
      await sleep(backoff.waitMs, signal);
    }
  }

  /** From one start to its end, for whatever reason; nothing of it is left afterwards, nor of what came before. */
  async #runOnce(signal: AbortSignal): Promise<string> {
    await killAllOf(undefined, mark);
    const started = performance.now();
    const keeper = await this.#spawn();
    this.#isStill = false;
    this.#keeper = keeper;
    const over = new AbortController();
    signal.addEventListener('abort', () => over.abort(), { signal: over.signal });
    if (signal.aborted) over.abort();
    void this.#waitUntilServing(over.signal, started);
    const aborted = new Promise<string>((resolve) => {
      if (over.signal.aborted) resolve('it is not wanted any more');
      over.signal.addEventListener('abort', () => resolve('it is not wanted any more'));
    });
    const how = await Promise.race([this.#jupyterEnd(keeper), aborted]);
    over.abort();
    await killAllOf(keeper.child.pid, mark, () => {
      this.#isStill = true;
    });
    // The keeper goes when it has no child left.
    await keeper.stop(1000);
    this.#isStill = true;
    return `${how}: ${keeper.lastWords}`;
  }

  async #spawn(): Promise<Program> {
    const directories = {
      JUPYTER_CONFIG_DIR: `${home}/config`,
      JUPYTER_DATA_DIR: `${home}/data`,
      JUPYTER_RUNTIME_DIR: `${home}/runtime`,
      IPYTHONDIR: `${home}/ipython`,
    };
    for (const path of Object.values(directories)) await mkdir(path, { recursive: true, mode: 0o700 });
    return new Program(
      'jupyter',
      '/usr/bin/python3',
      [
        '-SE',
        `${installed}/keeper.py`,
        '/usr/bin/python3',
        '-m',
        'jupyterlab',
        `--config=${installed}/jupyter_server_config.py`,
      ],
      {
        env: { ...environmentForPeople(process.env), ...directories, ...this.#environment() },
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      },
      this.log,
    );
  }

  #environment(): Record<string, string> {
    // Numeric libraries start a thread for each core that they see, whatever share of them the task has.
    const threads = String(Math.max(1, Math.floor(this.task.cpus)));
    return {
      MESOS_JUPYTER_KEEPER: '1',
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

  /** How Jupyter ended: what the keeper says on its descriptor 3, or the keeper's own end. */
  #jupyterEnd(keeper: Program): Promise<string> {
    const said = new Promise<string>((resolve) => {
      keeper.child.stdio[3]?.once('data', (text: Buffer) => resolve(`status ${text.toString().trim()}`));
    });
    return Promise.race([said, keeper.ended.then((end) => `its keeper with ${describeEnd(end)}`)]);
  }

  async #waitUntilServing(signal: AbortSignal, started: number): Promise<void> {
    const url = `http://127.0.0.1:${ports.notebook}${this.task.basePath}api`;
    while (!signal.aborted) {
      const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
      await answer?.body?.cancel();
      if (signal.aborted) return;
      if (answer?.ok) {
        this.state = 'serving';
        this.log.info(
          `Jupyter serves at ${this.task.basePath}, ${Math.round(performance.now() - started)} ms after its start`,
        );
        return;
      }
      await sleep(100, signal);
    }
  }
}

/** What a kernel may see of the node agent's environment: all but the contract's variables. */
function environmentForPeople(env: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('MJ_'),
  );
  return Object.fromEntries(entries) as Record<string, string>;
}
