import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, type Sight } from '../../chaos/intervals.js';

/** A sight every 20 ms. */
const seen = (taskId: string, fromMs: number, toMs: number): Sight[] =>
  Array.from({ length: (toMs - fromMs) / 20 }, (_, index) => ({
    taskId,
    fromMs: fromMs + index * 20,
    toMs: fromMs + index * 20 + 20,
  }));

describe('what the recorders saw', () => {
  it('is well where one Jupyter follows another, and comes back', () => {
    const { intervals, overlaps } = judge([
      ...seen('a', 0, 1_000),
      ...seen('b', 1_100, 2_000),
      ...seen('a', 2_100, 3_000),
    ]);
    assert.deepEqual(
      intervals.map(({ taskId, fromMs, toMs }) => [taskId, fromMs, toMs]),
      [
        ['a', 20, 980],
        ['b', 1_120, 1_980],
        ['a', 2_120, 2_980],
      ],
    );
    assert.deepEqual(overlaps, []);
  });

  it('is not where one is seen while another is', () => {
    const { overlaps } = judge([...seen('a', 0, 1_000), ...seen('b', 900, 2_000)]);
    assert.deepEqual(
      overlaps.map(({ first, second, forMs }) => [first.taskId, second.taskId, forMs]),
      [['a', 'b', 60]],
    );
  });

  it('is not where a line of an earlier one comes late', () => {
    const late = { taskId: 'a', fromMs: 1_500, toMs: 1_500 };
    assert.equal(judge([...seen('a', 0, 1_000), ...seen('b', 1_100, 2_000), late]).overlaps.length, 1);
  });

  it('is not where two are seen all the time, nor where one is for all but a moment', () => {
    assert.equal(judge([...seen('a', 0, 1_000), ...seen('b', 0, 1_000)]).overlaps.length, 1);
    assert.equal(judge([...seen('a', 0, 1_000), ...seen('b', 500, 520)]).overlaps.length, 1);
    assert.equal(judge([...seen('a', 500, 520), ...seen('b', 0, 1_000)]).overlaps.length, 1);
    const write = { taskId: 'b', fromMs: 500, toMs: 500 };
    assert.equal(judge([...seen('a', 0, 1_000), write]).overlaps.length, 1);
  });

  it('counts an answer no earlier than it must have been given', () => {
    // Asked before the end of the one, answered after the other's beginning: a container that was paused meanwhile.
    const late = { taskId: 'a', fromMs: 900, toMs: 2_500 };
    assert.deepEqual(judge([late, ...seen('b', 1_100, 2_000)]).overlaps, []);
    assert.equal(judge([late, ...seen('b', 700, 3_000)]).overlaps.length, 1);
  });

  it('counts the moment after a pause apart, and no longer than that', () => {
    const sights = [...seen('a', 0, 1_000), ...seen('b', 1_100, 9_000), ...seen('a', 5_000, 5_040)];
    const resumes = new Map([['a', [4_995]]]);
    const short = judge(sights, resumes);
    assert.deepEqual([short.overlaps.length, short.afterPauses.length], [0, 1]);
    const long = judge([...sights, ...seen('a', 5_040, 5_200)], resumes);
    assert.deepEqual([long.overlaps.length, long.afterPauses.length], [1, 0]);
    assert.equal(judge(sights, new Map([['b', [4_995]]])).overlaps.length, 0, 'whichever of the two it was');
    assert.equal(judge(sights, new Map([['a', [4_000]]])).overlaps.length, 1);
  });
});
