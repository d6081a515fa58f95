import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type ClusterView,
  compareAddresses,
  type NodeRecord,
} from '../../../executor-image/agent/directory.js';
import { renderHosts, writeHosts } from '../../../executor-image/agent/hosts.js';

const docker = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n192.0.2.101\t8a5738f0a70b\n';
const node = (number: number): NodeRecord => ({
  node: number,
  address: `192.0.2.${100 + number}`,
  taskId: `task-${number}`,
  incarnation: 1,
});
const view = (live: number[], holder?: number): ClusterView => ({
  live: live.map(node),
  fenced: true,
  intents: { unfit: [] },
  isPaused: false,
  ...(holder === undefined ? {} : { holder: node(holder) }),
});
const ours = (text: string) => text.split('\n').filter((line) => line.includes('jupyter-'));

const anyView = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 0, max: 20 })),
    fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
  )
  .map(([live, holder]) =>
    view(
      live.sort((a, b) => a - b),
      holder,
    ),
  );

describe('/etc/hosts', () => {
  test('lists live nodes as node0… with no gap, each with its own name, and the notebook', () => {
    assert.deepEqual(ours(renderHosts(docker, view([0, 2], 2))), [
      '192.0.2.100\tnode0 jupyter-0',
      '192.0.2.102\tnode1 jupyter-2 notebook',
    ]);
  });

  test('names no notebook when nobody holds it, or when the holder is not among the living', () => {
    assert.doesNotMatch(renderHosts(docker, view([0, 1])), /notebook/);
    assert.doesNotMatch(renderHosts(docker, view([0, 1], 2)), /notebook/);
  });

  test('keeps the lines that Docker wrote, first and as they were', () => {
    fc.assert(
      fc.property(fc.array(anyView), (views) => {
        const text = views.reduce(renderHosts, docker);
        assert.ok(text.startsWith(docker));
        assert.equal(ours(text).length, views.at(-1)?.live.length ?? 0);
      }),
    );
  });

  test('is the same when nothing changed', () => {
    fc.assert(
      fc.property(anyView, (any) => {
        const text = renderHosts(docker, any);
        assert.equal(renderHosts(text, any), text);
      }),
    );
  });

  test('keeps what a person added below our block', () => {
    const edited = `${renderHosts(docker, view([0]))}10.1.2.3 printer\n`;
    assert.match(renderHosts(edited, view([0, 1])), /10\.1\.2\.3 printer/);
  });

  describe('on disk', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'mj-hosts-'));
    });
    after(() => rmSync(folder, { recursive: true }));

    test('is written in place, as a bind mount must be, and only when it has changed', () => {
      const path = join(folder, 'hosts');
      writeFileSync(path, docker);
      const { ino } = statSync(path);
      for (const live of [[0, 1, 2], [1], [], [0, 1, 2, 3, 4]]) {
        assert.equal(writeHosts(view(live), path), true);
        assert.equal(readFileSync(path, 'utf8'), renderHosts(docker, view(live)));
        assert.equal(writeHosts(view(live), path), false);
      }
      assert.equal(statSync(path).ino, ino);
    });
  });
});

test('addresses are ordered by number, not by letter', () => {
  assert.deepEqual(['192.0.2.100', '192.0.2.20', '192.0.2.3'].sort(compareAddresses), [
    '192.0.2.3',
    '192.0.2.20',
    '192.0.2.100',
  ]);
});
