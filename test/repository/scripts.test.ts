import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { packageRoot } from '../../framework/local/package.js';
import { ensurePackage } from '../support/packages.js';

/** Of the directories that have some: those that begin as a shell script does, and those that are sourced by one. */
const scripts = ['.ci', 'test/mesos'].flatMap((directory) =>
  readdirSync(join(packageRoot, directory), { recursive: true, encoding: 'utf8' })
    .map((name) => join(packageRoot, directory, name))
    .filter((path) => statSync(path).isFile())
    .filter((path) => path.endsWith('.sh') || readFileSync(path, 'utf8').startsWith('#!/bin/sh\n')),
);

describe('the shell scripts', () => {
  it('are there', () => {
    assert.ok(scripts.length >= 10, scripts.join());
  });

  it('pass shellcheck', async () => {
    if (!existsSync('/usr/local/bin/shellcheck')) ensurePackage('shellcheck', '/usr/bin/shellcheck');
    await promisify(execFile)('shellcheck', ['--external-sources', ...scripts]).catch(
      (error: { stdout: string }) => assert.fail(error.stdout),
    );
  });

  it('may be run, but for what is only sourced', () => {
    for (const path of scripts) {
      const isProgram = readFileSync(path, 'utf8').startsWith('#!');
      assert.equal((statSync(path).mode & 0o111) !== 0, isProgram, path);
    }
  });
});

describe('check-tag', () => {
  const checkTag = (tag: string): string =>
    execFileSync(join(packageRoot, '.ci/check-tag'), [tag], { encoding: 'utf8', stdio: 'pipe' });
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };

  it('takes the tag of the version in package.json, and no other', () => {
    checkTag(`v${version}`);
    assert.throws(() => checkTag(`v${version}.1`), /or change the version/);
  });
});
