/** The flags of Mesos agents that Docker tasks depend on, and what to say of them. */
import type { Finding } from './finding.js';
import type { Seen } from './observations.js';

export interface ExecutorFlags {
  readonly containerizers: readonly string[];
  /** How long the pull of an image may take; in seconds. Undefined where it could not be read. */
  readonly registrationTimeoutS: number | undefined;
}

/** A pull that takes longer fails the task (FACTS, Docker containerizer 6); the image is some 400 MB. */
const patientPullS = 300;

const unitsS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  ms: 1e-3,
  secs: 1,
  mins: 60,
  hrs: 3600,
  days: 86_400,
  weeks: 604_800,
};

export function executorFlagsOf(flags: ReadonlyMap<string, string>): ExecutorFlags {
  const [, number, unit] = /^([\d.]+)([a-z]+)$/.exec(flags.get('executor_registration_timeout') ?? '') ?? [];
  const seconds = Number(number) * (unitsS[unit ?? ''] ?? Number.NaN);
  return {
    // A Mesos agent's own default is its other containerizer.
    containerizers: (flags.get('containerizers') ?? 'mesos').split(',').map((name) => name.trim()),
    registrationTimeoutS: Number.isFinite(seconds) ? seconds : undefined,
  };
}

export function judgeAgents(agents: ReadonlyMap<string, Seen<ExecutorFlags>>): Finding[] {
  const subject = 'Mesos agents';
  const seen = [...agents].flatMap(([host, flags]) =>
    flags.kind === 'seen' ? [{ host, ...flags.value }] : [],
  );
  const unseen = [...agents].flatMap(([host, flags]) =>
    flags.kind === 'unseen' ? [`${host} (${flags.why})`] : [],
  );
  const noDocker = seen.filter(({ containerizers }) => !containerizers.includes('docker'));
  const hasty = seen.filter(
    ({ registrationTimeoutS }) => (registrationTimeoutS ?? patientPullS) < patientPullS,
  );
  const names = (hosts: readonly { readonly host: string }[]) => hosts.map(({ host }) => host).join(', ');
  const findings: Finding[] = [];
  if (noDocker.length > 0) {
    findings.push({
      subject,
      verdict: 'wrong',
      says: `${names(noDocker)}: no Docker tasks are run there`,
      cure: 'start the Mesos agent with --containerizers=docker,mesos',
    });
  }
  if (hasty.length > 0) {
    const times = [...new Set(hasty.map(({ registrationTimeoutS }) => `${registrationTimeoutS} s`))];
    findings.push({
      subject,
      verdict: 'warning',
      says: `${names(hasty)}: a task whose image is not pulled within ${times.join(', ')} fails`,
      cure: 'pull or load the image there first, or start the Mesos agent with --executor_registration_timeout=10mins',
    });
  }
  if (unseen.length > 0) {
    findings.push({
      subject,
      verdict: 'unknown',
      says: `their flags could not be asked for at ${unseen.join(', ')}`,
    });
  }
  if (findings.length === 0 && seen.length > 0) {
    findings.push({ subject, verdict: 'ok', says: `Docker tasks are run on ${names(seen)}` });
  }
  return findings;
}
