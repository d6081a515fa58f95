/** Whether the nodes find their places on the hosts as they are now, by the scheduler's own choice of hosts. */
import type { Place } from '../cluster/constraints.js';
import { bestHost, type Host, whyNone, without } from '../cluster/placement.js';
import type { Settings } from '../config/settings.js';
import { needsOf } from '../mesos/task-info.js';
import type { Finding } from './finding.js';
import type { MasterState, MesosFramework, MesosHost } from './master-state.js';
import type { Seen } from './observations.js';
import { runningNodes } from './ours.js';

type NodeSettings = Pick<Settings, 'ips' | 'cpus' | 'memMb' | 'diskMb' | 'constraints' | 'role'>;

export function judgePlacement(
  settings: NodeSettings,
  state: Seen<MasterState>,
  ours: MesosFramework | undefined,
): Finding[] {
  if (state.kind === 'unseen') {
    return [
      {
        subject: 'hosts',
        verdict: 'unknown',
        says: `the master's /state and /slaves cannot be read: ${state.why}`,
      },
    ];
  }
  const { hosts } = state.value;
  if (hosts.length === 0) {
    return [
      {
        subject: 'hosts',
        verdict: 'wrong',
        says: 'the master shows no Mesos agent',
        cure: 'start them with the --master of these masters; where there are some, let the ACLs (view_roles) show them to this principal',
      },
    ];
  }
  const away = hosts.filter(({ offers }) => !offers).map(({ hostname }) => hostname);
  const aside =
    away.length === 0 ? '' : `; ${away.join(', ')} offer nothing (disconnected, draining or deactivated)`;
  const n = settings.ips.length;
  const { placed, why } = placeNodes(settings, state.value, ours);
  if (placed.length < n) {
    return [
      {
        subject: 'hosts',
        verdict: 'wrong',
        says: `only ${placed.length} of ${n} nodes find a place (${spread(placed)}); for the next, ${why}${aside}`,
        cure: 'free resources of the hosts or add some, lower --cpus or --mem-mb, or loosen --constraints',
      },
    ];
  }
  const says = `all ${n} nodes find a place: ${spread(placed)}${aside}`;
  return [{ subject: 'hosts', verdict: 'ok', says }, judgeLoss(placed)];
}

/** A quorum is a majority: whoever has as many nodes that no majority is left without them costs it. */
function judgeLoss(placed: readonly Place[]): Finding {
  const subject = 'one host lost';
  const n = placed.length;
  const quorum = Math.floor(n / 2) + 1;
  const costly = [...countsOf(placed)].filter(([, count]) => n - count < quorum).map(([name]) => name);
  return costly.length === 0
    ? { subject, verdict: 'ok', says: 'the others keep the quorum, whichever it is' }
    : {
        subject,
        verdict: 'warning',
        says: `without ${costly.join(' or ')} the nodes have no quorum, and the notebook is away until they are founded anew`,
        cure:
          n === 1
            ? 'run three nodes'
            : 'spread them over more hosts, with --constraints hostname:UNIQUE for instance',
      };
}

interface Placed {
  /** Hosts of the nodes, those that run included. */
  readonly placed: readonly Place[];
  /** Why there are not more. */
  readonly why: string;
}

function placeNodes(settings: NodeSettings, state: MasterState, ours: MesosFramework | undefined): Placed {
  const needs = needsOf(settings);
  const nodes = runningNodes(ours, state).filter(({ node }) => node < settings.ips.length);
  const placed: Place[] = nodes.flatMap(({ host }) => host ?? []);
  let hosts = state.hosts.filter(({ offers }) => offers).map((host) => freeHost(host, settings.role));
  for (let missing = settings.ips.length - placed.length; missing > 0; missing -= 1) {
    const demand = { needs, constraints: settings.constraints, others: placed };
    const host = bestHost(hosts, demand, undefined);
    if (host === undefined) return { placed, why: whyNone(hosts, demand) };
    placed.push(host);
    hosts = hosts.map((each) => (each === host ? without(host, needs) : each));
  }
  return { placed, why: '' };
}

/** As if all that is free were offered at once. */
const freeHost = (host: MesosHost, role: string): Host => ({
  agentId: host.agentId,
  hostname: host.hostname,
  attributes: host.attributes,
  offerIds: [],
  unavailable: false,
  ...host.free(role),
});

function countsOf(placed: readonly Place[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { hostname } of placed) counts.set(hostname, (counts.get(hostname) ?? 0) + 1);
  return counts;
}

const spread = (placed: readonly Place[]): string =>
  [...countsOf(placed)].map(([hostname, count]) => `${count} on ${hostname}`).join(', ') || 'none anywhere';
