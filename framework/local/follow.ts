/** Follows a local cluster on the screen: a line for each change, a table when all is well, the notebook's address. */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { containerPaths, tokenFileName } from '../../executor-image/contract.js';
import { CodedError } from '../errors.js';
import { askNode } from '../node-status.js';
import { asRoot, isRoot } from './as-root.js';
import { duration, type Terminal } from './terminal.js';
import {
  cells,
  changed,
  columns,
  combine,
  jupyterAnswers,
  missing,
  type NodeView,
  notebookUrl,
  type ScheduledNode,
  servingAddress,
} from './watch.js';

export interface FollowOptions {
  /** The nodes as the scheduler sees them now. */
  readonly nodes: () => readonly ScheduledNode[];
  readonly basePath: string;
  /** The directory that stands for the shared volume. */
  readonly shared: string;
  readonly image: string;
  readonly timeoutS: number;
  /** Return as soon as all is well, and fail when it is not in time; otherwise go on until told to stop. */
  readonly untilReady: boolean;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

const intervalMs = 500;

/** One look at the cluster. */
interface Sight {
  readonly nodes: readonly NodeView[];
  /** What is not as it should be; all is well when there is nothing. */
  readonly wanting: readonly string[];
  /** The notebook's URL, when Jupyter answers there. */
  readonly notebook: string | undefined;
}

/** @throws CodedError READY_TIMEOUT, with what is wanting, when not all is well in time and `untilReady` is set */
export async function followCluster(options: FollowOptions): Promise<void> {
  const { terminal, signal, untilReady, timeoutS } = options;
  const started = Date.now();
  const look = observer(options);
  let last: Sight = { nodes: [], wanting: ['nothing was seen yet'], notebook: undefined };
  let told: string | undefined;
  let hasBeenWell = false;
  let isLate = false;
  while (!signal.aborted) {
    const sight = await look();
    for (const node of changed(last.nodes, sight.nodes)) terminal.say(changeLine(node));
    const isWell = sight.wanting.length === 0;
    if (isWell && last.wanting.length > 0) {
      terminal.table(columns, sight.nodes.map(cells));
      const time = duration(Date.now() - started);
      terminal.good(hasBeenWell ? 'All is well again.' : `All is well, ${time} after the nodes' start.`);
    }
    if (sight.notebook !== undefined && sight.notebook !== told) {
      terminal.say(told === undefined ? 'The notebook is at' : 'The notebook has moved to');
      terminal.say(`  ${sight.notebook}`);
      if (told === undefined && !untilReady) terminal.say('Ctrl-C stops and removes the cluster.');
      told = sight.notebook;
    }
    last = sight;
    hasBeenWell ||= isWell;
    if (untilReady && isWell) return;
    if (!hasBeenWell && !isLate && Date.now() - started > timeoutS * 1000) {
      isLate = true;
      const message = `not all was well after ${timeoutS} s:\n  - ${sight.wanting.join('\n  - ')}`;
      if (untilReady) throw new CodedError('READY_TIMEOUT', message);
      terminal.warn(`${message}\nGoing on; Ctrl-C stops and removes the cluster.`);
    }
    await delay(intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** A function that looks at the cluster; it keeps the token, which never changes once it is made. */
function observer({ nodes, basePath, shared, image }: FollowOptions): () => Promise<Sight> {
  let token: string | undefined;
  return async () => {
    const scheduled = nodes();
    const seen = combine(scheduled, await Promise.all(scheduled.map(({ address }) => askNode(address))));
    const wanting = missing(seen);
    const address = servingAddress(seen);
    if (address === undefined) return { nodes: seen, wanting, notebook: undefined };
    token ??= await readToken(image, shared);
    if (token !== undefined && (await jupyterAnswers(address, basePath, token))) {
      return { nodes: seen, wanting, notebook: notebookUrl(address, basePath, token) };
    }
    return {
      nodes: seen,
      wanting: [...wanting, `Jupyter at ${address} does not answer`],
      notebook: undefined,
    };
  };
}

/** The notebook's token, once a node has made it. */
async function readToken(image: string, shared: string): Promise<string | undefined> {
  const path = join(relative(containerPaths.shared, containerPaths.trusted), tokenFileName);
  try {
    const text = isRoot
      ? readFileSync(join(shared, path), 'utf8')
      : await asRoot(image, shared, ['cat', `/directory/${path}`]);
    return text.trim() || undefined;
  } catch {
    return undefined;
  }
}

function changeLine(node: NodeView): string {
  const [name, address, host, state, etcd, jupyter] = cells(node);
  const time = new Date().toTimeString().slice(0, 8);
  const facts = `${time}  ${name}  ${address}  ${host}  ${state}  etcd ${etcd}  jupyter ${jupyter}`;
  const isWell = node.ready && !node.leaving;
  return isWell || node.reason === node.state ? facts : `${facts}  (${node.reason})`;
}
