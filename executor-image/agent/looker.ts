/** The process that looks at the shared volume. It stays, so that a look costs little; where it hangs, another takes its place. */
import { createInterface } from 'node:readline';
import { containerPaths } from '../contract.js';
import { giveUp, spawnForVolume } from './volume.js';

/** What a look finds. */
export interface Findings {
  /** Names in the trusted directory. */
  readonly names: readonly string[];
  /**
   * Whether the mount holds writes back: with GlusterFS' write-behind on, lines of a frozen or killed writer land after another
   * has taken over (FACTS, GlusterFS 1).
   */
  readonly writesBehind: boolean;
  /** Whether the mount's process is gone, so that nothing heals it in this container. */
  readonly isDead: boolean;
  /** Why the directory cannot be listed. */
  readonly error?: string;
}

/** looks.py's answer, in lines, without its end. */
export function parseFindings(lines: readonly string[]): Findings {
  const error = lines.find((line) => line.startsWith('./error '))?.slice('./error '.length);
  return {
    names: lines.filter((line) => !line.startsWith('./')),
    writesBehind: lines.includes('./write-behind'),
    isDead: lines.includes('./dead'),
    ...(error === undefined ? {} : { error }),
  };
}

const looks = [
  ...['/usr/bin/python3', '-SE', '/opt/mesos-jupyter/looks.py'],
  ...[containerPaths.trusted, containerPaths.shared],
];

type Child = ReturnType<typeof spawnForVolume>;

interface Question {
  readonly answer: (findings: Findings) => void;
  readonly fail: (error: Error) => void;
}

export class Looker {
  #child: Child | undefined;
  #question: Question | undefined;

  /** @param command what looks */
  constructor(readonly command: readonly string[] = looks) {}

  /**
   * Looks once; one look at a time.
   * @throws when there is no answer within `timeoutMs`, or when too many that were given up still hang
   */
  async look(timeoutMs: number): Promise<Findings> {
    const child = this.#child ?? this.#start();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#question = { answer: resolve, fail: reject };
        timer = setTimeout(() => {
          this.#child = undefined;
          giveUp(child);
          reject(new Error(`the shared volume did not answer within ${timeoutMs / 1000} s`));
        }, timeoutMs);
        child.stdin.write('look\n');
      });
    } finally {
      clearTimeout(timer);
      this.#question = undefined;
    }
  }

  /** Has what looks end: there is nothing more to ask it. */
  stop(): void {
    this.#child?.stdin.end();
    this.#child = undefined;
  }

  #start(): Child {
    const child = spawnForVolume(this.command);
    this.#child = child;
    let lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line !== './end') {
        lines.push(line);
      } else if (this.#child === child) {
        this.#question?.answer(parseFindings(lines));
        lines = [];
      }
    });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-1000);
    });
    child.stdin.on('error', () => undefined);
    const gone = (how: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#question?.fail(new Error(`what looks at the shared volume ended: ${how} ${complaint.trim()}`));
    };
    child.on('error', ({ message }) => gone(message));
    // What it said last is read at `close` only; who asks nothing need not wait for it.
    child.on('exit', () => {
      if (this.#child === child && this.#question === undefined) this.#child = undefined;
    });
    child.on('close', (status, signal) => gone(signal ?? `status ${status}`));
    return child;
  }
}
