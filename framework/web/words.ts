/** A scheduler's status in lines for people. */
import { stripVTControlCharacters } from 'node:util';
import { tableLines } from '../table.js';
import type { MemberStatus, NodeStatus, SchedulerStatus } from './status.js';

/** A heading, a table of the nodes, a line for each reason that matters, warnings, and hosts that did not fit. */
export function statusLines(status: SchedulerStatus): string[] {
  const { frameworkName, frameworkId, reason, generation, time, nodes, warnings, misfits, healthy } = status;
  const id = frameworkId === null ? '' : ` (framework ${frameworkId})`;
  const founding = generation === null ? '' : `, generation ${generation}`;
  const rows = nodes.map((node) => cells(node, time));
  const reasons = nodes.filter((node) => node.state !== 'TASK_RUNNING' && node.reason !== node.state);
  const unfit = misfits.map(
    ({ host, unmet, at }) => `  ${host} does not meet ${unmet.join(', ')} (${ago(at, time)} ago)`,
  );
  const parts = [
    [`${frameworkName}: ${reason}${id}${founding}`],
    pauseLines(status),
    healthy ? [] : ['The scheduler is not well: "mesos-jupyter status --health" says why.'],
    rows.length === 0 ? [] : tableLines(columns, rows),
    reasons.map((node) => `node ${node.number}: ${node.reason}`),
    titled(
      'Warnings:',
      warnings.map((warning) => `  ${warning}`),
    ),
    titled('Offers that did not fit:', unfit),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]))
    .map(printable);
}

/** What is frozen, and where that is not known yet. */
function pauseLines({ paused, nodes, time }: SchedulerStatus): string[] {
  const running = nodes.filter(({ state }) => state === 'TASK_RUNNING');
  const numbers = (of: readonly NodeStatus[]): string => of.map(({ number }) => number).join(', ');
  if (paused === null) {
    const still = running.filter((node) => node.paused === true);
    return still.length === 0
      ? []
      : [`Node ${numbers(still)} still takes the cluster for paused: told again as soon as it is reached.`];
  }
  const untold = running.filter((node) => node.paused !== true);
  const why = paused.reason === null ? '' : ` (${paused.reason})`;
  return [
    `Paused for ${ago(paused.since, time)}${why}: nothing is launched or killed, and Jupyter stays where it is. "mesos-jupyter resume" ends it.`,
    ...(untold.length === 0
      ? []
      : [
          `Node ${numbers(untold)} has not been heard to know of it: there Jupyter may move by itself until it is reached.`,
        ]),
  ];
}

const titled = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [title, ...lines];

/** Reasons may quote what a container wrote, which may be what moves a terminal's cursor. */
const printable = (line: string): string => stripVTControlCharacters(line).replace(/\p{Cc}/gu, ' ');

const columns = ['node', 'address', 'host', 'state', 'for', 'etcd', 'task'] as const;

function cells(node: NodeStatus, time: string): string[] {
  return [
    `node ${node.number}`,
    node.address,
    node.host ?? '-',
    node.state,
    ago(node.since, time),
    memberCell(node.member, time),
    node.task ?? '-',
  ];
}

/** Nodes are asked every 5 s: one that was not heard for some of those may have become another thing since. */
const oldAfterMs = 15_000;

function memberCell(member: MemberStatus | null, time: string): string {
  if (member === null) return '-';
  const isOld = Date.parse(time) - Date.parse(member.heardAt) > oldAfterMs;
  return isOld ? `${member.role} (${ago(member.heardAt, time)} ago)` : member.role;
}

/** In the largest unit that says enough. */
function ago(then: string, now: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(then)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}
