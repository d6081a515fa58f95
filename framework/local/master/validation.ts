/**
 * What the master refuses, in its own words: src/master/validation.cpp and src/common/validation.cpp of Mesos 1.12 for the texts,
 * captures 02, 04, 42 and 52 for how they come out.
 */
import type { Call, FrameworkInfo, HealthCheck, Resource, TaskInfo } from '../../mesos/schema/codec.js';
import { can, type Framework, type MasterOffer, resourcesOf } from './records.js';
import { contains, describe } from './resources.js';

/** The check of a call by itself, before anything is looked up. The codec has seen to it that its body is there. */
export function validateCall(call: Call, principal: string | undefined): string | undefined {
  if (call.type === 'SUBSCRIBE') {
    const info = call.subscribe.framework_info;
    if ((info.id?.value ?? '') !== (call.framework_id?.value ?? '')) {
      return "'framework_id' differs from 'subscribe.framework_info.id'";
    }
    if (principal !== undefined && info.principal !== undefined && info.principal !== principal) {
      return `Authenticated principal '${principal}' does not match principal '${info.principal}' set in \`FrameworkInfo\``;
    }
    return undefined;
  }
  if (call.framework_id === undefined) return "Expecting 'framework_id' to be present";
  if (call.type === 'ACKNOWLEDGE' && Buffer.from(call.acknowledge.uuid, 'base64').length !== 16) {
    return 'Not a valid UUID';
  }
  return undefined;
}

/** Refusals of a subscription, which come as an ERROR event on a stream that then ends. */
export function validateFramework(info: FrameworkInfo): string | undefined {
  if (can(info, 'MULTI_ROLE')) {
    if (info.role !== undefined)
      return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable";
    const roles = info.roles ?? [];
    const duplicates = [...new Set(roles.filter((role, at) => roles.indexOf(role) !== at))];
    if (duplicates.length > 0)
      return `'FrameworkInfo.roles' contains duplicate items: { ${duplicates.join(', ')} }`;
  } else if ((info.roles ?? []).length > 0) {
    return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable";
  }
  if ((info.failover_timeout ?? 0) < 0)
    return `The framework failover_timeout (${info.failover_timeout}) is invalid`;
  return undefined;
}

/** Why these offers cannot be accepted together, if so. */
export function validateOffers(
  ids: readonly string[],
  offers: ReadonlyMap<string, MasterOffer>,
  framework: Framework,
): string | undefined {
  if (ids.length === 0) return 'No offers specified';
  const duplicate = ids.find((id, at) => ids.indexOf(id) !== at);
  if (duplicate !== undefined) return `Duplicate offer ${duplicate} in offer list`;
  let first: MasterOffer | undefined;
  for (const id of ids) {
    const offer = offers.get(id);
    if (offer === undefined) return `Offer ${id} is no longer valid`;
    if (offer.frameworkId !== framework.id) {
      return `Offer ${id} has invalid framework ${offer.frameworkId} while framework ${framework.id} is expected`;
    }
    first ??= offer;
    if (offer.role !== first.role) {
      return `Aggregated offers must be allocated to the same role. Offer ${id} uses role '${offer.role} but another is using role '${first.role}`;
    }
    if (offer.agentId !== first.agentId) {
      return `Aggregated offers must belong to one single agent. Offer ${id} uses agent ${offer.agentId} and agent ${first.agentId}`;
    }
  }
  return undefined;
}

