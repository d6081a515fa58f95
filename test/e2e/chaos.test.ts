import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { it } from 'node:test';
import { runChaos } from '../chaos/chaos.js';

/** The short form of `npm run chaos`; MESOS_JUPYTER_TEST_LONG: ten minutes. */
const forS = process.env['MESOS_JUPYTER_TEST_LONG'] === undefined ? 45 : 600;

it('a cluster that is broken in every way at random has never two Jupyters, loses nothing that was saved, and gets well', async (t) => {
  const seed = randomInt(2 ** 31);
  const lines: string[] = [];
  const report = await runChaos({ seed, forS, log: (line) => void lines.push(line) });
  t.diagnostic(
    `seed ${seed}: ${[...report.faults.values()].reduce((sum, times) => sum + times, 0)} faults, ${report.answers} answers, ${report.writes} lines written, ${report.saved} files saved, ${report.intervals.length} times a Jupyter at work, ${report.afterPauses.length} times two for a moment after a pause, well after ${report.wellAfterS?.toFixed(1)} s`,
  );
  const story = `seed ${seed}\n${lines.join('\n')}`;
  assert.deepEqual(report.overlaps, [], story);
  assert.deepEqual(report.lost, [], story);
  assert.ok(report.wellAfterS !== undefined, `${report.trouble}\n${story}`);
});
