/**
 * What a container's own network namespace answers, asked by a shell in there: from outside, a node that is cut off, or that
 * nothing may be sent to, is exactly the one that is not seen. Here by nsenter rather than `docker exec`: asked
 * again and again, the latter takes 20 times the processor (70 ms each), which slow nodes would have needed, and hangs with a
 * `docker pause` beside it.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { containerPaths, type NodeStatus, ports, tokenFileName } from '../../executor-image/contract.js';
import { docker, pidOf } from './docker.js';
import { givenMesos } from './target.js';

/** $1 port, $2 path. The token is read in there, so that it is in no argument. */
const ask = `
exec 3<>"/dev/tcp/127.0.0.1/$1"
token=$(timeout 1 cat ${containerPaths.trusted}/${tokenFileName} || true)
printf 'GET %s HTTP/1.0\\r\\nAuthorization: token %s\\r\\n\\r\\n' "$2" "$token" >&3
timeout 2 cat <&3
`;

/** The first process of each container that was asked; containers are never started twice here. */
const pids = new Map<string, string>();

async function knownPidOf(container: string): Promise<string> {
  const pid = pids.get(container) ?? (await pidOf(container));
  if (pid === '0') throw new Error(`${container} does not run`);
  pids.set(container, pid);
  return pid;
}

async function inside(container: string, command: readonly string[]): Promise<string> {
  // Another Mesos has its containers on another engine, whose processes are not this one's.
  if (givenMesos !== undefined) return docker('exec', container, ...command);
  const namespaces = ['-t', await knownPidOf(container), '-n', '-m'];
  return (await promisify(execFile)('nsenter', [...namespaces, ...command])).stdout;
}

/** @throws when nothing listens there, or the container is gone or paused */
export async function getInside(
  container: string,
  port: number,
  path: string,
): Promise<{ status: number; body: string }> {
  const answer = await inside(container, ['bash', '-c', ask, 'bash', String(port), path]);
  const status = /^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1];
  if (status === undefined) throw new Error(`${container} answers ${JSON.stringify(answer.slice(0, 100))}`);
  return { status: Number(status), body: answer.slice(answer.search(/\r?\n\r?\n/)).trim() };
}

/** False, too, for a container that is gone, or paused: nothing runs there. */
export function jupyterAnswersInside(container: string): Promise<boolean> {
  return getInside(container, ports.notebook, '/notebook/api').then(
    ({ status }) => status === 200,
    () => false,
  );
}

export async function statusInside(container: string): Promise<NodeStatus> {
  return JSON.parse((await getInside(container, ports.nodeAgent, '/status')).body) as NodeStatus;
}

/** Asks all containers again and again whether Jupyter answers there, and notes when it does in two at once. */
export class JupyterRecorder {
  readonly doubles: string[] = [];
  rounds = 0;
  #isOver = false;
  #resumedAt = Number.NEGATIVE_INFINITY;
  readonly #run: Promise<void>;

  /** @param containers those to ask, anew in each round */
  constructor(containers: () => readonly string[]) {
    this.#run = this.#record(containers);
  }

  /** A container was resumed: until its node agent runs again it may answer for a moment (docs/node-agent.md). */
  resumed(): void {
    this.#resumedAt = performance.now();
  }

  async #record(containers: () => readonly string[]): Promise<void> {
    while (!this.#isOver) {
      const all = containers();
      const began = performance.now();
      const answers = await Promise.all(all.map(jupyterAnswersInside));
      const serving = all.filter((_, position) => answers[position]);
      if (serving.length > 1 && began > this.#resumedAt + 500) {
        this.doubles.push(`${new Date().toISOString()}: ${serving.join(', ')}`);
      }
      this.rounds += 1;
      await delay(100);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#run;
  }
}
