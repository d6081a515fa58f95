/** The short form of `npm run soak`. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { runSoak } from '../../soak/soak.js';

test('faults between scheduler, master and hosts leave three tasks and one framework', async (t) => {
  const seed = randomInt(2 ** 31);
  const lines: string[] = [`seed ${seed}`];
  try {
    const { failures, frameworkIds } = await runSoak({
      seed,
      harmlessS: 12,
      harmfulS: 6,
      log: (line) => void lines.push(line),
    });
    assert.deepEqual(failures, []);
    assert.equal(frameworkIds.length, 1);
  } catch (error) {
    t.diagnostic(lines.join('; '));
    throw error;
  }
});