/** Why a task cannot be launched on what is left of its offers, if so: TASK_ERROR, REASON_TASK_INVALID. */
export function validateTask(
  task: TaskInfo,
  agentId: string,
  framework: Framework,
  available: readonly Resource[],
): string | undefined {
  const id = task.task_id.value;
  const rules: readonly (() => string | undefined)[] = [
    () => validateId(id),
    () => (framework.tasks.has(id) ? `Task has duplicate ID: ${id}` : undefined),
    () =>
      framework.unreachableTasks.has(id) ? `Task reuses the ID of an unreachable task: ${id}` : undefined,
    () =>
      task.agent_id.value === agentId
        ? undefined
        : `Task uses invalid agent ${task.agent_id.value} while agent ${agentId} is expected`,
    () =>
      (task.kill_policy?.grace_period?.nanoseconds ?? 0) < 0
        ? "Task's 'kill_policy.grace_period' must be non-negative"
        : undefined,
    () =>
      (task.max_completion_time?.nanoseconds ?? 0) < 0
        ? "Task's `max_completion_time` must be non-negative"
        : undefined,
    () =>
      prefixed('Task uses invalid health check', task.health_check && validateHealthCheck(task.health_check)),
    () => ((task.resources ?? []).length === 0 ? 'Task uses no resources' : undefined),
    () => validateResources(task.resources ?? []),
    () => prefixed("Task's `ContainerInfo` is invalid", validateContainer(task)),
    () =>
      (task.executor === undefined) === (task.command === undefined)
        ? 'Task should have at least one (but not both) of CommandInfo or ExecutorInfo present'
        : undefined,
    () => {
      const total = resourcesOf(task);
      return contains(available, total)
        ? undefined
        : `Total resources ${describe(total)} required by task and its executor is more than available ${describe(available)}`;
    },
  ];
  for (const rule of rules) {
    const error = rule();
    if (error !== undefined) return error;
  }
  return undefined;
}

const prefixed = (prefix: string, error: string | undefined): string | undefined =>
  error === undefined ? undefined : `${prefix}: ${error}`;

/** The longest name of a file: task ids are names of directories. */
const maxIdBytes = 255;

function validateId(id: string): string | undefined {
  if (id === '') return 'ID must not be empty';
  if (Buffer.byteLength(id) > maxIdBytes) return `ID must not be greater than ${maxIdBytes} characters`;
  if (id === '.' || id === '..') return `'${id}' is disallowed`;
  // Control characters and the separators of paths.
  return [...id].some((c) => c < ' ' || c === '\u007f' || c === '/' || c === '\\')
    ? `'${id}' contains invalid characters`
    : undefined;
}

function validateResources(resources: readonly Resource[]): string | undefined {
  for (const resource of resources) {
    if (resource.type === 'SCALAR' && (resource.scalar === undefined || resource.scalar.value < 0)) {
      return `Task uses invalid resources: Resource '${resource.name}' is invalid: Invalid scalar resource: value < 0`;
    }
  }
  const roles = new Set(resources.map((r) => r.allocation_info?.role));
  return roles.size > 1
    ? `Invalid task resources: The resources have multiple allocation roles ('${[...roles].join("' and '")}') but only one allocation role is allowed`
    : undefined;
}

function validateContainer(task: TaskInfo): string | undefined {
  const container = task.container;
  if (container === undefined) return undefined;
  for (const volume of container.volumes ?? []) {
    const given = [volume.host_path, volume.image, volume.source].filter((v) => v !== undefined).length;
    if (given > 1) return "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'";
  }
  if (container.type !== 'DOCKER') return undefined;
  if (container.docker === undefined) return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo";
  return container.docker.parameters?.some((p) => p.key === 'name')
    ? "Parameter in DockerInfo must not be 'name'"
    : undefined;
}

function validateHealthCheck(check: HealthCheck): string | undefined {
  if (check.type === undefined) return "HealthCheck must specify 'type'";
  switch (check.type) {
    case 'UNKNOWN':
      return "'UNKNOWN' is not a valid health check type";
    case 'COMMAND': {
      if (check.command === undefined) return "Expecting 'command' to be set for COMMAND health check";
      const shell = check.command.shell ?? true;
      return check.command.value === undefined
        ? `Command health check must contain ${shell ? "'shell command'" : "'executable path'"}`
        : undefined;
    }
    case 'HTTP': {
      const http = check.http;
      if (http === undefined) return "Expecting 'http' to be set for HTTP health check";
      if (http.scheme !== undefined && http.scheme !== 'http' && http.scheme !== 'https') {
        return `Unsupported HTTP health check scheme: '${http.scheme}'`;
      }
      return http.path !== undefined && !http.path.startsWith('/')
        ? `The path '${http.path}' of HTTP health check must start with '/'`
        : undefined;
    }
    case 'TCP':
      return check.tcp === undefined ? "Expecting 'tcp' to be set for TCP health check" : undefined;
  }
}
