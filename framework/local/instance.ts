/**
 * One run of `mesos-jupyter local`, and what a run that was killed left behind. A run's name stands as a label on all that
 * it makes, and tells whether its process still lives: no file that could get lost, and no time-out to guess.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { CodedError } from '../errors.js';
import { mustRun, run } from './command.js';
import { instancesWithDirectories, removeDirectories } from './directories.js';
import type { Terminal } from './terminal.js';

/** On containers and networks of a local cluster; the value is the instance's name. */
export const instanceLabel = 'mesos-jupyter.local';

/** `<host>.<pid>.<start of the process>`: a process id alone is used again some day. */
export function instanceName(pid = process.pid): string {
  return `${hostname()}.${pid}.${startOfProcess(pid) ?? '0'}`;
}

/** Whether the process of that name is gone. Of another host's (an engine may be shared) nothing is known. */
export function isStale(instance: string): boolean {
  const parts = /^(.+)\.(\d+)\.(\d+)$/.exec(instance);
  if (parts === null) return false;
  const [, host, pid, start] = parts;
  return host === hostname() && startOfProcess(Number(pid)) !== start;
}

/** In clock ticks since boot: field 22 of /proc/PID/stat, counted behind the command's name, which may have spaces. */
function startOfProcess(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Removes what runs that did not get to clean up have left. */
export async function removeLeftovers(terminal: Terminal, now: Date): Promise<void> {
  const stale = [
    ...new Set([
      ...(await labelled('container')),
      ...(await labelled('network')),
      ...instancesWithDirectories(),
    ]),
  ].filter(isStale);
  for (const instance of stale) {
    const { containers, kept } = await removeInstance(instance, now);
    terminal.say(
      `Removed what an earlier run (${instance}), which was killed, had left: its network, its directories and ${containers} containers.`,
    );
    if (kept !== undefined) terminal.say(`Its notebooks are kept in ${kept}`);
  }
}

export interface Removed {
  readonly containers: number;
  /** Where notebooks were put, if there were any. */
  readonly kept: string | undefined;
}

/**
 * Removes all that bears the instance's name: containers, networks, directories.
 * @throws CodedError CLEANUP_FAILED, after everything that can be removed was removed
 */
export async function removeInstance(instance: string, now: Date): Promise<Removed> {
  const filter = ['--filter', `label=${instanceLabel}=${instance}`];
  const problems: string[] = [];
  const attempt = async <T>(work: () => Promise<T> | T): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const networks = (await attempt(() => list(['network', 'ls', '--quiet', ...filter]))) ?? [];
  // A container may be without the label, if it was made in another way; that it is on our network is enough.
  const onNetworks = networks.flatMap((network) => ['--filter', `network=${network}`]);
  const containers = new Set((await attempt(() => list(['ps', '--all', '--quiet', ...filter]))) ?? []);
  if (onNetworks.length > 0) {
    for (const id of (await attempt(() => list(['ps', '--all', '--quiet', ...onNetworks]))) ?? [])
      containers.add(id);
  }
  if (containers.size > 0) {
    await attempt(() => remove(['rm', '--force', '--volumes', ...containers]));
  }
  for (const network of networks) await attempt(() => remove(['network', 'rm', network]));
  const kept = await attempt(() => removeDirectories(instance, now));
  if (problems.length > 0) throw new CodedError('CLEANUP_FAILED', problems.join('\n  and '));
  return { containers: containers.size, kept };
}

/** What is gone already is as good as removed. */
async function remove(args: readonly string[]): Promise<void> {
  const { status, output } = await run('docker', args);
  const serious = output
    .split('\n')
    .filter((line) => /error/i.test(line) && !/no such|not found|already in progress/i.test(line));
  if (status !== 0 && serious.length > 0) {
    throw new CodedError('CLEANUP_FAILED', `"docker ${args.join(' ')}" failed: ${serious.join(' ')}`);
  }
}

async function list(args: readonly string[]): Promise<string[]> {
  return (await mustRun('DOCKER_FAILED', 'docker', args)).split(/\s+/).filter((id) => id !== '');
}

async function labelled(kind: 'container' | 'network'): Promise<string[]> {
  const command = kind === 'container' ? ['ps', '--all'] : ['network', 'ls'];
  return list([
    ...command,
    '--filter',
    `label=${instanceLabel}`,
    '--format',
    `{{.Label "${instanceLabel}"}}`,
  ]);
}
