/** The report's way with a relaunched node: its etcd is started as one of a new cluster again, and so never takes part. */
import { setTimeout as delay } from 'node:timers/promises';
import { docker, logsOf } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { ReportsCluster } from './reports-way.js';
import type { Row } from './table.js';

const limitMs = 60_000;
/** What etcd says to a member that lost its data and starts as one of a new cluster (FACTS, etcd 1). */
const refusal = /has already been bootstrapped/g;
/** Longer than a turn of the report's loop. */
const turnMs = 45_000;

/** Starts a node's container anew with nothing of its old data; milliseconds until its etcd has ended for good. */
async function relaunch(cluster: ReportsCluster, node: number): Promise<number> {
  const container = cluster.container(node);
  const refusals = async (): Promise<number> => [...(await logsOf(container)).matchAll(refusal)].length;
  const before = await refusals();
  await docker('exec', container, 'rm', '-rf', '/tmp/etcd');
  await docker('restart', '-t', '0', container);
  const started = Date.parse(await docker('inspect', '-f', '{{.State.StartedAt}}', container));
  return waitFor('the end of its etcd', limitMs, async () => {
    const isRefused = (await refusals()) > before;
    return isRefused && Date.now() - started;
  });
}

/** @throws when a relaunched node did come back */
export async function benchReportsComeback(rounds: number): Promise<Row[]> {
  const node = 2;
  const cluster = await ReportsCluster.create();
  const etcdctl = (...words: string[]): Promise<string> =>
    docker('exec', cluster.container(0), 'env', '-i', 'PATH=/usr/bin:/bin', 'etcdctl', ...words);
  try {
    await cluster.start();
    await waitFor('its cluster', limitMs, async () => {
      const members = await etcdctl('member', 'list');
      return members.match(/, started, /g)?.length === 3;
    });
    const samples: number[] = [];
    for (let round = 0; round < rounds; round++) samples.push(await relaunch(cluster, node));
    await delay(turnMs);
    const runs = await docker('exec', cluster.container(node), 'pgrep', '-x', 'etcd').catch(() => '');
    if (runs !== '') throw new Error("the report's way took a relaunched node back");
    return [
      {
        name: "the report's way: container started to etcd's end",
        unit: 'ms',
        samples,
        note: `a voter in 0 of ${rounds}: «member … has already been bootstrapped»; ${turnMs / 1000} s later no etcd runs there`,
      },
    ];
  } finally {
    await cluster.remove();
  }
}
