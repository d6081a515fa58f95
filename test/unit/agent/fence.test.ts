import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideFence, type FenceView, fenceMarginMs } from '../../../executor-image/agent/fence.js';
import { sightOf } from '../../../executor-image/agent/generation.js';
import { freshUntilMs, handsOverFromMs } from '../../../executor-image/agent/sight.js';

describe('a look at the trusted directory', () => {
  const others = ['ssh', 'notebook-token', '.generation-9.Xy12ab', '.probe-0'];

  test('sees the generation when its file is listed, whatever else is there', () => {
    assert.deepEqual(sightOf([...others, 'generation-2', 'generation-3'], 3), { kind: 'present' });
  });

  test('sees that the generation is past when a higher one is listed, also without its own', () => {
    assert.deepEqual(sightOf(['generation-3', 'generation-12', 'generation-4'], 3), {
      kind: 'past',
      higher: 12,
    });
    assert.deepEqual(sightOf(['generation-10'], 9), { kind: 'past', higher: 10 });
  });

  test('is none when its own file is not listed: another directory may be mounted there', () => {
    assert.equal(sightOf([], 3).kind, 'nothing');
    assert.equal(sightOf([...others, 'generation-2'], 3).kind, 'nothing');
  });
});

describe('the age of the last look', () => {
  test('lets Jupyter run up to the limit, and the notebook go elsewhere at twice the limit, from the look’s start', () => {
    assert.equal(freshUntilMs(5_000, 60_000), 65_000);
    assert.equal(handsOverFromMs(5_000, 60_000), 125_000);
  });

  test('lets Jupyter not run before the first look', () => {
    assert.equal(freshUntilMs(undefined, 60_000), 0);
  });
});

describe('the fence between generations', () => {
  const view: FenceView = { isFounder: true, unproven: [], lookLimitMs: 60_000 };

  test('is put up at once by a founder that was told of no task that may live', () => {
    assert.equal(decideFence(view).write, true);
  });

  test('is not put up on the word of a task that is no founder: it was told of nothing', () => {
    assert.equal(decideFence({ ...view, isFounder: false }).write, false);
  });

  test('is put up by whoever has seen the generation’s file for the limit of a look and a margin', () => {
    for (const isFounder of [true, false]) {
      const waiting = { ...view, isFounder, unproven: ['node0.1.x'] };
      assert.equal(decideFence(waiting).write, false);
      assert.equal(decideFence({ ...waiting, seenForMs: 69_999 }).write, false);
      assert.equal(decideFence({ ...waiting, seenForMs: 70_000 }).write, true);
    }
  });

  test('says who is waited for, and for how long', () => {
    assert.match(
      decideFence({ ...view, unproven: ['node2.1.x'], seenForMs: 12_000 }).reason,
      /another 58 s, in which tasks of earlier generations that may live \(node2\.1\.x\)/,
    );
  });

  test('stands only after every look that began before the generation’s file was there has grown too old', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 120_000 }),
        fc.nat(),
        fc.nat(),
        (lookLimitMs, madeAt, later) => {
          // An earlier holder's last look began at the latest when the file was made; another node first saw it at the earliest then.
          const jupyterUntil = madeAt + lookLimitMs;
          const seenAt = madeAt + later;
          const now = seenAt + lookLimitMs + fenceMarginMs(lookLimitMs);
          const sooner = { ...view, unproven: ['x'], lookLimitMs, seenForMs: jupyterUntil - seenAt };
          assert.equal(decideFence(sooner).write, false);
          assert.ok(now >= jupyterUntil + fenceMarginMs(lookLimitMs));
        },
      ),
    );
  });
});
