/** What an operator sees and does: /state and its parts in the form of capture 27, teardown, maintenance, draining. */
import { reservationsOf } from '../../mesos/resources.js';
import type {
  ContainerInfo,
  ContainerStatus,
  MasterInfo,
  Resource,
  TaskStatus,
  Unavailability,
} from '../../mesos/schema/codec.js';
import type { MasterCore } from './core.js';
import {
  type Framework,
  type MasterHost,
  type MasterOffer,
  type MasterTask,
  rolesOf,
  streamOf,
  usedOn,
} from './records.js';
import { add, amountOf, describeRanges } from './resources.js';

export const mesosVersion = '1.12.0';

/** As a Mesos agent of 1.12 says of itself. */
const agentCapabilities = [
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'RESOURCE_PROVIDER',
  'RESIZE_VOLUME',
  'AGENT_OPERATION_FEEDBACK',
  'AGENT_DRAINING',
  'TASK_RESOURCE_LIMITS',
];

/** The answer to a GET; undefined where there is nothing of that name. */
export function operatorView(core: MasterCore, path: string, now: number): unknown {
  switch (path) {
    case '/state':
    case '/state.json':
      return stateOf(core);
    case '/slaves':
      return {
        slaves: [...core.hosts.values()].map((host) => fullHostView(core, host)),
        recovered_slaves: [],
      };
    case '/frameworks':
      return frameworkViews(core);
    case '/tasks':
      return { tasks: [...core.frameworks.values()].flatMap((f) => [...f.tasks.values()].map(taskView)) };
    case '/flags':
      return { flags: flagsOf(core) };
    case '/version':
      return { version: mesosVersion };
    case '/metrics/snapshot':
      return { 'master/uptime_secs': (now - core.startedAt) / 1000, 'master/elected': 1 };
    default:
      return undefined;
  }
}

export interface OperatorAnswer {
  readonly status: number;
  readonly error?: string;
}

/** A POST of the operator's; undefined where there is nothing of that name. */
export function operatorCall(core: MasterCore, path: string, body: string): OperatorAnswer | undefined {
  switch (path) {
    case '/teardown': {
      const id = new URLSearchParams(body).get('frameworkId');
      if (id === null)
        return { status: 400, error: "Missing 'frameworkId' query parameter in the request body" };
      if (!core.frameworks.has(id)) return { status: 400, error: 'No framework found with specified ID' };
      core.removeFramework(id);
      return { status: 200 };
    }
    case '/maintenance/schedule': {
      const schedule = maintenanceSchedule(body);
      if (schedule === undefined) return { status: 400, error: 'Failed to parse body into JSON' };
      core.setMaintenance(schedule);
      return { status: 200 };
    }
    case '/api/v1':
      return operatorV1(core, body);
    default:
      return undefined;
  }
}

interface OperatorV1Call {
  type?: string;
  /** A google.protobuf.Duration, unlike every other time of the API. */
  drain_agent?: { agent_id: { value: string }; max_grace_period?: { seconds?: number; nanos?: number } };
  reactivate_agent?: { agent_id: { value: string } };
  mark_agent_gone?: { agent_id: { value: string } };
}

/** The three calls of the v1 operator API that tests and operators of this project need (61, 62, 64). */
function operatorV1(core: MasterCore, body: string): OperatorAnswer {
  let call: OperatorV1Call;
  try {
    call = JSON.parse(body) as OperatorV1Call;
  } catch {
    return { status: 400, error: 'Failed to parse body into JSON' };
  }
  if (call.type === 'DRAIN_AGENT' && call.drain_agent !== undefined) {
    const { agent_id, max_grace_period: grace } = call.drain_agent;
    // What is no field of it counts for nothing: {"nanoseconds": …} is no grace at all (61).
    core.drain(agent_id.value, grace && (grace.seconds ?? 0) * 1e9 + (grace.nanos ?? 0));
  } else if (call.type === 'REACTIVATE_AGENT' && call.reactivate_agent !== undefined) {
    core.reactivate(call.reactivate_agent.agent_id.value);
  } else if (call.type === 'MARK_AGENT_GONE' && call.mark_agent_gone !== undefined) {
    core.markGone(call.mark_agent_gone.agent_id.value);
  } else {
    return {
      status: 400,
      error: `Failed to validate master::Call: ${call.type ?? "Expecting 'type' to be present"}`,
    };
  }
  return { status: 200 };
}

interface MaintenanceSchedule {
  windows?: { machine_ids?: { hostname?: string; ip?: string }[]; unavailability: Unavailability }[];
}

