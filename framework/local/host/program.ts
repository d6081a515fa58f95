/** Runs a program to its end, for what the host asks of `docker` and of the probes of health checks. */
import { spawn } from 'node:child_process';

export interface Ended {
  /** As a shell would say it: 128 + the signal's number where a signal ended it, 127 where it could not be started. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly ended: Promise<Ended>;
  kill(): void;
}

/** In a process group of its own: a Ctrl-C in the terminal is for the one who started us, and we end things in order. */
export function start(command: string, args: readonly string[]): Program {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (error) => resolve({ status: 127, stdout, stderr: `${stderr}${error.message}` }));
    child.once('close', (code) => resolve({ status: code ?? 137, stdout, stderr }));
  });
  return {
    ended,
    kill() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended in the meantime.
      }
    },
  };
}

export const run = (command: string, args: readonly string[]): Promise<Ended> => start(command, args).ended;
