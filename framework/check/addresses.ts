/** What is said of the nodes' addresses: who answers there, and who should. */
import { contractVersion } from '../../executor-image/contract.js';
import type { Settings } from '../config/settings.js';
import type { Finding } from './finding.js';
import type { MasterState, MesosFramework } from './master-state.js';
import type { AddressAnswer } from './observations.js';
import { runningNodes } from './ours.js';

export function judgeAddresses(
  { ips }: Pick<Settings, 'ips'>,
  answers: readonly AddressAnswer[],
  state: MasterState | undefined,
  ours: MesosFramework | undefined,
): Finding[] {
  const running = new Map(
    state === undefined ? [] : runningNodes(ours, state).map((each) => [each.node, each] as const),
  );
  const findings: Finding[] = [];
  const free: string[] = [];
  const well: string[] = [];
  const serving: string[] = [];
  const outOfReach: string[] = [];
  for (const [node, address] of ips.entries()) {
    const answer = answers[node] ?? { kind: 'silent' };
    const task = running.get(node)?.task;
    const foreign = state && foreignTaskAt(address, state, ours);
    if (foreign !== undefined) {
      findings.push(takenByTask(address, foreign));
    } else if (task !== undefined) {
      if (answer.kind === 'silent') outOfReach.push(address);
      else if (answer.kind === 'node') {
        const finding = judgeNode(address, task.id, answer);
        if (answer.isServing) serving.push(address);
        if (finding === undefined) well.push(address);
        else findings.push(finding);
      } else {
        findings.push({
          subject: `node ${address}`,
          verdict: 'warning',
          says: `task ${task.id} runs, but its node agent does not answer`,
          cure: 'it may be starting; look again, then at its stderr in the sandbox',
        });
      }
    } else if (answer.kind === 'silent') free.push(address);
    else findings.push(taken(address, answer, state !== undefined));
  }
  if (well.length > 0) {
    const notebook = serving.length === 0 ? '' : `; Jupyter answers at ${serving.join(', ')}`;
    findings.push({
      subject: 'nodes',
      verdict: 'ok',
      says: `reached from here, and ready: ${well.join(', ')}${notebook}`,
    });
  }
  if (outOfReach.length > 0) {
    findings.push({
      subject: 'nodes',
      verdict: 'warning',
      says: `running, but not reached from here: ${outOfReach.join(', ')}`,
      cure: 'failover works without; for hand-over, status and proxy let hosts into the network (with Calico by its profile: docs/hosts.md)',
    });
  }
  if (free.length > 0) {
    findings.push({ subject: 'addresses', verdict: 'ok', says: `nothing answers at ${free.join(', ')}` });
  }
  return findings;
}

interface ForeignTask {
  readonly taskId: string;
  readonly framework: MesosFramework;
}

function foreignTaskAt(
  address: string,
  { frameworks }: MasterState,
  ours: MesosFramework | undefined,
): ForeignTask | undefined {
  for (const framework of frameworks) {
    if (framework.id === ours?.id) continue;
    const task = framework.tasks.find(({ addresses }) => addresses.includes(address));
    if (task !== undefined) return { taskId: task.id, framework };
  }
  return undefined;
}

function takenByTask(address: string, { taskId, framework }: ForeignTask): Finding {
  return {
    subject: `address ${address}`,
    verdict: 'wrong',
    says: `task ${taskId} of framework "${framework.name}" (${framework.id}) has it`,
    cure: 'choose other --ips; if that framework was meant, give the --state-file or --store that it runs with',
  };
}

function taken(
  address: string,
  answer: Exclude<AddressAnswer, { kind: 'silent' }>,
  isStateKnown: boolean,
): Finding {
  const subject = `address ${address}`;
  const who =
    answer.kind === 'node' ? `the node agent of task ${answer.taskId}` : `somebody (port ${answer.port})`;
  if (!isStateKnown) {
    return {
      subject,
      verdict: 'unknown',
      says: `${who} answers there; whose it is cannot be told without the master`,
    };
  }
  if (answer.kind === 'other' && answer.isByDefaultRoute) {
    return {
      subject,
      verdict: 'unknown',
      says: `${who} answers there, which may be a gateway on the way: this machine has no route of its own to it`,
      cure: 'run the check on one of the hosts',
    };
  }
  return {
    subject,
    verdict: 'wrong',
    says: `${who} answers there, which is no task of this framework`,
    cure:
      answer.kind === 'node'
        ? 'give the --state-file or --store that it runs with; if it is left over, end its container with docker stop on its host'
        : 'choose other --ips, or free the address',
  };
}

/** Undefined for a node that is well. */
function judgeNode(
  address: string,
  expected: string,
  answer: Extract<AddressAnswer, { kind: 'node' }>,
): Finding | undefined {
  const subject = `node ${address}`;
  if (answer.contractVersion !== contractVersion) {
    return {
      subject,
      verdict: 'wrong',
      says: `its image speaks version ${answer.contractVersion ?? 'unknown'} of the contract, this release ${contractVersion}`,
      cure: 'use an image and a scheduler of one release',
    };
  }
  if (answer.taskId !== expected) {
    return {
      subject,
      verdict: 'warning',
      says: `task ${answer.taskId} answers there, while Mesos runs ${expected}`,
      cure: 'a container that outlived its task: end it with docker stop on its host',
    };
  }
  return answer.ready
    ? undefined
    : { subject, verdict: 'warning', says: `not ready: ${answer.reason}`, cure: 'look again in a minute' };
}