function maintenanceSchedule(body: string): Map<string, Unavailability> | undefined {
  try {
    const { windows = [] } = JSON.parse(body) as MaintenanceSchedule;
    return new Map(
      windows.flatMap(({ machine_ids = [], unavailability }) =>
        machine_ids.map(({ hostname, ip }) => [hostname ?? ip ?? '', unavailability] as const),
      ),
    );
  } catch {
    return undefined;
  }
}

function stateOf(core: MasterCore): unknown {
  const info: MasterInfo = core.masterInfo;
  const hosts = [...core.hosts.values()];
  const started = core.startedAt / 1000;
  return {
    version: mesosVersion,
    build_date: '',
    build_time: 0,
    build_user: '',
    start_time: started,
    elected_time: started,
    id: info.id,
    pid: info.pid,
    hostname: info.hostname,
    capabilities: (info.capabilities ?? []).map((c) => c.type),
    activated_slaves: hosts.filter((host) => host.connected).length,
    deactivated_slaves: hosts.filter((host) => !host.connected).length,
    unreachable_slaves: core.unreachableHosts.size,
    leader: info.pid,
    leader_info: { id: info.id, pid: info.pid, port: info.port, hostname: info.hostname },
    slaves: hosts.map((host) => hostView(core, host)),
    recovered_slaves: [],
    ...frameworkViews(core),
    orphan_tasks: [],
  };
}

const frameworkViews = (core: MasterCore) => ({
  frameworks: [...core.frameworks.values()].map((framework) => frameworkView(core, framework)),
  completed_frameworks: [...core.completedFrameworks.values()].map((framework) =>
    frameworkView(core, framework),
  ),
  unregistered_frameworks: [],
});

/** Those that say who may register: /flags of a real one gives its ACLs in protobuf's text format (src/authorizer/acls.cpp). */
function flagsOf(core: MasterCore): Record<string, string> {
  const roles = [...core.forbiddenRoles];
  const values = roles.map((role) => `    values: ${JSON.stringify(role)}\n`).join('');
  const acls = `register_frameworks {\n  principals {\n    type: NONE\n  }\n  roles {\n${values}  }\n}\n`;
  return { root_submissions: 'true', ...(roles.length > 0 && { acls }) };
}

/** A host in /slaves, which alone has its resources whole (src/master/readonly_handler.cpp). */
function fullHostView(core: MasterCore, host: MasterHost): unknown {
  const { resources } = host.registration;
  const reserved = new Map<string, Resource[]>();
  for (const resource of resources) {
    const role = reservationsOf(resource).at(-1)?.role;
    if (role !== undefined) reserved.set(role, [...(reserved.get(role) ?? []), resource]);
  }
  return {
    ...hostView(core, host),
    reserved_resources_full: Object.fromEntries(reserved),
    unreserved_resources_full: resources.filter((resource) => reservationsOf(resource).length === 0),
    used_resources_full: usedOn(host.id, core.frameworks.values()),
    offered_resources_full: sumOf([...core.offers.values()].filter((offer) => offer.agentId === host.id)),
  };
}

function hostView(core: MasterCore, host: MasterHost): object {
  const { registration } = host;
  const offers = [...core.offers.values()].filter((offer) => offer.agentId === host.id);
  const unreserved = registration.resources.filter((resource) => reservationsOf(resource).length === 0);
  const reserved: Record<string, Resource[]> = {};
  for (const resource of registration.resources) {
    const role = reservationsOf(resource).at(-1)?.role;
    if (role !== undefined) reserved[role] = [...(reserved[role] ?? []), resource];
  }
  return {
    id: host.id,
    hostname: registration.hostname,
    port: registration.address.port,
    attributes: Object.fromEntries(
      registration.attributes.map((a) => [
        a.name,
        a.text?.value ?? a.scalar?.value ?? (a.ranges && describeRanges(a.ranges.range ?? [])) ?? '',
      ]),
    ),
    pid: `slave(1)@${registration.address.ip}:${registration.address.port}`,
    registered_time: host.registeredAt / 1000,
    ...(host.reregisteredAt === undefined ? {} : { reregistered_time: host.reregisteredAt / 1000 }),
    resources: resourcesView(registration.resources),
    used_resources: resourcesView(usedOn(host.id, core.frameworks.values())),
    offered_resources: resourcesView(sumOf(offers)),
    reserved_resources: Object.fromEntries(
      Object.entries(reserved).map(([role, r]) => [role, resourcesView(r)]),
    ),
    unreserved_resources: resourcesView(unreserved),
    active: host.connected,
    deactivated: host.draining !== 'no',
    version: mesosVersion,
    capabilities: agentCapabilities,
  };
}

