/** What a node costs while nothing happens: its node agent alone, and all that is ours in its container. */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestCluster } from '../image/cluster.js';
import type { Row } from './table.js';

const idleS = 60;
/** Before that, until V8 has tidied up what a node's start left (seen in a node agent's first minute). */
const restS = 60;
/** The clock ticks of /proc/PID/stat; the same on every Linux that runs containers. */
const ticksPerSecond = 100;

interface Usage {
  /** Processor time, that of children that have ended included. */
  readonly cpuS: number;
  readonly residentMb: number;
}

interface Footprint {
  readonly nodeAgent: Usage;
  /** The node agent, what looks at the volume, the keeper, and tini; etcd, sshd and Jupyter are others' work. */
  readonly ours: Usage;
}

/** A line a process: its parent, its ticks, its resident kB and its command line. */
const listProcesses = `
for p in /proc/[0-9]*; do
  stat=$(cat $p/stat) && rss=$(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' $p/status) || continue
  set -- \${stat##*) }
  echo "$2 $((\${12} + \${13} + \${14} + \${15})) \${rss:-0} $(tr '\\0' ' ' < $p/cmdline)"
done 2> /dev/null
`;

const isOurs = /^(\/usr\/bin\/tini|\S*node|\S*python3 \S+ \/opt\/mesos-jupyter\/(looks|keeper)\.py) /;

/** Children of tini and below alone have to do with the node; whoever asks by `docker exec` has no parent in the container. */
async function footprint(cluster: TestCluster, node: number): Promise<Footprint> {
  const processes = (await cluster.shell(node, listProcesses)).split('\n').map((line) => {
    const [, parent, ticks, residentKb, command = ''] = /^(\d+) (\d+) (\d+) (.*)$/.exec(line) ?? [];
    const cpuS = Number(ticks) / ticksPerSecond;
    return { parent: Number(parent), command, cpuS, residentMb: Number(residentKb) / 1024 };
  });
  const nodeAgent = processes.find(({ parent, command }) => parent === 1 && command.includes('main.cjs'));
  if (nodeAgent === undefined) throw new Error(`node ${node} has no node agent`);
  const ours = processes.filter(({ command }) => isOurs.test(command));
  const sum = (of: (usage: Usage) => number) => ours.reduce((total, usage) => total + of(usage), 0);
  return {
    nodeAgent,
    ours: { cpuS: sum((usage) => usage.cpuS), residentMb: sum((usage) => usage.residentMb) },
  };
}

/** Rows for what the nodes take in `idleS`, the holder and the others apart. */
export async function benchFootprint(cluster: TestCluster, holder: number): Promise<Row[]> {
  const read = () => Promise.all(cluster.nodes.map((node) => footprint(cluster, node)));
  await delay(restS * 1000);
  const before = await read();
  await delay(idleS * 1000);
  const after = await read();
  const rows = (whose: string, nodes: readonly number[], what: string, part: keyof Footprint): Row[] => {
    const pick = (of: (then: Usage, now: Usage) => number) =>
      nodes.flatMap((node) => {
        const [then, now] = [before[node], after[node]];
        return then === undefined || now === undefined ? [] : of(then[part], now[part]);
      });
    const alone = part === 'nodeAgent';
    return [
      {
        name: `${whose}, idle: ${what}, resident`,
        unit: 'MB',
        samples: pick((_, now) => now.residentMb),
        ...(alone ? { note: 'aim 100 MB' } : { note: 'with looks.py, keeper.py and tini' }),
      },
      {
        name: `${whose}, idle: ${what}, processor`,
        unit: '% of a core',
        samples: pick((then, now) => ((now.cpuS - then.cpuS) / idleS) * 100),
        note: `${alone ? 'aim 1 %; ' : ''}over ${idleS} s, ended children's included`,
      },
    ];
  };
  const others = cluster.nodes.filter((node) => node !== holder);
  return (
    [
      ['the holder', [holder]],
      ['another node', others],
    ] as const
  ).flatMap(([whose, nodes]) => [
    ...rows(whose, nodes, 'node agent', 'nodeAgent'),
    ...rows(whose, nodes, 'all of ours', 'ours'),
  ]);
}
