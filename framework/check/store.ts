/** What is said of the store, and of the framework that it names. */
import type { ClusterRecord } from '../cluster/model.js';
import type { Settings } from '../config/settings.js';
import type { Finding } from './finding.js';
import type { MasterState } from './master-state.js';
import type { Observations } from './observations.js';

export function judgeStore(
  { ips, store: url }: Pick<Settings, 'ips' | 'store'>,
  store: Observations['store'],
): Finding {
  const subject = 'store';
  if ('trouble' in store) {
    return {
      subject,
      verdict: 'wrong',
      says: store.trouble,
      cure: `docs/errors.md says more of ${store.code}`,
    };
  }
  const { place, record, holder } = store;
  if (record !== undefined && record.addresses.join() !== ips.join()) {
    return {
      subject,
      verdict: 'wrong',
      says: `${place} is that of a cluster with the addresses ${record.addresses.join(', ')}`,
      cure: 'give those as --ips, tear that cluster down first, or use another --state-file (of --store: another prefix)',
    };
  }
  if (holder === undefined) {
    const what =
      record?.frameworkId === undefined ? 'of no framework yet' : `of framework ${record.frameworkId}`;
    return { subject, verdict: 'ok', says: `${place} is writable, ${what}, and no scheduler works with it` };
  }
  return url === undefined
    ? {
        subject,
        verdict: 'warning',
        says: `${place}: another scheduler (${holder}) works with it, and a second one would end with STATE_LOCKED`,
        cure: 'nothing, if that one is meant',
      }
    : {
        subject,
        verdict: 'ok',
        says: `${place}: another scheduler (${holder}) works with it, and a second one would stand by`,
      };
}

/** Whether the master still knows the framework of the store, and whether it knows another of the same name. */
export function judgeFramework(
  { frameworkName }: Pick<Settings, 'frameworkName'>,
  record: ClusterRecord | undefined,
  { frameworks, completedIds }: MasterState,
): Finding[] {
  const subject = 'framework';
  const id = record?.frameworkId;
  const findings: Finding[] = [];
  if (id !== undefined && completedIds.has(id)) {
    findings.push({
      subject,
      verdict: 'warning',
      says: `${id}, which the store names, was removed by Mesos: it was torn down, or its failover timeout has passed`,
      cure: 'nothing: "run" registers a new one. Kept notebooks are in the shared directory',
    });
  }
  for (const other of frameworks.filter((each) => each.name === frameworkName && each.id !== id)) {
    findings.push({
      subject,
      verdict: 'warning',
      says: `another framework of the name "${frameworkName}" is registered: ${other.id}, with ${other.tasks.length} tasks`,
      cure: 'give the --state-file or --store that it runs with, or another --framework-name',
    });
  }
  return findings;
}
