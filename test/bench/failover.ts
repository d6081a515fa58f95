/** How long people are without a notebook: after a kill, a stop, the loss of a host, at the first start; ours and the report's way. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type NodeStatus, ports } from '../../executor-image/contract.js';
import { Deployment } from '../e2e/deployment.js';
import { docker } from '../support/docker.js';
import { connectAgain, cutOff } from '../support/packets.js';
import { waitFor } from '../support/wait.js';
import { ReportsCluster } from './reports-way.js';
import type { Row } from './table.js';

type Loss = 'kill -9' | 'SIGTERM' | 'host lost';
const losses: readonly Loss[] = ['kill -9', 'SIGTERM', 'host lost'];

const lookEveryMs = 20;
/** The report's way takes up to its TTL and its loop. */
const mostMs = 180_000;

/** Whether Jupyter serves there, to whoever asks. */
async function answers(address: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${address}:${ports.notebook}/notebook/api`, {
      signal: AbortSignal.timeout(1_000),
    });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

async function firstToAnswer(addresses: readonly string[]): Promise<string> {
  return waitFor('an answer', mostMs, async () => {
    const answering = await Promise.all(addresses.map(answers));
    return addresses[answering.indexOf(true)];
  });
}

/** Brings the loss about; resolves with what undoes it, where that can be done. */
async function lose(container: string, loss: Loss): Promise<() => Promise<void>> {
  switch (loss) {
    case 'kill -9':
      await docker('kill', container);
      return async () => {};
    case 'SIGTERM':
      // Its end is not waited for: the notebook may be elsewhere before.
      void docker('stop', '-t', '20', container).catch(() => {});
      return async () => {};
    case 'host lost':
      await cutOff(container);
      return () => connectAgain(container);
  }
}

/** Milliseconds from a loss to what follows from it; NaN for what was not seen in between. */
interface Times {
  /** Another node's etcd leads. */
  elected: number;
  /** The notebook key is another's. */
  taken: number;
  /** Jupyter answers elsewhere. */
  answered: number;
  /** /etc/hosts of all survivors lists neither the lost node nor an old holder. */
  hosts: number;
}

async function ask(address: string): Promise<NodeStatus | undefined> {
  try {
    const response = await fetch(`http://${address}:${ports.nodeAgent}/status`, {
      signal: AbortSignal.timeout(500),
    });
    return (await response.json()) as NodeStatus;
  } catch {
    return undefined;
  }
}

async function measureLoss(cluster: Deployment, loss: Loss): Promise<Times> {
  const leader = await cluster.settled(120_000);
  const survivors = cluster.nodes.filter((node) => node !== leader);
  const hostsFiles = await Promise.all(
    survivors.map((node) => docker('inspect', '-f', '{{.HostsPath}}', cluster.container(node))),
  );
  const before = cluster.address(leader);
  const holderBefore = (await cluster.status(leader)).taskId;
  const container = cluster.container(leader);
  const times: Times = { elected: Number.NaN, taken: Number.NaN, answered: Number.NaN, hosts: Number.NaN };
  const started = performance.now();
  const note = (what: keyof Times): void => {
    if (Number.isNaN(times[what])) times[what] = performance.now() - started;
  };
  const undo = await lose(container, loss);
  await Promise.all([
    firstToAnswer(survivors.map((node) => cluster.address(node))).then(() => note('answered')),
    (async () => {
      while (Number.isNaN(times.answered) || Number.isNaN(times.hosts)) {
        const statuses = await Promise.all(survivors.map((node) => ask(cluster.address(node))));
        if (statuses.some((status) => status?.etcd.role === 'leader')) note('elected');
        const holder = statuses.map((status) => status?.notebook.holderTaskId).find(Boolean);
        if (holder !== undefined && holder !== holderBefore) note('taken');
        const texts = hostsFiles.map((file) => readFileSync(file, 'utf8'));
        const isListed = (text: string) => new RegExp(`^${before.replaceAll('.', '\\.')}\\s`, 'm').test(text);
        if (texts.every((text) => !isListed(text) && /\bnotebook$/m.test(text))) note('hosts');
        if (performance.now() - started > mostMs) throw new Error(`${loss}: ${JSON.stringify(times)}`);
        await delay(lookEveryMs);
      }
    })(),
  ]);
  await undo().catch(() => {});
  return times;
}

/** Milliseconds from the last container's start to an answer of Jupyter. */
async function measureFirstStart(): Promise<number> {
  const cluster = await Deployment.create(3, { hostCount: 3 });
  try {
    cluster.startScheduler();
    await waitFor('three containers', 60_000, () => cluster.containers().size === 3);
    const started = Math.max(
      ...(await Promise.all(cluster.nodes.map((node) => startOf(cluster.container(node))))),
    );
    await firstToAnswer(cluster.addresses);
    return Date.now() - started;
  } finally {
    await cluster.remove();
  }
}

