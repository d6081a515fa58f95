import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ports } from '../../executor-image/contract.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

/** Reads /etc/hosts again and again until the file $1 is there, and counts: all, without localhost, without our names. */
const reader = `
import os, sys, time
reads = without_localhost = torn = 0
while not os.path.exists(sys.argv[1]):
    text = open("/etc/hosts").read()
    reads += 1
    without_localhost += "127.0.0.1\\tlocalhost\\n" not in text
    torn += not text.endswith("\\n") or "\\0" in text
    time.sleep(0.0005)
print(reads, without_localhost, torn)
`;

describe('what a node keeps in order by itself', () => {
  let cluster: TestCluster;
  let holder: number;
  before(async () => {
    cluster = await TestCluster.create();
    await cluster.startAll();
    holder = await cluster.settled(30_000);
  });
  after(async (t) => {
    if (process.env['MESOS_JUPYTER_TEST_LOGS'] !== undefined) console.log(await cluster?.logs(), t);
    await cluster?.remove();
  });

  test('hosts follow a lease’s end and a node’s return at once; no reader ever misses localhost', async (t) => {
    const [gone, ...others] = cluster.nodes.filter((node) => node !== holder);
    assert.ok(gone !== undefined);
    const watched = [holder, ...others].sort((a, b) => a - b);
    const counting = cluster.exec(holder, 'python3', '-c', reader, '/tmp/over');
    const [ends, returns]: [number[], number[]] = [[], []];
    for (let round = 0; round < 5; round++) {
      const key = `/nodes/0${gone}`;
      const id = await cluster.shell(
        holder,
        `etcdctl get ${key} -w fields | sed -n 's/^"Lease" : //p' | xargs printf %x`,
      );
      // From within, and timed there: this machine is slow to start a process in a container.
      const revoked = cluster.shell(holder, `etcdctl lease revoke ${id} > /dev/null; date +%s%3N`);
      const seen = Promise.all(
        watched.map((node) =>
          cluster.shell(
            node,
            `until ! grep -q jupyter-${gone} /etc/hosts; do sleep 0.03; done; date +%s%3N;` +
              `until grep -q jupyter-${gone} /etc/hosts; do sleep 0.03; done; date +%s%3N`,
          ),
        ),
      );
      const from = Number(await revoked);
      const times = (await seen).map((text) => text.split('\n').map(Number));
      ends.push(Math.max(...times.map(([end]) => (end ?? Number.NaN) - from)));
      const backs = times.map(([, back]) => back ?? Number.NaN);
      returns.push(Math.max(...backs) - Math.min(...backs));
      await cluster.settled(10_000);
    }
    await cluster.exec(holder, 'touch', '/tmp/over');
    const [reads = 0, withoutLocalhost, torn] = (await counting).split(' ').map(Number);
    t.diagnostic(`a lease ended → gone from all hosts files: ${ends.join(', ')} ms`);
    t.diagnostic(`a node is back → between the first and the last hosts file: ${returns.join(', ')} ms`);
    t.diagnostic(`${reads} reads of /etc/hosts meanwhile`);
    assert.ok(Math.max(...ends) < 1000, 'within a second of the end');
    assert.ok(Math.max(...returns) < 1000, 'within a second of the return');
    assert.ok(reads > 1000);
    assert.deepEqual([withoutLocalhost, torn], [0, 0]);
  });

  test('etcd that is full is made room in, and takes keys again', async (t) => {
    const put = 'head -c 1400000 /dev/zero | tr "\\\\0" x | etcdctl put /greedy > /dev/null 2>&1';
    await cluster.shell(
      holder,
      `for round in $(seq 400); do ${put} || exit 0; done; echo never full >&2; exit 1`,
    );
    const started = performance.now();
    await waitFor('room', 60_000, async () => {
      await cluster.exec(holder, 'etcdctl', 'put', '/greedy', 'small');
      return (await cluster.exec(holder, 'etcdctl', 'alarm', 'list')) === '';
    });
    t.diagnostic(`full → takes keys again: ${Math.round(performance.now() - started)} ms`);
    await cluster.exec(holder, 'etcdctl', 'del', '/greedy');
    await cluster.settled(20_000);
  });

  test('/metrics says in numbers what /status says', async () => {
    const answer = await fetch(`http://${cluster.address(holder)}:${ports.nodeAgent}/metrics`);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    assert.match(text, /^mesos_jupyter_node_ready 1$/m);
    assert.match(text, /^mesos_jupyter_node_holds_notebook 1$/m);
    assert.match(text, /^mesos_jupyter_node_live_nodes 3$/m);
  });
});
