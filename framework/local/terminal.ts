/** All that `mesos-jupyter local` prints goes through here: lines, long steps with their elapsed time, tables. */
import { stripVTControlCharacters } from 'node:util';
import { CodedError } from '../errors.js';
import { tableLines } from '../table.js';

export interface Terminal {
  /** A line of the story. */
  say(line: string): void;
  /** A line that should not be missed. */
  warn(line: string): void;
  /** A line about something that is as it should be. */
  good(line: string): void;
  /** Runs a step that may be long: says what it is, shows that it goes on, and says how long it took. */
  step<T>(what: string, work: (progress: Progress) => Promise<T>): Promise<T>;
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
}

/** Tells what a step is at now, such as the last line of a build. */
export type Progress = (detail: string) => void;

export interface TerminalOptions {
  readonly stream?: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly now?: () => number;
}

/** How often a step shows its elapsed time: a line that is rewritten on a terminal, a new line elsewhere. */
const refreshMs = { terminal: 1_000, elsewhere: 15_000 } as const;

const colours = { yellow: 33, green: 32, dim: 2 } as const;
const clearLine = '\r\u001b[2K';

export function createTerminal(options: TerminalOptions = {}): Terminal {
  const { stream = process.stdout, env = process.env, now = Date.now } = options;
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
  const coloured = isTerminal && (env['NO_COLOR'] ?? '') === '';
  const paint = (colour: keyof typeof colours, text: string) =>
    coloured ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text;

  /** The line of the step that goes on, kept below everything else that is printed. */
  let status = '';
  // Whoever reads us may be gone (a closed terminal, `| head`); cleaning up must go on all the same.
  stream.on('error', () => {});
  const write = (text: string) => {
    stream.write(status === '' ? text : `${clearLine}${text}${status}`);
  };
  const line = (text: string) => write(`${text}\n`);
  const showStatus = (text: string) => {
    status = text === '' ? '' : paint('dim', text.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
    stream.write(`${clearLine}${status}`);
  };

  return {
    say: line,
    warn: (text) => line(paint('yellow', text)),
    good: (text) => line(paint('green', text)),
    async step(what, work) {
      const started = now();
      let detail = '';
      const elapsed = () => duration(now() - started);
      const show = () => {
        const text = `${what} … ${elapsed()}${detail === '' ? '' : ` · ${detail}`}`;
        if (isTerminal) showStatus(text);
        else line(text);
      };
      if (isTerminal) show();
      else line(`${what} …`);
      const timer = setInterval(show, isTerminal ? refreshMs.terminal : refreshMs.elsewhere);
      timer.unref();
      const finish = (how: string) => {
        clearInterval(timer);
        if (isTerminal) showStatus('');
        line(`${what}: ${how} ${elapsed()}`);
      };
      try {
        const result = await work((text) => {
          detail = printable(text);
        });
        finish('done in');
        return result;
      } catch (error) {
        finish(isInterruption(error) ? 'stopped after' : 'failed after');
        throw error;
      }
    },
    table(head, rows) {
      const [titles = '', ...lines] = tableLines(head, rows);
      line(paint('dim', titles));
      for (const text of lines) line(text);
    },
  };
}

function isInterruption(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'INTERRUPTED';
}

/** `7 s`, `2 min 05 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** Output of other programs, without what would move the cursor. */
function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}
