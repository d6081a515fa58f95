/** How long people are without a notebook: after a kill, a stop, the loss of a host, at the first start; ours and the report's way. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type NodeStatus, ports } from '../../executor-image/contract.js';
import { Deployment } from '../e2e/deployment.js';
import { createTestNetwork, docker, type TestNetwork } from '../support/docker.js';
import { connectAgain, cutOff } from '../support/packets.js';
import { waitFor } from '../support/wait.js';
import { ReportsCluster, reportsLoopS } from './reports-way.js';
import type { Row } from './table.js';

type Loss = 'kill -9' | 'SIGTERM' | 'host lost';
const losses: readonly Loss[] = ['kill -9', 'SIGTERM', 'host lost'];

/** A loss of ours, with what the medians should not be above, in seconds. */
interface Scenario {
  readonly name: string;
  readonly loss: Loss;
  readonly answerAim: number;
  readonly hostsAim?: number;
}

/** Those that one cluster goes through, and with which settings. */
const series: readonly { readonly flags: readonly string[]; readonly scenarios: readonly Scenario[] }[] = [
  {
    flags: [],
    scenarios: [
      { name: 'kill -9, warm', loss: 'kill -9', answerAim: 2, hostsAim: 2 },
      { name: 'SIGTERM', loss: 'SIGTERM', answerAim: 1.5 },
      { name: 'host lost', loss: 'host lost', answerAim: 8 },
    ],
  },
  {
    flags: ['--warm-standby', 'off'],
    scenarios: [{ name: 'kill -9, cold', loss: 'kill -9', answerAim: 3, hostsAim: 2 }],
  },
];
const firstStartAim = 6;

const lookEveryMs = 20;
/** The report's way takes up to its TTL and its loop. */
const mostMs = 180_000;
/**
 * Losses come so soon after one another that a node would be relaunched later and later. And not at once: here it would take the
 * processors that the survivor's Jupyter starts on, which in the field is on another host (and the report's way has no relaunch).
 */
const relaunchAfterS = 4;
/** The report's clusters do next to nothing but wait: so many of them side by side leave the machine idle. */
const reportsAtOnce = 15;

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

/** Whether a text of /etc/hosts has a line of the address. */
const lists = (text: string, address: string): boolean =>
  text.split('\n').some((line) => line.split(/\s/)[0] === address);

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

/** Milliseconds from a loss to what follows from it, as it was seen first from outside. */
interface Times {
  /** A survivor was told by the scheduler, has no leader any more, or has another. */
  noticed: number;
  /** Another node's etcd leads. */
  elected: number;
  /** The notebook key is another's. */
  taken: number;
  /** Jupyter answers elsewhere. */
  answered: number;
  /** /etc/hosts of all survivors lists neither the lost node nor an old holder. */
  hosts: number;
}

const notSeen = (): Times => ({
  noticed: Number.NaN,
  elected: Number.NaN,
  taken: Number.NaN,
  answered: Number.NaN,
  hosts: Number.NaN,
});

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
  const callsBefore = await Promise.all(
    survivors.map(async (node) => (await cluster.status(node)).control.taken),
  );
  const container = cluster.container(leader);
  const times = notSeen();
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
        const isTold = statuses.some((status, at) => (status?.control.taken ?? 0) > (callsBefore[at] ?? 0));
        const roles = statuses.map((status) => status?.etcd.role);
        if (isTold || roles.includes('none') || roles.includes('leader')) note('noticed');
        if (roles.includes('leader')) note('elected');
        const holder = statuses.map((status) => status?.notebook.holderTaskId).find(Boolean);
        if (holder !== undefined && holder !== holderBefore) note('taken');
        const texts = hostsFiles.map((file) => readFileSync(file, 'utf8'));
        if (texts.every((text) => !lists(text, before) && /\bnotebook$/m.test(text))) note('hosts');
        if (performance.now() - started > mostMs) throw new Error(`${loss}: ${JSON.stringify(times)}`);
        await delay(lookEveryMs);
      }
    })(),
  ]);
  await undo().catch(() => {});
  return times;
}

/** Where the time until Jupyter's answer went. What was seen out of order took no time of its own. */
const phases = {
  detection: 'a survivor notices',
  election: 'another etcd leads',
  lease: "the key is another's",
  "Jupyter's start": 'Jupyter answers',
} as const;
type Phase = keyof typeof phases;

