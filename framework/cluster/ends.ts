/** How tasks end: which states are an end, what an end says, and whether it proves that the container is gone. */
import {
  contractVersion,
  type ExitCodeName,
  exitCodeName,
  exitCodes,
} from '../../executor-image/contract.js';
import type { StatusUpdate, TaskRecord, TaskState } from './model.js';

/** What a task state means for the node. */
export type Meaning = 'starting' | 'running' | 'killing' | 'unreachable' | 'ended';

export function meaningOf(state: TaskState): Meaning {
  switch (state) {
    case 'TASK_STAGING':
    case 'TASK_STARTING':
      return 'starting';
    case 'TASK_RUNNING':
      return 'running';
    case 'TASK_KILLING':
      return 'killing';
    case 'TASK_UNREACHABLE':
      return 'unreachable';
    // TASK_UNKNOWN is no end by itself: the master knows nothing of the task. It is treated as one that proves nothing,
    // and should the task come back, it is killed as one that the store does not know.
    case 'TASK_UNKNOWN':
    case 'TASK_FINISHED':
    case 'TASK_FAILED':
    case 'TASK_KILLED':
    case 'TASK_ERROR':
    case 'TASK_LOST':
    case 'TASK_DROPPED':
    case 'TASK_GONE':
    case 'TASK_GONE_BY_OPERATOR':
      return 'ended';
  }
}

/** The status with which the container's own main process ended, as Mesos' Docker executor words it. */
export function exitStatusOf(update: StatusUpdate): number | undefined {
  if (update.source !== 'SOURCE_EXECUTOR') return undefined;
  const match = /Container exited with status (\d+)/.exec(update.message ?? '');
  return match === null ? undefined : Number(match[1]);
}

/** 128 + a signal's number; 165 is the last real-time signal's half that shells report (DESIGN, proven dead). */
const isSignalStatus = (status: number): boolean => status >= 128 && status <= 165;

/**
 * Whether this end proves that the task's container is gone (DESIGN, proven dead). Status 1, 2, 125 to 127 and 255 may be
 * the `docker run` client's own, and "terminated with signal" always is.
 */
export function provesDeath(update: StatusUpdate, task: TaskRecord): boolean {
  if (update.state === 'TASK_GONE_BY_OPERATOR') return true;
  if (update.state === 'TASK_ERROR' || update.state === 'TASK_DROPPED') {
    return update.source === 'SOURCE_MASTER' && !task.seenAlive;
  }
  const status = exitStatusOf(update);
  return (
    status !== undefined && (status === 0 || isSignalStatus(status) || exitCodeName(status) !== undefined)
  );
}

/** Docker's own statuses: `docker run` refused, and why stands in the task's `stderr` alone. */
export function isRefusalOfDocker(update: StatusUpdate): boolean {
  const status = exitStatusOf(update);
  return status !== undefined && status >= 125 && status <= 127;
}

/** Whether the node agent ended because it found no quorum to join. */
export function saysNoQuorum(update: StatusUpdate): boolean {
  return exitStatusOf(update) === exitCodes.noQuorum;
}

/** Whether the node agent ended because the volume shows another founding of its generation's number, or a higher one. */
export function saysGenerationIsPast(update: StatusUpdate): boolean {
  const status = exitStatusOf(update);
  return status === exitCodes.numberTaken || status === exitCodes.generationPast;
}

/** Whether the node agent found a newer incarnation of its node in the cluster. */
export function saysSuperseded(update: StatusUpdate): boolean {
  return exitStatusOf(update) === exitCodes.superseded;
}

/** The end in a few words, with Mesos' own message where there is one. */
export function describeEnd(update: StatusUpdate): string {
  const status = exitStatusOf(update);
  const name = status === undefined ? undefined : exitCodeName(status);
  const parts = [update.message?.trim(), update.reason].filter((part) => part !== undefined && part !== '');
  if (update.state === 'TASK_KILLED' && update.healthy === false) parts.unshift('health check failed');
  if (name !== undefined) parts.push(`node agent says ${name}${remark(name)}`);
  return parts.length === 0 ? update.state : `${update.state} (${parts.join(', ')})`;
}

/** What an exit code means to an operator, where no relaunch mends it. */
function remark(name: ExitCodeName): string {
  const ours = `this scheduler speaks version ${contractVersion} of the contract`;
  switch (name) {
    case 'otherContract':
      return `: image and scheduler are not of one release, and ${ours}; set the image to that of its release`;
    case 'badEnvironment':
      // An image of before version 4 has no other word for another version.
      return `: the image does not understand the task's environment, most likely since it is not of this scheduler's release; ${ours}`;
    default:
      return '';
  }
}
