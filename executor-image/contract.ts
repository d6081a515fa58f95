/** What the scheduler and the node agent agree on: environment, HTTP answers, exit codes, paths. `docs/contract.md` is its page. */

import { leaseTtlTrouble } from './lease-times.js';

/** Raised when either side could misread the other. A node agent refuses an environment of another version. */
export const contractVersion = 5;

/** Where things are inside a container. The shared volume is mounted at `shared`. */
export const containerPaths = {
  /** Mount point of the shared volume. */
  shared: '/root/sharedfiles',
  /** The trusted directory, mode 0700, outside what Jupyter serves: the cluster's root of trust. */
  trusted: '/root/sharedfiles/.mesos-jupyter',
  /** What Jupyter serves: people's notebooks and files. */
  notebooks: '/root/sharedfiles/notebooks',
} as const;

/** The name in the trusted directory of a generation's file, which holds its founders' task ids, one a line. */
export function generationFileName(generation: number): string {
  return `generation-${generation}`;
}

/** The generation whose file `name` is; undefined for any other name. */
export function generationOfFileName(name: string): number | undefined {
  const digits = /^generation-([1-9]\d{0,15})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The notebook token's file within the trusted directory; made once for the cluster, it outlives failovers. */
export const tokenFileName = 'notebook-token';

/** The file within the trusted directory that holds the cluster's CA: its private key, then its certificate, in PEM. */
export const authorityFileName = 'cluster-ca.pem';

/** The name under which a node is always found: `node0…` shift when one dies, this does not. Also its host name. */
export function stableName(node: number): string {
  return `jupyter-${node}`;
}

/** TCP ports in a container. Each container has an address of its own, so they are the same in all of them. */
export const ports = {
  ssh: 22,
  etcdClient: 2379,
  etcdPeer: 2380,
  /** Jupyter, on the holder only. */
  notebook: 8888,
  /** The node agent's HTTP: `/livez`, `/readyz`, `/status`. */
  nodeAgent: 8889,
  /** The node agent's control calls, by mutual TLS. */
  control: 8890,
} as const;

/**
 * How a node agent ends by itself. Chosen apart from 0, 1, 2, 125 to 127 and 255 (Docker's and shells' own) and from
 * 128 to 165 (signals), so that a "Container exited with status N" with one of these proves that our program ended.
 */
export const exitCodes = {
  /** The environment is not one that this node agent understands: missing or malformed. */
  badEnvironment: 64,
  /** None of the container's addresses is the one that its node should have. */
  addressNotMine: 65,
  /** The shared volume is not there, not of the type that it must be of, or cannot be written to. */
  volumeUnusable: 66,
  /** A program that a node cannot do without could not be started again and again. */
  dutyFailed: 67,
  /** The node is no voter and found no quorum to join for 30 s: only the scheduler can found anew. */
  noQuorum: 68,
  /** A newer task of the same node is a member of the cluster: this one came back from the dead. */
  superseded: 69,
  /** The node agent itself failed: a defect. Its log says where. */
  internalError: 70,
  /** Another founding has this generation's number, or a higher one: the scheduler goes on to a number that is free. */
  numberTaken: 71,
  /** A higher generation's file appeared on the volume: this generation is past. */
  generationPast: 72,
  /** Nobody watches the container any more: its executor's health checks have ended. Its successor needs its address. */
  orphan: 73,
  /** The shared volume's mount is dead in this container, and only a new one sees the host's new mount. */
  mountDead: 74,
  /** The scheduler speaks another version of the contract: it and the image are not of one release. */
  otherContract: 75,
} as const;

export type ExitCodeName = keyof typeof exitCodes;

/** The name of one of our exit codes, or undefined for any other status. */
export function exitCodeName(status: number): ExitCodeName | undefined {
  for (const [name, code] of Object.entries(exitCodes)) if (code === status) return name as ExitCodeName;
  return undefined;
}

/** What a container is told. It shows in `docker run`'s process and in `docker inspect`, so it carries no secret. */
export interface TaskEnvironment {
  /** This node's number, 0 to N-1. */
  node: number;
  /** IPv4 addresses of all nodes, by number. */
  addresses: readonly string[];
  /** This task's Mesos id. */
  taskId: string;
  /** Grows with every task of the node. */
  incarnation: number;
  /** The founding of the etcd cluster that this task belongs to. */
  generation: number;
  /** Task ids of the generation's founders, by node: a task that is among them starts etcd `new`, any other joins. */
  founders: readonly string[];
  /**
   * For a founder: tasks that may be alive and are of no use to this generation (task ids, or `unknownTasks`). While there are
   * any, nobody takes the notebook before they must have seen this generation on the volume, or have stopped.
   */
  unproven: readonly string[];
  /** URL path under which Jupyter serves, with a slash at both ends. */
  basePath: string;
  /** TTL of the heartbeat's and the notebook key's leases, in seconds. */
  leaseTtlS: number;
  /** How old the holder's last look at the volume may be, in seconds. The same for all tasks that share a volume. */
  lookLimitS: number;
  /** File system type that the shared volume must be of, as /proc/self/mountinfo calls it; empty for any. */
  volumeType: string;
  /** Whether a node that does not hold the notebook keeps a JupyterLab imported, so as to be quick when it does. */
  warmStandby: boolean;
  /** The task's share of CPUs; kernels' thread pools are set to it. */
  cpus: number;
  /** Whether the task has a health check, so that its absence means that nobody watches the container any more. */
  healthChecks: boolean;
  /** Fingerprint of the scheduler's public key (`fingerprintOf`): control calls are taken from it alone. */
  schedulerKey: string;
  /** winston's level for the node agent's log. */
  logLevel: string;
}

/** Stands among the unproven for tasks that the scheduler's record does not name: it was lost, or put back from a copy. */
export const unknownTasks = 'unknown';

const variables = {
  version: 'MJ_CONTRACT_VERSION',
  node: 'MJ_NODE',
  addresses: 'MJ_ADDRESSES',
  taskId: 'MJ_TASK_ID',
  incarnation: 'MJ_INCARNATION',
  generation: 'MJ_GENERATION',
  founders: 'MJ_FOUNDERS',
  unproven: 'MJ_UNPROVEN',
  basePath: 'MJ_BASE_PATH',
  leaseTtlS: 'MJ_LEASE_TTL_S',
  lookLimitS: 'MJ_LOOK_LIMIT_S',
  volumeType: 'MJ_VOLUME_TYPE',
  warmStandby: 'MJ_WARM_STANDBY',
  cpus: 'MJ_CPUS',
  healthChecks: 'MJ_HEALTH_CHECKS',
  schedulerKey: 'MJ_SCHEDULER_KEY',
  logLevel: 'MJ_LOG_LEVEL',
} as const;

/** The environment variables that carry `task`. */
export function writeTaskEnvironment(task: TaskEnvironment): Record<string, string> {
  return {
    [variables.version]: String(contractVersion),
    [variables.node]: String(task.node),
    [variables.addresses]: task.addresses.join(','),
    [variables.taskId]: task.taskId,
    [variables.incarnation]: String(task.incarnation),
    [variables.generation]: String(task.generation),
    [variables.founders]: task.founders.join(','),
    [variables.unproven]: task.unproven.join(','),
    [variables.basePath]: task.basePath,
    [variables.leaseTtlS]: String(task.leaseTtlS),
    [variables.lookLimitS]: String(task.lookLimitS),
    [variables.volumeType]: task.volumeType,
    [variables.warmStandby]: task.warmStandby ? 'on' : 'off',
    [variables.cpus]: String(task.cpus),
    [variables.healthChecks]: task.healthChecks ? 'due' : 'none',
    [variables.schedulerKey]: task.schedulerKey,
    [variables.logLevel]: task.logLevel,
  };
}

/** Says which variable is wrong and why; the node agent prints it and ends with `code`. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';

  constructor(
    message: string,
    readonly code: 'badEnvironment' | 'otherContract' = 'badEnvironment',
  ) {
    super(message);
  }
}

/**
 * Reads what `writeTaskEnvironment` wrote.
 * @throws EnvironmentError on another contract version and on anything missing or malformed.
 */
export function readTaskEnvironment(env: Readonly<Record<string, string | undefined>>): TaskEnvironment {
  const notSet = (name: string) =>
    new EnvironmentError(`${name} is not set: this image is started by the mesos-jupyter scheduler`);
  const textOrEmpty = (name: string): string => {
    const value = env[name];
    if (value === undefined) throw notSet(name);
    return value;
  };
  const text = (name: string): string => {
    const value = textOrEmpty(name);
    if (value === '') throw notSet(name);
    return value;
  };
  const number = (name: string, least: number): number => {
    const value = Number(text(name));
    if (!Number.isFinite(value) || value < least) {
      throw new EnvironmentError(`${name} is "${env[name]}", not a number of at least ${least}`);
    }
    return value;
  };
  const integer = (name: string, least: number): number => {
    const value = number(name, least);
    if (!Number.isSafeInteger(value))
      throw new EnvironmentError(`${name} is "${env[name]}", not a whole number`);
    return value;
  };
  const onOrOff = (name: string): boolean => {
    const value = text(name);
    if (value !== 'on' && value !== 'off') throw new EnvironmentError(`${name} is "${value}", not on or off`);
    return value === 'on';
  };
  const version = integer(variables.version, 1);
  if (version !== contractVersion) {
    throw new EnvironmentError(
      `the scheduler speaks contract version ${version}, this image ${contractVersion}: use an image and a scheduler of one release`,
      'otherContract',
    );
  }
  const addresses = text(variables.addresses).split(',');
  const founders = text(variables.founders).split(',');
  for (const address of addresses) {
    if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) {
      throw new EnvironmentError(`${variables.addresses} holds "${address}", which is no IPv4 address`);
    }
  }
  const node = integer(variables.node, 0);
  if (node >= addresses.length) {
    throw new EnvironmentError(`${variables.node} is ${node}, but there are ${addresses.length} addresses`);
  }
  if (founders.length !== addresses.length) {
    throw new EnvironmentError(
      `${variables.founders} names ${founders.length} tasks for ${addresses.length} addresses`,
    );
  }
  // Empty is a word, too: that nothing is unproven, that any type will do. Absent is none.
  const unproven = textOrEmpty(variables.unproven);
  const leaseTtlS = integer(variables.leaseTtlS, 1);
  const trouble = leaseTtlTrouble(leaseTtlS);
  if (trouble !== undefined)
    throw new EnvironmentError(`${variables.leaseTtlS} is ${leaseTtlS}: it ${trouble}`);
  const basePath = text(variables.basePath);
  if (!/^\/(.*\/)?$/.test(basePath)) {
    throw new EnvironmentError(`${variables.basePath} is "${basePath}", which has not a slash at both ends`);
  }
  const healthChecks = text(variables.healthChecks);
  if (healthChecks !== 'due' && healthChecks !== 'none') {
    throw new EnvironmentError(`${variables.healthChecks} is "${healthChecks}", not due or none`);
  }
  const schedulerKey = text(variables.schedulerKey);
  if (!/^SHA256:[A-Za-z0-9+/]{43}=$/.test(schedulerKey)) {
    throw new EnvironmentError(
      `${variables.schedulerKey} is "${schedulerKey}", which is no key's fingerprint`,
    );
  }
  return {
    node,
    addresses,
    taskId: text(variables.taskId),
    incarnation: integer(variables.incarnation, 1),
    generation: integer(variables.generation, 1),
    founders,
    unproven: unproven.split(',').filter((id) => id !== ''),
    basePath,
    leaseTtlS,
    lookLimitS: number(variables.lookLimitS, 1),
    volumeType: textOrEmpty(variables.volumeType),
    warmStandby: onOrOff(variables.warmStandby),
    cpus: number(variables.cpus, 0),
    healthChecks: healthChecks === 'due',
    schedulerKey,
    logLevel: text(variables.logLevel),
  };
}

