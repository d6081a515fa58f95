/** What Docker says of containers as it happens: asking again and again would take a core of the machine that is measured. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { bootMs } from './boot-clock.js';

export interface ContainerListener {
  started(container: string): void;
  ended(container: string): void;
}

export class ContainerEvents {
  readonly #events: ChildProcess;
  readonly #resumes = new Map<string, number[]>();

  constructor(listener: ContainerListener) {
    const filters = ['start', 'die', 'unpause'].flatMap((event) => ['--filter', `event=${event}`]);
    const format = '{{.Action}} {{.ID}} {{.TimeNano}}';
    const events = spawn('docker', ['events', '--filter', 'type=container', ...filters, '--format', format], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    createInterface(events.stdout).on('line', (line) => {
      const [action, container = '', nanoseconds] = line.split(' ');
      if (action === 'start') listener.started(container);
      if (action === 'die') listener.ended(container);
      if (action === 'unpause') this.#resumed(container, Date.now() - Number(nanoseconds) / 1e6);
    });
    this.#events = events;
  }

  #resumed(container: string, agoMs: number): void {
    this.#resumes.set(container, [...this.resumesOf(container), bootMs() - agoMs]);
  }

  /**
   * When Docker noted that a container went on after a pause, by the boot clock; whoever let it: Docker does, too, when it stops one or
   * kills it.
   */
  resumesOf(container: string): readonly number[] {
    return this.#resumes.get(container) ?? [];
  }

  end(): void {
    this.#events.kill();
  }
}
