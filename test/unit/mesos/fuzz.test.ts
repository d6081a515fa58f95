/** The short form of `npm run fuzz`: the same properties, a few hundred inputs each. */
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nestedInputs, targets } from '../../fuzz/targets.js';

describe('whatever comes from a master is read, or refused with a coded error', () => {
  for (const { name, property } of targets) {
    it(name, () => fc.assert(property, { numRuns: 300, interruptAfterTimeLimit: 3_000 }));
  }
  for (const { name, read } of nestedInputs) it(`deep nesting: ${name}`, read);
});