function phasesOf({ noticed, elected, taken, answered }: Times): Readonly<Record<Phase, number>> {
  let sinceMs = 0;
  const upTo = (atMs: number): number => {
    const ms = Math.max(0, Math.min(atMs, answered) - sinceMs);
    sinceMs += ms;
    return ms;
  };
  return {
    detection: upTo(noticed),
    election: upTo(elected),
    lease: upTo(taken),
    "Jupyter's start": upTo(answered),
  };
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

/** Milliseconds, of the report's way. */
interface ReportsTimes {
  /** From the last container's start to an answer of Jupyter. */
  readonly first: number;
  /** From the loss. */
  readonly answered: number;
  readonly hosts: number;
}

/**
 * Its etcd takes nobody back, so that each loss needs a cluster of its own.
 * @param turn at which part of a turn of its loop the loss comes, from 0 to 1: how long it takes depends on that most of all
 */
async function measureReport(cluster: ReportsCluster, loss: Loss, turn: number): Promise<ReportsTimes> {
  try {
    await cluster.start();
    const started = Math.max(
      ...(await Promise.all(cluster.addresses.map((_, node) => startOf(cluster.container(node))))),
    );
    const leader = await firstToAnswer(cluster.addresses);
    const first = Date.now() - started;
    const lost = cluster.addresses.indexOf(leader);
    const survivors = cluster.addresses.filter((address) => address !== leader);
    const hostsFiles = await Promise.all(
      survivors.map((address) => cluster.hostsFile(cluster.addresses.indexOf(address))),
    );
    const listing = () => hostsFiles.filter((file) => lists(readFileSync(file, 'utf8'), leader));
    // All list it: hosts files have something to lose.
    await waitFor('all in /etc/hosts', mostMs, () => listing().length === survivors.length);
    await delay(turn * reportsLoopS * 1000);
    const began = performance.now();
    const since = () => performance.now() - began;
    await lose(cluster.container(lost), loss);
    const [answered, hosts] = await Promise.all([
      firstToAnswer(survivors).then(since),
      waitFor('hosts without it', mostMs, () => listing().length === 0).then(since),
    ]);
    return { first, answered, hosts };
  } finally {
    await cluster.remove();
  }
}

/** For whoever waits. */
const inSeconds = (times: object): string =>
  Object.entries(times)
    .map(([what, ms]) => `${what} ${(Number(ms) / 1000).toFixed(2)} s`)
    .join(', ');

/** Runs of each loss, in the order of their ends; begun apart, so that what they do in their turns does not coincide. */
async function measureReports(rounds: number): Promise<ReadonlyMap<Loss, readonly ReportsTimes[]>> {
  const results = new Map<Loss, ReportsTimes[]>(losses.map((loss) => [loss, []]));
  const jobs = losses.flatMap((loss) =>
    Array.from({ length: rounds }, (_, round) => ({ loss, turn: (round + 0.5) / rounds })),
  );
  const network: TestNetwork = await createTestNetwork('mj-reports');
  const work = async (place: number): Promise<void> => {
    await delay((place / reportsAtOnce) * reportsLoopS * 1000);
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { loss, turn } = job;
      const times = await measureReport(ReportsCluster.on(network, 10 + 3 * place), loss, turn);
      console.error(`report's way, ${loss}: ${inSeconds(times)}`);
      results.get(loss)?.push(times);
    }
  };
  try {
    await Promise.all(Array.from({ length: reportsAtOnce }, (_, place) => work(place)));
  } finally {
    await network.remove();
  }
  return results;
}

/** Runs of one scenario after another, in one cluster. */
async function measureScenarios(
  scenarios: readonly Scenario[],
  flags: readonly string[],
  rounds: number,
): Promise<readonly { readonly scenario: Scenario; readonly all: readonly Times[] }[]> {
  const cluster = await Deployment.create(3, { hostCount: 3 });
  try {
    cluster.startScheduler(
      '--backoff-min-s',
      String(relaunchAfterS),
      '--backoff-max-s',
      String(relaunchAfterS),
      ...flags,
    );
    const results = [];
    for (const scenario of scenarios) {
      const all: Times[] = [];
      for (let round = 0; round < rounds; round++) {
        const times = await measureLoss(cluster, scenario.loss);
        console.error(`${scenario.name} ${round + 1}: ${inSeconds(times)}`);
        all.push(times);
      }
      results.push({ scenario, all });
    }
    return results;
  } catch (error) {
    console.error(cluster.log);
    throw error;
  } finally {
    await cluster.remove();
  }
}

/**
 * Ours first, alone; then the report's way, many clusters at a time.
 * @param rounds runs of each scenario, ours and the report's
 */
export async function benchFailover(rounds: number): Promise<Row[]> {
  const ours = [];
  for (const { scenarios, flags } of series) ours.push(...(await measureScenarios(scenarios, flags, rounds)));
  const firstStarts: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const answered = await measureFirstStart();
    console.error(`first start ${round + 1}: ${inSeconds({ answered })}`);
    firstStarts.push(answered);
  }
  const reports = await measureReports(rounds);

  const inS = (samples: readonly number[]): number[] => samples.map((ms) => ms / 1000);
  const rows = ours.flatMap(({ scenario: { name, loss, answerAim, hostsAim }, all }): Row[] => {
    const beside = reports.get(loss) ?? [];
    return [
      {
        name: `${name}: Jupyter answers elsewhere`,
        unit: 's',
        samples: inS(all.map(({ answered }) => answered)),
        aim: answerAim,
        reportsSamples: inS(beside.map(({ answered }) => answered)),
      },
      ...Object.entries(phases).map(
        ([phase, until]): Row => ({
          name: `… of which ${phase}`,
          unit: 's',
          samples: inS(all.map((times) => phasesOf(times)[phase as Phase])),
          note: `until ${until}`,
        }),
      ),
      {
        name: `${name}: /etc/hosts right on survivors`,
        unit: 's',
        samples: inS(all.map(({ hosts }) => hosts)),
        ...(hostsAim !== undefined && { aim: hostsAim }),
        reportsSamples: inS(beside.map(({ hosts }) => hosts)),
      },
    ];
  });
  return [
    ...rows,
    {
      name: 'first start: containers started to an answer',
      unit: 's',
      samples: inS(firstStarts),
      aim: firstStartAim,
      reportsSamples: inS([...reports.values()].flat().map(({ first }) => first)),
    },
  ];
}
