/** Debian packages that tests need beside Docker; a test whose component cannot be had fails and says so. */
import { fail } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The path of a package's shared library on this machine, the package being installed where it is not yet. */
export function libraryOf(name: string, library: string): string {
  const list = (): string => {
    try {
      return execFileSync('dpkg', ['-L', name], { encoding: 'utf8', stdio: 'pipe' });
    } catch {
      return '';
    }
  };
  const find = (): string | undefined =>
    list()
      .split('\n')
      .find((path) => path.endsWith(`/${library}`));
  let path = find();
  if (path === undefined) {
    ensurePackage(name, library);
    path = find();
  }
  return path ?? fail(`the package ${name} has no ${library}`);
}

/**
 * Installs a package unless `path`, which it brings, is there.
 * @throws Error with what to install, where this user may not
 */
export function ensurePackage(name: string, path: string): void {
  if (existsSync(path)) return;
  const apt = (...args: string[]) =>
    execFileSync('apt-get', ['--quiet', '--yes', ...args], {
      stdio: 'pipe',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    // On a fresh machine there are no lists yet.
    apt('update');
    apt('install', '--no-install-recommends', name);
  } catch (error) {
    throw new Error(`the test needs Debian's package ${name}, which could not be installed: ${error}`);
  }
}
