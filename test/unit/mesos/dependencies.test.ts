/** What docs/dependencies.md says of the packages that come with mesos-framework. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly resolved?: string }>>;
}
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile;
const require = createRequire(import.meta.url);

describe('dependencies', () => {
  it('are locked by version and hash, with no registry’s address', () => {
    const withAddress = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined);
    assert.deepEqual(
      withAddress.map(([path]) => path),
      [],
    );
  });

  it('known to be vulnerable, and with a successor that fits, are not installed', () => {
    const installed = (name: string) =>
      Object.entries(packages)
        .filter(([path]) => path === `node_modules/${name}` || path.endsWith(`/node_modules/${name}`))
        .map(([, { version = '' }]) => Number(version.split('.')[0]) * 1000 + Number(version.split('.')[1]));
    for (const [name, oldest] of [
      ['underscore', 1012],
      ['minimist', 1002],
      ['node-zookeeper-client', 1001],
      ['uuid', 11001],
    ] as const) {
      assert.ok(
        installed(name).every((version) => version >= oldest),
        name,
      );
    }
  });

  it('of mesos-framework that are loaded are these, and no others', () => {
    const script = `
      require(${JSON.stringify(require.resolve('mesos-framework'))});
      const names = Object.keys(require.cache).map((path) => /.*node_modules[/]((?:@[^/]+[/])?[^/]+)/.exec(path)[1]);
      console.log([...new Set(names)].sort().join(' '));`;
    assert.equal(
      execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }).trim(),
      [
        ...['async', 'bytebuffer', 'colors', 'cycle', 'lodash', 'long', 'mesos-framework'],
        ...['node-zookeeper-client', 'protobufjs', 'stack-trace', 'underscore', 'uuid', 'winston'],
      ].join(' '),
    );
  });
});
