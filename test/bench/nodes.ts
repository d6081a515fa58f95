/** Real containers: how soon a relaunched node is a member again, and what a node costs while nothing happens. */
import { readFileSync } from 'node:fs';
import { ensureImage } from '../../framework/local/image.js';
import { createTerminal } from '../../framework/local/terminal.js';
import { TestCluster } from '../image/cluster.js';
import { docker } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { benchFootprint } from './footprint.js';
import type { Row } from './table.js';

const limitMs = 60_000;

/** In milliseconds. */
interface Comeback {
  /** From the start of a node's next container, as Docker has it. */
  readonly voter: number;
  /** From being a voter to the last node whose /etc/hosts lists it. */
  readonly hosts: number;
  /** From being a voter to the last node from which, and to which, SSH works; 0 where it did before. */
  readonly ssh: number;
}

/**
 * Tries in the container itself, so that the time is not that of `docker exec`. A try that comes before the name is in
 * /etc/hosts asks this machine's name server, if there is one, and must not wait 5 s for its answer.
 */
const sshUntilItWorks =
  'export RES_OPTIONS="timeout:1 attempts:1"; until ssh -o BatchMode=yes -o ConnectTimeout=1 "$1" true 2>/dev/null; do sleep 0.05; done';

/** Kills a node's container and times how its next one comes back. */
async function relaunch(cluster: TestCluster, node: number): Promise<Comeback> {
  const others = cluster.nodes.filter((other) => other !== node);
  await docker('kill', '--signal', 'KILL', cluster.container(node));
  const inspect = (each: number, what: string) => docker('inspect', '-f', what, cluster.container(each));
  await cluster.start(node);
  const started = Date.parse(await inspect(node, '{{.State.StartedAt}}'));
  const since = (): number => Date.now() - started;
  const voter = waitFor('a voter', limitMs, async () => {
    const { etcd } = await cluster.status(node);
    return (etcd.role === 'follower' || etcd.role === 'leader') && since();
  });
  // Read where Docker keeps them. The survivors' still list the dead one for a while, which has the same names.
  const files = await Promise.all(cluster.nodes.map((each) => inspect(each, '{{.HostsPath}}')));
  const lines = cluster.nodes.map((each) => `${cluster.address(each)}\tnode${each} jupyter-${each}`);
  const hosts = voter.then(() =>
    waitFor('hosts', limitMs, () => {
      const texts = files.map((file) => readFileSync(file, 'utf8'));
      return texts.every((text) => lines.every((line) => text.includes(line))) && since();
    }),
  );
  const login = (from: number, to: number): Promise<number> =>
    cluster.exec(from, 'timeout', '60', 'sh', '-c', sshUntilItWorks, 'sh', `jupyter-${to}`).then(since);
  const ssh = Promise.all(others.flatMap((other) => [login(other, node), login(node, other)]));
  const [voterMs, hostsMs, sshMs] = await Promise.all([voter, hosts, ssh]);
  return { voter: voterMs, hosts: hostsMs - voterMs, ssh: Math.max(0, Math.max(...sshMs) - voterMs) };
}

export async function benchNodes(rounds: number): Promise<Row[]> {
  process.env['MESOS_JUPYTER_IMAGE'] ??= await ensureImage({ terminal: createTerminal() });
  const cluster = await TestCluster.create(3, { logLevel: 'info' });
  try {
    await cluster.startAll();
    let holder = await cluster.settled(limitMs);
    await waitFor('a settled Jupyter', limitMs, async () => (await cluster.serving()).length === 1);
    const footprint = await benchFootprint(cluster, holder);
    const comebacks: Comeback[] = [];
    for (let round = 0; round < rounds; round++) {
      // Followers, whose loss moves nothing else.
      const followers = cluster.nodes.filter((node) => node !== holder);
      comebacks.push(await relaunch(cluster, followers[round % followers.length] ?? 0));
      holder = await cluster.settled(limitMs);
    }
    const row = (name: string, samples: number[], unit: string, note: string): Row => ({
      name,
      unit,
      samples,
      note,
    });
    return [
      row(
        'relaunched node: container started to voter',
        comebacks.map(({ voter }) => voter),
        'ms',
        'aim 5 s',
      ),
      row(
        'voter to /etc/hosts right everywhere',
        comebacks.map(({ hosts }) => hosts),
        'ms',
        'aim 1 s',
      ),
      row(
        'voter to SSH from and to all',
        comebacks.map(({ ssh }) => ssh),
        'ms',
        'aim 2 s',
      ),
      ...footprint,
    ];
  } finally {
    await cluster.remove();
  }
}