/** What `GET /status` of a node agent answers, as JSON. */
export interface NodeStatus {
  contractVersion: number;
  node: number;
  address: string;
  taskId: string;
  incarnation: number;
  generation: number;
  /** The host's `/proc/sys/kernel/random/boot_id`: another one on the same host proves that what ran before is gone. */
  bootId: string;
  /** Seconds since the node agent started. */
  uptimeS: number;
  /** Whether the node serves its purpose: a voter of a cluster with a leader, heard by its heartbeat. What `/readyz` says. */
  ready: boolean;
  /** One sentence: what the node waits for, or that all is well. */
  reason: string;
  /** One sentence, when the node is to leave: why, and what it waits for. */
  leaving?: string;
  etcd: {
    /** `none` while etcd does not answer or has no leader. */
    role: 'none' | 'learner' | 'follower' | 'leader';
    /** Hexadecimal, as etcdctl prints it. */
    memberId?: string;
    /** Why it was started as it was: as a founder, from its log, by joining. */
    start?: 'founder' | 'log' | 'join';
    /** One sentence: why the member is as it is. */
    reason?: string;
    /** For how many seconds it has been in this role, on the node's own boot clock. */
    forS?: number;
    /** The last entry of the raft log that the member has; those of voters differ by what is under way. */
    raftIndex?: number;
  };
  notebook: {
    /** Task that holds the notebook key, if any does. */
    holderTaskId?: string;
    /** Jupyter's state in this container. */
    state: 'stopped' | 'starting' | 'serving' | 'frozen' | 'stopping';
  };
  volume: {
    /** Age of the last look at the shared volume that saw this generation's file, in seconds; absent before the first. */
    lookAgeS?: number;
    /** Whether it is young enough for Jupyter to run here. */
    fresh: boolean;
    /** What the last look came upon, when it failed. */
    trouble?: string;
  };
  /** Whether no task of an earlier generation can run Jupyter any more; absent until etcd has answered. */
  fenced?: boolean;
  /** Whether the operator has the cluster paused, as etcd says; absent while it does not answer. */
  paused?: boolean;
  /** Addresses with a live heartbeat, in order: what `/etc/hosts` lists as node0…. */
  live: string[];
  /** Control calls since the node agent started. */
  control: {
    taken: number;
    refused: Readonly<Record<Refusal, number>>;
  };
}

