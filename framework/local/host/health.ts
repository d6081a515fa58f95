/**
 * Health checks as the executor makes them (src/checks/health_checker.cpp of Mesos 1.12; FACTS, Docker containerizer 3): the first
 * result, each failure, and the return to health become updates; enough failures in a row kill the task.
 */
import { fileURLToPath } from 'node:url';
import type { HealthCheck } from '../../mesos/schema/codec.js';
import type { Clock, Timer } from '../master/clock.js';
import { type Program, start } from './program.js';

export interface HealthResult {
  readonly healthy: boolean;
  readonly killTask: boolean;
}

/** Where a check runs: the container, and its first process for the namespace of its network. */
export interface HealthTarget {
  readonly containerName: string;
  readonly pid: number;
}

export interface HealthListener {
  result(result: HealthResult): void;
  /** A line for the sandbox's stderr. */
  note(text: string): void;
}

const probeProgram = fileURLToPath(new URL('probe.js', import.meta.url));

/** Mesos' defaults. */
const defaults = { delayS: 15, intervalS: 10, timeoutS: 20, failures: 3, graceS: 10 };

export class HealthChecker {
  readonly #check: HealthCheck;
  readonly #target: HealthTarget;
  readonly #clock: Clock;
  readonly #listener: HealthListener;
  readonly #startedAt: number;
  #state: 'initializing' | 'known' | 'stopped' = 'initializing';
  #failures = 0;
  #next: Timer;
  #probe: Program | undefined;

  constructor(check: HealthCheck, target: HealthTarget, clock: Clock, listener: HealthListener) {
    this.#check = check;
    this.#target = target;
    this.#clock = clock;
    this.#listener = listener;
    this.#startedAt = clock.now();
    this.#next = clock.after((check.delay_seconds ?? defaults.delayS) * 1000, () => void this.#perform());
  }

  stop(): void {
    this.#state = 'stopped';
    this.#next.cancel();
    this.#probe?.kill();
  }

  get #stopped(): boolean {
    return this.#state === 'stopped';
  }

  async #perform(): Promise<void> {
    const failure = await this.#failureOf(this.#check);
    if (this.#stopped) return;
    if (failure === undefined) this.#success();
    else this.#failure(failure);
    if (this.#stopped) return;
    this.#next = this.#clock.after(
      (this.#check.interval_seconds ?? defaults.intervalS) * 1000,
      () => void this.#perform(),
    );
  }

  #success(): void {
    if (this.#state === 'initializing' || this.#failures > 0) {
      this.#state = 'known';
      this.#failures = 0;
      this.#listener.result({ healthy: true, killTask: false });
    }
  }

  #failure(message: string): void {
    const { type = 'UNKNOWN', grace_period_seconds = defaults.graceS } = this.#check;
    this.#listener.note(`${type} health check failed: ${message}`);
    // A grace period of 0 is none; it counts only until the first success.
    if (
      this.#state === 'initializing' &&
      grace_period_seconds > 0 &&
      this.#clock.now() - this.#startedAt <= grace_period_seconds * 1000
    ) {
      return;
    }
    this.#failures += 1;
    const killTask = this.#failures >= (this.#check.consecutive_failures ?? defaults.failures);
    this.#listener.result({ healthy: false, killTask });
  }

  async #failureOf(check: HealthCheck): Promise<string | undefined> {
    const [program, ...args] = probeCommand(check, this.#target);
    const timeoutS = check.timeout_seconds ?? defaults.timeoutS;
    const probe = start(program as string, args);
    this.#probe = probe;
    let timedOut = false;
    const timer =
      timeoutS > 0
        ? this.#clock.after(timeoutS * 1000, () => {
            timedOut = true;
            probe.kill();
          })
        : undefined;
    const { status, stdout, stderr } = await probe.ended;
    timer?.cancel();
    this.#probe = undefined;
    if (timedOut) return `timed out after ${timeoutS}secs`;
    if (status !== 0)
      return check.type === 'COMMAND'
        ? `Command exited with status ${status}`
        : `exited with status ${status}: ${stderr.trim()}`;
    if (check.type !== 'HTTP') return undefined;
    // Whatever `statuses` says (FACTS: measured).
    const code = Number(stdout.trim());
    return code >= 200 && code < 400 ? undefined : `Unexpected HTTP response code: ${code}`;
  }
}

/**
 * HTTP and TCP go to 127.0.0.1 in the container's own network namespace, which takes root and an engine on this machine; a
 * command runs inside of the container.
 */
export function probeCommand(check: HealthCheck, { containerName, pid }: HealthTarget): readonly string[] {
  const inNamespace = ['nsenter', '--target', String(pid), '--net', '--', process.execPath, probeProgram];
  switch (check.type ?? 'UNKNOWN') {
    case 'HTTP': {
      const { scheme = 'http', port = 80, path = '', protocol = 'IPv4' } = check.http ?? {};
      const domain = protocol === 'IPv6' ? '[::1]' : '127.0.0.1';
      return [...inNamespace, 'http', `${scheme}://${domain}:${port}${path}`];
    }
    case 'TCP': {
      const { port = 0, protocol = 'IPv4' } = check.tcp ?? {};
      return [...inNamespace, 'tcp', protocol === 'IPv6' ? '::1' : '127.0.0.1', String(port)];
    }
    case 'COMMAND': {
      const { shell = true, value = '', arguments: args = [] } = check.command ?? {};
      return ['docker', 'exec', containerName, ...(shell ? ['sh', '-c', value] : [value, ...args])];
    }
    case 'UNKNOWN':
      return ['true'];
  }
}