const startOf = async (container: string): Promise<number> =>
  Date.parse(await docker('inspect', '-f', '{{.State.StartedAt}}', container));

/** Its etcd takes nobody back, so that each loss needs a cluster of its own. */
async function measureReport(loss: Loss): Promise<{ first: number; answered: number; hosts: number }> {
  const cluster = await ReportsCluster.create();
  try {
    await cluster.start();
    const started = Math.max(
      ...(await Promise.all(cluster.addresses.map((_, node) => startOf(cluster.container(node))))),
    );
    const leader = await firstToAnswer(cluster.addresses);
    const first = Date.now() - started;
    const lost = cluster.addresses.indexOf(leader);
    const survivors = cluster.addresses.filter((address) => address !== leader);
    // All are listed: hosts files have something to lose.
    await waitFor('all in /etc/hosts', mostMs, async () =>
      (await hostsOf(cluster, survivors)).every((text) => text.includes(leader)),
    );
    const began = performance.now();
    await lose(cluster.container(lost), loss);
    const [answered, hosts] = await Promise.all([
      firstToAnswer(survivors).then(() => performance.now() - began),
      waitFor('hosts without it', mostMs, async () =>
        (await hostsOf(cluster, survivors)).every((text) => !text.includes(leader)),
      ).then(() => performance.now() - began),
    ]);
    return { first, answered, hosts };
  } finally {
    await cluster.remove();
  }
}

const hostsOf = (cluster: ReportsCluster, addresses: readonly string[]): Promise<string[]> =>
  Promise.all(addresses.map((address) => cluster.hosts(cluster.addresses.indexOf(address))));

/** For whoever waits. */
const inSeconds = (times: object): string =>
  Object.entries(times)
    .map(([what, ms]) => `${what} ${(Number(ms) / 1000).toFixed(2)} s`)
    .join(', ');

/** The report's way takes minutes a run, and says the same each time. */
const mostReportsRounds = 3;

/** @param rounds runs of each; the report's clusters, which mostly sleep, run three at a time */
export async function benchFailover(rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (name: string, samples: readonly number[], note?: string): void => {
    const seen = samples.filter((sample) => !Number.isNaN(sample)).map((sample) => sample / 1000);
    if (seen.length > 0) rows.push({ name, unit: 's', samples: seen, ...(note !== undefined && { note }) });
  };
  const cluster = await Deployment.create(3, { hostCount: 3 });
  try {
    // Losses come so soon after one another that a node would be relaunched later and later.
    cluster.startScheduler('--backoff-max-s', '1');
    for (const loss of losses) {
      const all: Times[] = [];
      for (let round = 0; round < rounds; round++) {
        const times = await measureLoss(cluster, loss);
        console.error(`${loss} ${round + 1}: ${inSeconds(times)}`);
        all.push(times);
      }
      add(
        `${loss}: another etcd leads`,
        all.map(({ elected }) => elected),
      );
      add(
        `${loss}: the key is another's`,
        all.map(({ taken }) => taken),
      );
      add(
        `${loss}: Jupyter answers elsewhere`,
        all.map(({ answered }) => answered),
      );
      add(
        `${loss}: /etc/hosts right on survivors`,
        all.map(({ hosts }) => hosts),
      );
    }
  } finally {
    await cluster.remove();
  }
  const firstStarts: number[] = [];
  for (let round = 0; round < rounds; round++) {
    firstStarts.push(await measureFirstStart());
    console.error(`first start ${round + 1}: ${inSeconds({ answered: firstStarts.at(-1) })}`);
  }
  add('first start: containers started to an answer', firstStarts);

  const firsts: number[] = [];
  for (const loss of losses) {
    const all: { first: number; answered: number; hosts: number }[] = [];
    const batch = Array.from({ length: Math.min(rounds, mostReportsRounds) }, () => loss);
    while (batch.length > 0) {
      const some = await Promise.all(batch.splice(0, 3).map(measureReport));
      for (const times of some) console.error(`report's way, ${loss}: ${inSeconds(times)}`);
      all.push(...some);
    }
    firsts.push(...all.map(({ first }) => first));
    add(
      `report's way, ${loss}: Jupyter answers elsewhere`,
      all.map(({ answered }) => answered),
    );
    add(
      `report's way, ${loss}: /etc/hosts right on survivors`,
      all.map(({ hosts }) => hosts),
    );
  }
  add("report's way, first start: containers started to an answer", firsts);
  return rows;
}
