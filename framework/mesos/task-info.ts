/** The TaskInfo of a node: the `docker run` of the design, in the words of Mesos' Docker containerizer. */
import { containerPaths, ports, stableName, writeTaskEnvironment } from '../../executor-image/contract.js';
import type { Launch, Needs } from '../cluster/model.js';
import type { Settings } from '../config/settings.js';
import type { Resource, TaskInfo } from './schema/codec.js';

/** What the node agent needs until `/livez` answers; Mesos ignores failures before. In seconds. */
const healthGraceS = 30;
const healthIntervalS = 3;
const healthTimeoutS = 10;
const healthFailures = 5;

export const needsOf = (settings: Pick<Settings, 'cpus' | 'memMb' | 'diskMb'>): Needs => ({
  cpus: settings.cpus,
  memMb: settings.memMb,
  diskMb: settings.diskMb,
});

/**
 * @param schedulerKey fingerprint of the scheduler's key
 * @param resources taken from the offers; where there is no offer (`run --dry-run`), plain ones of the role
 */
export function taskInfoFor(
  settings: Settings,
  { task, founders, unproven }: Launch,
  schedulerKey: string,
  resources: readonly Resource[] = unofferedResources(settings),
): TaskInfo {
  const environment = writeTaskEnvironment({
    node: task.node,
    addresses: settings.ips,
    taskId: task.id,
    incarnation: task.incarnation,
    generation: task.generation,
    founders,
    unproven,
    basePath: settings.basePath,
    leaseTtlS: settings.leaseTtlS,
    lookLimitS: settings.lookLimitS,
    volumeType: settings.sharedVolumeType ?? '',
    warmStandby: settings.warmStandby === 'on',
    cpus: settings.cpus,
    healthChecks: true,
    schedulerKey,
    logLevel: settings.logLevel,
  });
  const address = settings.ips[task.node];
  if (address === undefined) throw new RangeError(`node ${task.node} has no address`);
  return {
    name: `node${task.node}`,
    task_id: { value: task.id },
    agent_id: { value: task.agentId },
    resources: [...resources],
    // No command at all: the image's own entry point runs, as it would by `docker run IMAGE`.
    command: {
      shell: false,
      environment: { variables: Object.entries(environment).map(([name, value]) => ({ name, value })) },
    },
    container: {
      type: 'DOCKER',
      hostname: stableName(task.node),
      docker: {
        image: settings.image,
        network: 'USER',
        force_pull_image: false,
        // Mesos passes no address of NetworkInfo on to Docker (FACTS, Docker containerizer 1).
        parameters: [{ key: 'ip', value: address }, ...settings.dockerParameters],
      },
      network_infos: [{ name: settings.network }],
      volumes: [{ host_path: settings.shared, container_path: containerPaths.shared, mode: 'RW' }],
    },
    health_check: {
      type: 'HTTP',
      http: { scheme: 'http', port: ports.nodeAgent, path: '/livez' },
      delay_seconds: 0,
      interval_seconds: healthIntervalS,
      timeout_seconds: healthTimeoutS,
      consecutive_failures: healthFailures,
      grace_period_seconds: healthGraceS,
    },
    kill_policy: { grace_period: { nanoseconds: settings.killGraceS * 1e9 } },
    labels: {
      labels: [
        { key: 'node', value: String(task.node) },
        { key: 'incarnation', value: String(task.incarnation) },
        { key: 'generation', value: String(task.generation) },
      ],
    },
  };
}

function unofferedResources(settings: Settings): Resource[] {
  const scalars = { cpus: settings.cpus, mem: settings.memMb, disk: settings.diskMb };
  return Object.entries(scalars)
    .filter(([, value]) => value > 0)
    .map(([name, value]) => ({
      name,
      type: 'SCALAR',
      scalar: { value },
      allocation_info: { role: settings.role },
    }));
}
