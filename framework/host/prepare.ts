/**
 * Brings a host about: the steps of the first fact that is missing, a look, the next. So it goes on from wherever a run before it
 * stopped, and stops at the first thing that it cannot make true.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, messageOf } from '../errors.js';
import { lastLines, run } from '../local/command.js';
import { aptInstall, ensureDocker } from '../local/docker.js';
import type { Terminal } from '../local/terminal.js';
import { cureOf, describeStep, type Fact, type Step } from './facts.js';
import { judge } from './judge.js';
import type { Observation } from './observation.js';
import type { HostWish } from './wish.js';

/** What `prepare` has to do something about, or somebody else has; in order. What follows from another fact comes by itself. */
export function openFacts(facts: readonly Fact[]): Extract<Fact, { verdict: 'missing' }>[] {
  return facts.filter((fact) => fact.verdict === 'missing').filter(({ remedy }) => remedy.kind !== 'follows');
}

/** GlusterFS' own calls wait for a lock for two minutes at the most. */
const stepLimitMs = 150_000;
/** GlusterFS makes one change at a time in the whole pool, and does not wait with another. */
const saysBusy = (words: string): boolean => /Another transaction is in progress|Locking failed/.test(words);
const busyMs = 60_000;
/** What was done shows a little later: a peer that joins, bricks that a mount connects to. */
const settleMs = 30_000;
const lookAgainMs = 500;
/** Between a step and its repetition, where it may be repeated. */
const repeatMs = 5_000;
/** What comes by itself after a step of ours, from elsewhere. */
const comesBackMs = 15_000;

export interface PrepareOptions {
  readonly wish: HostWish;
  readonly look: () => Promise<Observation>;
  readonly terminal: Terminal;
  /** Whether packages may be installed. */
  readonly install: boolean;
  /** How long it waits for what other hosts have to do. */
  readonly waitS: number;
}

/** @throws CodedError HOST_WAITS, HOST_STEP_FAILED, and those of installing Docker */
export async function prepareHost(options: PrepareOptions): Promise<void> {
  const { wish, look, terminal, waitS } = options;
  const done: string[] = [];
  const tried = new Map<string, { readonly firstMs: number; readonly lastMs: number }>();
  const waitsUntil = performance.now() + waitS * 1000;
  let lastStepAt = Number.NEGATIVE_INFINITY;
  let busySince: number | undefined;
  let toldOf = '';
  for (;;) {
    const open = openFacts(judge(wish, await look()));
    const [next] = open;
    if (next === undefined) return;
    const stop = (code: 'HOST_WAITS' | 'HOST_STEP_FAILED', why: string) =>
      new CodedError(code, `${next.subject}: ${why}${summary(done, open)}`);
    if (next.remedy.kind !== 'steps') {
      const until = Math.max(
        waitsUntil,
        next.remedy.kind === 'others' && next.remedy.settles ? lastStepAt + comesBackMs : 0,
      );
      if (next.remedy.kind !== 'others' || performance.now() >= until) {
        throw stop('HOST_WAITS', `${next.says}. ${cureOf(next)}`);
      }
      if (toldOf !== next.says) terminal.say(`Waiting for others: ${next.says}`);
      toldOf = next.says;
      await delay(lookAgainMs);
      continue;
    }
    const key = `${next.subject} ${JSON.stringify(next.remedy.steps)}`;
    const before = tried.get(key);
    if (before !== undefined) {
      if (performance.now() - before.firstMs > settleMs) {
        throw stop('HOST_STEP_FAILED', `all steps were done, and still ${next.says}`);
      }
      if (next.remedy.repeats !== true || performance.now() - before.lastMs < repeatMs) {
        await delay(lookAgainMs);
        continue;
      }
    }
    try {
      for (const step of next.remedy.steps) {
        await perform(step, options);
        done.push(describeStep(step));
        terminal.good(`done: ${describeStep(step)}`);
      }
      busySince = undefined;
    } catch (error) {
      if (error instanceof CodedError && error.code !== 'HOST_STEP_FAILED') throw error;
      busySince ??= performance.now();
      if (!saysBusy(messageOf(error)) || performance.now() - busySince > busyMs) {
        throw stop('HOST_STEP_FAILED', messageOf(error));
      }
      // Not the same step again: what the other one did may have changed what is to be done.
      await delay(lookAgainMs);
      continue;
    }
    lastStepAt = performance.now();
    tried.set(key, { firstMs: before?.firstMs ?? lastStepAt, lastMs: lastStepAt });
  }
}

function summary(done: readonly string[], open: readonly Fact[]): string {
  const left = open.map(({ subject }) => subject).join(', ');
  return `\n  Done before: ${done.length === 0 ? 'nothing' : done.join('; ')}\n  Left: ${left}`;
}

async function perform(step: Step, { terminal, install }: PrepareOptions): Promise<void> {
  switch (step.kind) {
    case 'command': {
      const [program, ...args] = step.command;
      const { status, output } = await run(program, args, {
        timeoutMs: stepLimitMs,
        env: { LC_ALL: 'C' },
        ...(step.input === undefined ? {} : { input: step.input }),
      });
      if (status !== 0) {
        throw new Error(`"${describeStep(step)}" ended with status ${status}:\n${lastLines(output)}`);
      }
      return;
    }
    case 'install':
      if (!install) {
        throw new Error(`--no-install forbids "${describeStep(step)}"`);
      }
      return aptInstall(step.packages, 'HOST_STEP_FAILED', terminal);
    case 'docker':
      return ensureDocker({ install, terminal });
    case 'append':
      return append(step.path, step.line);
    default:
      return step satisfies never;
  }
}

/** In one write, on a line of its own. */
function append(path: string, line: string): void {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  appendFileSync(path, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
}
