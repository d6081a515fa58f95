/**
 * The `docker run` that Mesos' Docker containerizer makes of a task (src/docker/docker.cpp of Mesos 1.12; FACTS, Docker
 * containerizer 1 to 4). The contents of the container's inspection in capture 01 show the outcome.
 */
import type { ContainerInfo, TaskInfo, Volume } from '../../mesos/schema/codec.js';
import { amountOf } from '../master/resources.js';

export interface RunRequest {
  readonly task: TaskInfo;
  readonly containerName: string;
  readonly sandboxDirectory: string;
}

/** Where a task finds its sandbox inside of the container. */
const mappedSandbox = '/mnt/mesos/sandbox';
const cpuSharesPerCpu = 1024;
const leastCpuShares = 2;
const leastMemoryBytes = 32 * 1024 * 1024;
const bytesPerMb = 1024 * 1024;

/** The options cannot be made: the task fails with "Failed to create docker run options: …". */
export class RunOptionsError extends Error {
  override readonly name = 'RunOptionsError';
}

export function dockerRunArguments(request: RunRequest): string[] {
  const { task, containerName, sandboxDirectory } = request;
  const { container, command } = task;
  const docker = container?.docker;
  if (container === undefined || docker === undefined)
    throw new RunOptionsError('No docker info found in container info');
  const args = ['run'];
  if (docker.privileged === true) args.push('--privileged');
  const resources = [...(task.resources ?? []), ...(task.executor?.resources ?? [])];
  args.push(
    '--cpu-shares',
    String(Math.max(Math.trunc(cpuSharesPerCpu * amountOf(resources, 'cpus')), leastCpuShares)),
  );
  args.push(
    '--memory',
    String(Math.max(Math.trunc(amountOf(resources, 'mem') * bytesPerMb), leastMemoryBytes)),
  );
  for (const [key, value] of environmentOf(request)) args.push('-e', `${key}=${value}`);
  for (const volume of container.volumes ?? []) {
    const binding = volumeBinding(volume, sandboxDirectory);
    if (binding !== undefined) args.push('-v', binding);
  }
  args.push('-v', `${sandboxDirectory}:${mappedSandbox}`);

  // The first parameter `net` or `network` takes the place of the network; all others become options as they are.
  const parameters = docker.parameters ?? [];
  const netAt = parameters.findIndex((p) => p.key === 'net' || p.key === 'network');
  const network = networkOf(container);
  args.push('--net', parameters[netAt]?.value ?? network);
  if (container.hostname !== undefined) {
    if (network === 'host') throw new RunOptionsError('Unable to set hostname with host network mode');
    args.push('--hostname', container.hostname);
  }
  args.push(...portArguments(container, network));
  const shell = command?.shell ?? true;
  if (shell) args.push('--entrypoint', '/bin/sh');
  args.push('--name', containerName);
  for (const [at, parameter] of parameters.entries()) {
    if (at !== netAt) args.push(`--${parameter.key}=${parameter.value}`);
  }
  args.push(docker.image);
  if (shell) {
    if (command?.value === undefined)
      throw new RunOptionsError('Shell specified but no command value provided');
    args.push('-c', command.value);
  } else {
    if (command?.value !== undefined) args.push(command.value);
    args.push(...(command?.arguments ?? []));
  }
  return args;
}

/** In the order of their names, as Mesos keeps them. */
function environmentOf({ task, containerName }: RunRequest): [string, string][] {
  const environment = new Map<string, string>();
  for (const variable of task.command?.environment?.variables ?? [])
    environment.set(variable.name, variable.value ?? '');
  environment.set('MESOS_SANDBOX', mappedSandbox);
  environment.set('MESOS_CONTAINER_NAME', containerName);
  environment.set('MESOS_ALLOCATION_ROLE', task.resources?.[0]?.allocation_info?.role ?? '');
  return [...environment].sort(([a], [b]) => (a < b ? -1 : 1));
}

function volumeBinding(volume: Volume, sandboxDirectory: string): string | undefined {
  const inside = volume.container_path.startsWith('/')
    ? volume.container_path
    : `${mappedSandbox}/${volume.container_path}`;
  const mode = volume.mode === 'RO' ? 'ro' : 'rw';
  if (volume.host_path !== undefined) {
    if (volume.host_path.startsWith('/')) return `${volume.host_path}:${inside}:${mode}`;
    if (!volume.container_path.startsWith('/')) {
      throw new RunOptionsError(
        `Both host_path '${volume.host_path}' and container_path '${volume.container_path}' of a volume are relative`,
      );
    }
    return `${sandboxDirectory}/${volume.host_path}:${inside}:${mode}`;
  }
  if (volume.source === undefined) throw new RunOptionsError('Host path or volume source is required');
  if (volume.source.type !== 'DOCKER_VOLUME' || volume.source.docker_volume === undefined) return undefined;
  return `${volume.source.docker_volume.name}:${inside}:${mode}`;
}

function networkOf(container: ContainerInfo): string {
  const mode = container.docker?.network ?? 'HOST';
  switch (mode) {
    case 'HOST':
      return 'host';
    case 'BRIDGE':
      return 'bridge';
    case 'NONE':
      return 'none';
    case 'USER': {
      const networks = container.network_infos ?? [];
      if (networks.length === 0) throw new RunOptionsError('No network info found in container info');
      if (networks.length > 1)
        throw new RunOptionsError('Only a single network can be defined in Docker run');
      const name = networks[0]?.name;
      if (name === undefined) throw new RunOptionsError('No network name found in network info');
      return name;
    }
  }
}

function portArguments(container: ContainerInfo, network: string): string[] {
  const mappings = container.docker?.port_mappings ?? [];
  if (mappings.length > 0 && (network === 'host' || network === 'none')) {
    throw new RunOptionsError('Port mappings are only supported for bridge and user-defined networks');
  }
  return mappings.flatMap(({ host_port, container_port, protocol }) => [
    '-p',
    `${host_port}:${container_port}${protocol === undefined ? '' : `/${protocol.toLowerCase()}`}`,
  ]);
}