function frameworkView(core: MasterCore, framework: Framework): unknown {
  const { info } = framework;
  const offers = [...core.offers.values()].filter((offer) => offer.frameworkId === framework.id);
  let used: Resource[] = [];
  for (const host of core.hosts.values()) used = add(used, usedOn(host.id, [framework]));
  const connected = streamOf(framework) !== undefined;
  return {
    id: framework.id,
    name: info.name,
    used_resources: resourcesView(used),
    offered_resources: resourcesView(sumOf(offers)),
    capabilities: (info.capabilities ?? []).map((c) => c.type),
    hostname: info.hostname ?? '',
    webui_url: info.webui_url ?? '',
    active: connected,
    connected,
    recovered: framework.connection.kind === 'recovered' && framework.unregisteredAt === undefined,
    user: info.user,
    failover_timeout: info.failover_timeout ?? 0,
    checkpoint: info.checkpoint ?? false,
    registered_time: framework.registeredAt / 1000,
    unregistered_time: (framework.unregisteredAt ?? 0) / 1000,
    ...(info.principal === undefined ? {} : { principal: info.principal }),
    resources: resourcesView(add(used, sumOf(offers))),
    ...(framework.reregisteredAt === undefined ? {} : { reregistered_time: framework.reregisteredAt / 1000 }),
    ...(info.role === undefined ? { roles: rolesOf(info) } : { role: info.role }),
    tasks: [...framework.tasks.values()].map(taskView),
    unreachable_tasks: [...framework.unreachableTasks.values()].map(taskView),
    completed_tasks: framework.completedTasks.map(taskView),
    offers: offers.map((offer) => ({
      id: offer.id,
      framework_id: offer.frameworkId,
      allocation_info: { role: offer.role },
      slave_id: offer.agentId,
      resources: resourcesView(offer.resources),
    })),
    executors: [],
    offer_constraints: {},
  };
}

function taskView(task: MasterTask): unknown {
  const { info } = task;
  return {
    id: info.task_id.value,
    name: info.name,
    framework_id: task.frameworkId,
    // Empty for a task without an executor of its own, though its sandbox lies under an executor of the task's name.
    executor_id: info.executor?.executor_id.value ?? '',
    slave_id: task.agentId,
    state: task.state,
    resources: resourcesView(info.resources ?? []),
    role: info.resources?.[0]?.allocation_info?.role ?? '*',
    statuses: task.statuses.map(statusView),
    ...(info.labels === undefined ? {} : { labels: info.labels.labels ?? [] }),
    ...(info.discovery === undefined ? {} : { discovery: info.discovery }),
    ...(info.container === undefined ? {} : { container: containerView(info.container) }),
    ...(info.health_check === undefined ? {} : { health_check: info.health_check }),
  };
}

/** With the defaults that Mesos' JSON shows though nobody set them (27). */
const containerView = ({ docker, ...container }: ContainerInfo): ContainerInfo => ({
  ...container,
  ...(docker === undefined ? {} : { docker: { network: 'HOST', privileged: false, ...docker } }),
});

const statusView = (status: TaskStatus) => ({
  state: status.state,
  timestamp: status.timestamp,
  ...(status.labels === undefined ? {} : { labels: status.labels.labels ?? [] }),
  ...(status.container_status === undefined
    ? {}
    : { container_status: withProtocols(status.container_status) }),
  ...(status.healthy === undefined ? {} : { healthy: status.healthy }),
});

/** Of an address the protocol is a default that Mesos sets nowhere: its JSON shows it (01), its protobuf does not (10). */
export const withProtocols = ({ network_infos, ...status }: ContainerStatus): ContainerStatus => ({
  ...status,
  ...(network_infos === undefined
    ? {}
    : {
        network_infos: network_infos.map(({ ip_addresses, ...info }) => ({
          ...info,
          ...(ip_addresses === undefined
            ? {}
            : { ip_addresses: ip_addresses.map((address) => ({ protocol: 'IPv4' as const, ...address })) }),
        })),
      }),
});

const sumOf = (offers: readonly MasterOffer[]): Resource[] =>
  offers.reduce<Resource[]>((sum, offer) => add(sum, offer.resources), []);

function resourcesView(resources: readonly Resource[]): Record<string, number | string> {
  const view: Record<string, number | string> = {};
  for (const name of ['disk', 'mem', 'gpus', 'cpus']) view[name] = amountOf(resources, name);
  const ports = resources.filter((r) => r.name === 'ports').flatMap((r) => r.ranges?.range ?? []);
  if (ports.length > 0) view['ports'] = describeRanges(ports);
  return view;
}
