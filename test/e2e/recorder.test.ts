import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { containerPaths, ports } from '../../executor-image/contract.js';
import { judge } from '../chaos/intervals.js';
import { Recorders } from '../chaos/sights.js';
import { basePath } from '../support/cluster-access.js';
import { imageUnderTest, pidOf, removeContainer, startContainer, uniqueName } from '../support/docker.js';
import { waitFor } from '../support/wait.js';

/** Nobody sees to it that there is one: what chaos is to find has to be found here. */
describe('two Jupyters at once', () => {
  const token = 'of-the-test';
  const names = [uniqueName('mj-recorder'), uniqueName('mj-recorder')];
  let scratch: string;
  let recorders: Recorders;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'mj-recorder-'));
    const shared = join(scratch, 'shared');
    const notebooks = join(shared, 'notebooks');
    mkdirSync(notebooks, { recursive: true });
    writeFileSync(join(scratch, 'token'), token);
    recorders = new Recorders(scratch, notebooks, join(scratch, 'token'));
    const lab = [
      ...['lab', '--allow-root', '--no-browser', `--port=${ports.notebook}`],
      ...[`--ServerApp.base_url=${basePath}`, `--IdentityProvider.token=${token}`],
    ];
    for (const name of names) {
      const volume = `${shared}:${containerPaths.shared}`;
      const options = ['--net', 'none', '--init', '--entrypoint', 'jupyter', '--volume', volume];
      await startContainer(name, options, imageUnderTest(), lab);
      recorders.start(name, Number(await pidOf(name)));
    }
  });
  after(async () => {
    recorders?.endAll();
    await Promise.all(names.map(removeContainer));
    rmSync(scratch, { recursive: true, force: true });
  });

  for (const kind of ['answers', 'writes'] as const) {
    it(`are found by their ${kind} alone`, async () => {
      const found = await waitFor('an overlap', 60_000, () => judge(recorders.read()[kind]).overlaps[0]);
      assert.deepEqual([found.first.taskId, found.second.taskId].sort(), [...names].sort());
    });
  }
});
