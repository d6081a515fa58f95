/** A scheduler's status in lines for people. */
import { tableLines } from '../table.js';
import type { NodeStatus, SchedulerStatus } from './status.js';

/** A heading, a table of the nodes, a line for each reason that matters, warnings, and hosts that did not fit. */
export function statusLines(status: SchedulerStatus): string[] {
  const { frameworkName, frameworkId, reason, generation, nodes, warnings, misfits, healthy } = status;
  const id = frameworkId === null ? '' : ` (framework ${frameworkId})`;
  const founding = generation === null ? '' : `, generation ${generation}`;
  return [
    `${frameworkName}: ${reason}${id}${founding}`,
    ...(healthy ? [] : ['The scheduler is not well: see /healthz.']),
    ...(nodes.length === 0
      ? []
      : [
          '',
          ...tableLines(
            columns,
            nodes.map((node) => cells(node, status.time)),
          ),
        ]),
    ...section(
      '',
      nodes
        .filter((node) => node.state !== 'TASK_RUNNING' && node.reason !== node.state)
        .map(({ number, reason: why }) => `node ${number}: ${why}`),
    ),
    ...section('Warnings:', warnings),
    ...section(
      'Offers that did not fit:',
      misfits.map(
        ({ host, unmet, at }) => `${host} does not meet ${unmet.join(', ')} (${ago(at, status.time)} ago)`,
      ),
    ),
  ];
}

const columns = ['node', 'address', 'host', 'state', 'for', 'task'] as const;

function cells(node: NodeStatus, time: string): string[] {
  return [
    `node ${node.number}`,
    node.address,
    node.host ?? '-',
    node.state,
    ago(node.since, time),
    node.task ?? '-',
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return ['', ...(title === '' ? [] : [title]), ...lines.map((line) => (title === '' ? line : `  ${line}`))];
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
