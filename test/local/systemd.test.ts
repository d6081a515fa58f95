/** The unit file of the scheduler: sound by systemd's own words, and its command line run for real, with no systemd. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { errorTable } from '../../framework/errors.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { packageRoot } from '../../framework/local/package.js';
import { silentLogger } from '../../framework/log.js';
import { ensurePackage } from '../support/packages.js';
import { waitFor } from '../support/wait.js';

const run = promisify(execFile);
const unit = readFileSync(join(packageRoot, 'framework/systemd/mesos-jupyter.service'), 'utf8');
/** All values of a directive, in order. */
const valuesOf = (directive: string): string[] =>
  [...unit.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value = '']) => value);

describe('mesos-jupyter.service', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  const bin = join(scratch, 'bin');
  let master: EmbeddedMaster;

  before(async () => {
    ensurePackage('systemd', '/usr/bin/systemd-analyze');
    mkdirSync(bin);
    const program = join(packageRoot, 'dist/framework/main.js');
    // What `npm install --global` puts there.
    writeFileSync(join(bin, 'mesos-jupyter'), `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`, {
      mode: 0o755,
    });
    master = await EmbeddedMaster.start({ logger: silentLogger });
  });
  after(async () => {
    await master?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  test('systemd finds nothing wrong with it, and rates it as safe', async () => {
    const copy = join(scratch, 'mesos-jupyter.service');
    writeFileSync(copy, unit.replace('ExecStart=mesos-jupyter', `ExecStart=${bin}/mesos-jupyter`));
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', copy]);
    assert.deepEqual([stdout, stderr], ['', '']);
    // Out of 100; more is more exposed. It fails above the threshold.
    await run('systemd-analyze', ['security', '--offline=yes', '--threshold=20', '--no-pager', copy]);
  });

  test('what will be the same the next time is not tried again, everything else is', () => {
    assert.deepEqual(valuesOf('Restart'), ['always']);
    const prevented = new Set(valuesOf('RestartPreventExitStatus')[0]?.split(' ').map(Number));
    const codes = Object.entries(errorTable).filter(([, { exitCode }]) => prevented.has(exitCode));
    assert.deepEqual(codes.map(([code]) => code).sort(), [
      'CONFIG_FILE',
      'CONFIG_INVALID',
      'CONFIG_UNKNOWN',
      'NODE_UNKNOWN',
      'TAKEN_OVER',
      'TASK_UNKNOWN',
    ]);
  });

  /** As systemd would start it: the unit's environment, with the settings file and the state directory moved. */
  function start(config: string): ChildProcess {
    const path = join(scratch, 'cluster.yaml');
    writeFileSync(path, config);
    const variables = valuesOf('Environment').map(
      (line) => line.split(/=(.*)/s).slice(0, 2) as [string, string],
    );
    const [program = '', ...args] = valuesOf('ExecStart')[0]?.split(' ') ?? [];
    return spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: `${bin}:${process.env['PATH']}`,
        HOME: scratch,
        ...Object.fromEntries(variables),
        XDG_STATE_HOME: scratch,
        MESOS_JUPYTER_CONFIG: path,
        MESOS_JUPYTER_STATE_FILE: join(scratch, 'state.json'),
        MESOS_JUPYTER_HTTP_PORT: '0',
      },
    });
  }

  test('its command line registers; SIGTERM ends it with 0 and leaves the framework; started anew it is the same one', async () => {
    const settings = `master: ${master.url}\nimage: example/node:1\nips: [198.51.100.100]\nshared: /srv/shared\n`;
    const connected = (yes: boolean) =>
      waitFor('the framework', 20_000, () => {
        const [framework] = [...master.core.frameworks.values()];
        return framework !== undefined && (framework.connection.kind === 'connected') === yes && framework;
      });
    const ids: string[] = [];
    for (const _ of ['first', 'second']) {
      const child = start(settings);
      try {
        ids.push((await connected(true)).id);
      } finally {
        child.kill('SIGTERM');
      }
      assert.deepEqual(await once(child, 'exit'), [0, null]);
      await connected(false);
    }
    assert.equal(ids[0], ids[1]);
    assert.equal(master.core.completedFrameworks.size, 0);
  });

  test('a settings file that is wrong ends it with a status that is not tried again', async () => {
    const [status] = (await once(start('maste: http://127.0.0.1:5050\n'), 'exit')) as [number];
    assert.ok(valuesOf('RestartPreventExitStatus')[0]?.split(' ').includes(String(status)), String(status));
  });
});
