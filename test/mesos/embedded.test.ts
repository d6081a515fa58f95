import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { it } from 'node:test';
import { packageRoot } from '../../framework/local/package.js';
import { docker, removeContainer } from '../support/docker.js';

/** Of a whole run that took three minutes on a busy machine of two cores. */
const limitMs = 10 * 60_000;

it('a cluster lives on a Mesos in a container that has a Docker of its own, by the scripts for anybody’s Mesos', {
  timeout: limitMs,
}, async (t) => {
  const child = spawn(join(packageRoot, 'test/mesos/embedded.sh'), ['--short'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const target = `mesos-jupyter-test-mesos-${child.pid}`;
  // A shell minds a signal when its command has ended: without a Mesos that is soon.
  t.signal.addEventListener('abort', () => {
    child.kill();
    void removeContainer(target);
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  assert.equal(status, 0, output);
  for (const [line] of output.matchAll(/^ *ℹ .* ms$|^\d+ passed.*$/gm)) t.diagnostic(line.trim());
  assert.match(output, /Node v\d+\.\d+\.\d+ runs there/);
  assert.doesNotMatch(output, /Left out/);
  assert.equal(await docker('ps', '--all', '--quiet', '--filter', `name=${target}`), '', 'it is gone');
});