/**
 * Why a control call is refused: another key than the scheduler's, or none; meant for another task; none of the calls that
 * there are; no TLS at all, or TLS that failed.
 */
export const refusals = ['wrongKey', 'wrongTask', 'malformed', 'noTls'] as const;
export type Refusal = (typeof refusals)[number];

/** Where control calls are sent, by POST. */
export const controlPath = '/control';

/** A control call: JSON. Each names the task that it is for, so that none reaches another incarnation at the same address. */
export type ControlCall =
  /** Asks for nothing: the scheduler gets to know the cluster's CA, and whether it is heard. */
  | { readonly call: 'hello'; readonly taskId: string }
  /** The leases of a task that is proven dead are to end now (heartbeat and notebook key). */
  | { readonly call: 'revokeLeases'; readonly taskId: string; readonly deadTaskId: string }
  /** The notebook is to go to another node: to `to`, or to the best one. Refused where it is not held, or nobody can take it. */
  | { readonly call: 'handOver'; readonly taskId: string; readonly to?: number }
  /** The operator has paused the cluster: Jupyter stays where it is, or away. `since` is ISO 8601. */
  | { readonly call: 'pause'; readonly taskId: string; readonly since: string; readonly reason?: string }
  /** The pause is over. */
  | { readonly call: 'resume'; readonly taskId: string };

/** Undefined for anything that is no control call. */
export function readControlCall(text: string): ControlCall | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { call, taskId, deadTaskId, to, since, reason } = value as Record<string, unknown>;
  if (typeof taskId !== 'string') return undefined;
  if (call === 'hello' || call === 'resume') return { call, taskId };
  if (call === 'revokeLeases' && typeof deadTaskId === 'string' && deadTaskId !== '') {
    return { call, taskId, deadTaskId };
  }
  if (call === 'handOver' && to === undefined) return { call, taskId };
  if (call === 'handOver' && typeof to === 'number') return { call, taskId, to };
  if (call === 'pause' && typeof since === 'string') {
    if (reason === undefined) return { call, taskId, since };
    if (typeof reason === 'string') return { call, taskId, since, reason };
  }
  return undefined;
}
