/** The parts of a master's `/state`, `/slaves` and `/flags` that a check looks at. What differs between releases is optional. */
import { z } from 'zod';
import type { Place } from '../cluster/constraints.js';
import type { Needs } from '../cluster/model.js';
import { isFor, usableOf } from '../mesos/resources.js';
import type { Resource } from '../mesos/schema/codec.js';

const task = z.object({
  id: z.string(),
  slave_id: z.string(),
  state: z.string(),
  container: z
    .object({
      docker: z
        .object({
          image: z.string().optional(),
          parameters: z.array(z.object({ key: z.string(), value: z.string() })).optional(),
        })
        .optional(),
    })
    .optional(),
  statuses: z
    .array(
      z.object({
        container_status: z
          .object({
            network_infos: z
              .array(
                z.object({
                  ip_addresses: z.array(z.object({ ip_address: z.string().optional() })).optional(),
                }),
              )
              .optional(),
          })
          .optional(),
      }),
    )
    .optional(),
});

const framework = z.object({
  id: z.string(),
  name: z.string(),
  active: z.boolean().optional(),
  role: z.string().optional(),
  roles: z.array(z.string()).optional(),
  principal: z.string().optional(),
  tasks: z.array(task).optional(),
});

const stateAnswer = z.object({
  version: z.string(),
  frameworks: z.array(framework),
  completed_frameworks: z.array(z.object({ id: z.string() })).optional(),
});

/** Only the fields of a resource that `usableOf` and `isFor` look at are known here; the rest is kept as it is. */
const resources = z.array(z.looseObject({ name: z.string(), type: z.string() })) as unknown as z.ZodType<
  Resource[]
>;

const slavesAnswer = z.object({
  slaves: z.array(
    z.object({
      id: z.string(),
      hostname: z.string(),
      /** `slave(1)@10.0.0.1:5051`. */
      pid: z.string().optional(),
      version: z.string().optional(),
      active: z.boolean().optional(),
      deactivated: z.boolean().optional(),
      attributes: z.record(z.string(), z.unknown()).optional(),
      reserved_resources_full: z.record(z.string(), resources).optional(),
      unreserved_resources_full: resources,
      used_resources_full: resources.optional(),
    }),
  ),
});

const flagsAnswer = z.object({ flags: z.record(z.string(), z.unknown()) });

export interface MesosTask {
  readonly id: string;
  readonly agentId: string;
  readonly image: string | undefined;
  /** Those that it was told to have and those that it has. */
  readonly addresses: readonly string[];
}

export interface MesosFramework {
  readonly id: string;
  readonly name: string;
  readonly active: boolean;
  readonly roles: readonly string[];
  readonly principal: string | undefined;
  readonly tasks: readonly MesosTask[];
}

export interface MesosHost extends Place {
  readonly agentId: string;
  /** Of its Mesos agent's HTTP side. */
  readonly address: string | undefined;
  readonly version: string;
  /** Connected, and neither draining nor deactivated. */
  readonly offers: boolean;
  /** What a role's tasks could use if nobody used anything. */
  capacity(role: string): Needs;
  /** The same, without what tasks use now. */
  free(role: string): Needs;
}

export interface MasterState {
  readonly version: string;
  readonly frameworks: readonly MesosFramework[];
  readonly completedIds: ReadonlySet<string>;
  readonly hosts: readonly MesosHost[];
}

export interface MasterFlags {
  /** In protobuf's text format; undefined where there are none, or where another authorizer than Mesos' own decides. */
  readonly acls: string | undefined;
  readonly hasOwnAuthorizer: boolean;
  /** The roles that there may be; undefined where any may. */
  readonly roles: readonly string[] | undefined;
  readonly rootSubmissions: boolean;
}

/** @throws ZodError or SyntaxError for what no master says */
export function readState(state: string, slaves: string): MasterState {
  const { version, frameworks, completed_frameworks } = stateAnswer.parse(JSON.parse(state));
  return {
    version,
    frameworks: frameworks.map(({ id, name, active, role, roles, principal, tasks }) => ({
      id,
      name,
      active: active ?? true,
      roles: roles ?? (role === undefined ? [] : [role]),
      principal,
      tasks: (tasks ?? []).map(taskOf),
    })),
    completedIds: new Set((completed_frameworks ?? []).map(({ id }) => id)),
    hosts: slavesAnswer.parse(JSON.parse(slaves)).slaves.map(hostOf),
  };
}

function taskOf({ id, slave_id, container, statuses }: z.output<typeof task>): MesosTask {
  const told = (container?.docker?.parameters ?? []).filter(({ key }) => key === 'ip');
  const has = (statuses ?? []).flatMap((status) =>
    (status.container_status?.network_infos ?? []).flatMap(({ ip_addresses }) =>
      (ip_addresses ?? []).flatMap(({ ip_address }) => ip_address ?? []),
    ),
  );
  return {
    id,
    agentId: slave_id,
    image: container?.docker?.image,
    addresses: [...new Set([...told.map(({ value }) => value), ...has])],
  };
}

function hostOf(slave: z.output<typeof slavesAnswer>['slaves'][number]): MesosHost {
  const all = [
    ...slave.unreserved_resources_full,
    ...Object.values(slave.reserved_resources_full ?? {}).flat(),
  ];
  const capacity = (role: string) => usableOf(all.filter((resource) => isFor(role, resource)));
  return {
    agentId: slave.id,
    hostname: slave.hostname,
    address: slave.pid?.split('@')[1],
    version: slave.version ?? '',
    offers: (slave.active ?? true) && !(slave.deactivated ?? false),
    attributes: Object.fromEntries(
      Object.entries(slave.attributes ?? {}).map(([name, value]) => [name, String(value)]),
    ),
    capacity,
    free(role) {
      const has = capacity(role);
      const used = usableOf((slave.used_resources_full ?? []).filter((resource) => isFor(role, resource)));
      return {
        cpus: has.cpus - used.cpus,
        memMb: has.memMb - used.memMb,
        diskMb: has.diskMb - used.diskMb,
      };
    },
  };
}

/** @throws ZodError or SyntaxError for what no master says */
export function readMasterFlags(text: string): MasterFlags {
  const { flags } = flagsAnswer.parse(JSON.parse(text));
  const flag = (name: string) => (typeof flags[name] === 'string' ? flags[name] : undefined);
  const roles = flag('roles');
  return {
    acls: flag('acls'),
    hasOwnAuthorizer: (flag('authorizers') ?? 'local') === 'local',
    roles: roles?.split(',').map((role) => role.trim()),
    rootSubmissions: flag('root_submissions') !== 'false',
  };
}

/** A Mesos agent's flags, as texts. */
export function readFlags(text: string): ReadonlyMap<string, string> {
  const { flags } = flagsAnswer.parse(JSON.parse(text));
  return new Map(Object.entries(flags).map(([name, value]) => [name, String(value)]));
}
