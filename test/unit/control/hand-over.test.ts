import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeStatus } from '../../../executor-image/contract.js';
import { type AskedNode, handOver, holderToTell } from '../../../framework/control/hand-over.js';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';

interface Said {
  readonly holder?: number | undefined;
  readonly ready?: boolean;
  readonly fresh?: boolean;
  readonly state?: NodeStatus['notebook']['state'];
}

const recipient = (number: number) => ({ taskId: `task-${number}`, address: `192.0.2.10${number}` });

/** A node that answers; only what is read. */
function heard(
  number: number,
  { holder, ready = true, fresh = true, state = 'stopped' }: Said = {},
): AskedNode {
  const notebook = { state, ...(holder === undefined ? {} : { holderTaskId: `task-${holder}` }) };
  const reason = ready ? '' : 'etcd has no leader yet';
  const status = { taskId: `task-${number}`, ready, reason, volume: { fresh }, notebook } as NodeStatus;
  return { number, recipient: recipient(number), status };
}

/** Three nodes of which `holder` holds, as all of them say. */
const held = (holder: number, more: Readonly<Record<number, Said>> = {}): AskedNode[] =>
  [0, 1, 2].map((number) =>
    heard(number, { holder, ...(number === holder && { state: 'serving' }), ...more[number] }),
  );

const coded = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CodedError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  return true;
};

describe('an operator’s order to hand over', () => {
  it('is told to the holder', () => {
    assert.equal(holderToTell(held(1), undefined).number, 1);
    assert.equal(holderToTell(held(1), 2).recipient.address, '192.0.2.101');
  });

  const [one, two] = [
    [0, 1, 2].map((number) => ({ number })),
    [0, 1, 2].map((number) => ({ number, recipient: recipient(number) })),
  ] as const;
  const nobody = [0, 1, 2].map((number) => heard(number));
  const silentHolder: AskedNode[] = held(1).map((node) =>
    node.number === 1 ? { number: 1, recipient: recipient(1) } : node,
  );
  for (const [what, nodes, to, code, words] of [
    ['to a node that there is not', held(1), 3, 'NODE_UNKNOWN', /no node 3: there are 0 to 2/],
    ['to the holder itself', held(1), 1, 'HAND_OVER_REFUSED', /node 1 holds the notebook already/],
    [
      'to a node that is not ready',
      held(1, { 2: { ready: false } }),
      2,
      'HAND_OVER_REFUSED',
      /no leader yet/,
    ],
    ['to a node without the volume', held(1, { 2: { fresh: false } }), 2, 'HAND_OVER_REFUSED', /not see the/],
    ['while no node runs', one, undefined, 'HAND_OVER_REFUSED', /no node runs/],
    ['while no node is reached', two, undefined, 'HAND_OVER_REFUSED', /no node answers the scheduler/],
    ['while nobody holds the notebook', nobody, undefined, 'HAND_OVER_REFUSED', /no node holds/],
    ['while the holder is not reached', silentHolder, 0, 'HAND_OVER_REFUSED', /node 1 holds .* not answer/],
    [
      'to a node that is not reached',
      [...held(1).slice(0, 2), two[2] ?? { number: 2 }],
      2,
      'HAND_OVER_REFUSED',
      /node 2 does not answer/,
    ],
    [
      'to a node that does not run',
      [...held(1).slice(0, 2), { number: 2 }],
      2,
      'HAND_OVER_REFUSED',
      /node 2 does not run/,
    ],
  ] as const) {
    it(`is refused ${what}`, () => {
      assert.throws(() => holderToTell(nodes, to), coded(code, words));
    });
  }

  it('ends when Jupyter answers elsewhere, and says where', async () => {
    const rounds = [held(1), held(1), held(2, { 2: { state: 'starting' } }), held(2)];
    const told: unknown[] = [];
    const words = await handOver(undefined, 10_000, {
      ask: async () => (rounds.length > 1 ? rounds.shift() : rounds[0]) ?? [],
      tell: async (...args) => {
        told.push(args);
        return { status: 200, text: '' };
      },
      signal: new AbortController().signal,
    });
    assert.deepEqual(told, [[recipient(1), undefined]]);
    assert.match(
      words,
      /^Jupyter answers at node 2 \(192\.0\.2\.102\) now; it came from node 1 in \d\.\d s$/,
    );
  });

  it('goes on when the answer is lost, and says what it sees when time is up', async () => {
    const lost = Object.assign(new Error('aborted'), { name: 'TimeoutError' });
    await assert.rejects(
      handOver(2, 300, {
        ask: async () => held(1),
        tell: () => Promise.reject(lost),
        signal: new AbortController().signal,
      }),
      coded('HAND_OVER_UNFINISHED', /node 1 holds the notebook, its Jupyter serving/),
    );
  });

  it('is told again to a holder that could not reach the others for a moment', async () => {
    const answers = [503, 503, 200];
    const words = await handOver(2, 10_000, {
      ask: async () => (answers.length > 0 ? held(1) : held(2)),
      tell: async () => ({ status: answers.shift() ?? 0, text: '{"error":"node 2 cannot take it"}' }),
      signal: new AbortController().signal,
    });
    assert.match(words, /^Jupyter answers at node 2 /);
  });

  it('is refused in the words of the holder, or of the network', async () => {
    const dependencies = { ask: async () => held(1), signal: new AbortController().signal };
    await assert.rejects(
      handOver(undefined, 300, {
        ...dependencies,
        tell: async () => ({ status: 503, text: '{"error":"no other node can take the notebook"}' }),
      }),
      coded('HAND_OVER_REFUSED', /node 1 answers: no other node can take the notebook$/),
    );
    await assert.rejects(
      handOver(undefined, 300, { ...dependencies, tell: () => Promise.reject(new Error('ECONNREFUSED')) }),
      coded('HAND_OVER_REFUSED', /node 1 cannot be told \(ECONNREFUSED\)/),
    );
  });
});
