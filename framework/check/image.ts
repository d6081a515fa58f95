/** What is said of the image: a host's own Docker engine cannot be asked from here, but there are signs. */
import type { Settings } from '../config/settings.js';
import type { Finding } from './finding.js';
import type { MasterState, MesosFramework } from './master-state.js';
import type { ImageView } from './observations.js';
import { runningNodes } from './ours.js';

export function judgeImage(
  { image }: Pick<Settings, 'image'>,
  { here, inRegistry }: ImageView,
  state: MasterState | undefined,
  ours: MesosFramework | undefined,
  thisMachine: ReadonlySet<string>,
): Finding {
  const subject = 'image';
  if (inRegistry.kind === 'seen' && inRegistry.value) {
    return { subject, verdict: 'ok', says: `${image} is in its registry, as seen from here` };
  }
  const isHere = here.kind === 'seen' && here.value;
  const runsOn = new Set(
    state === undefined
      ? []
      : runningNodes(ours, state).flatMap(({ task, host }) =>
          task.image === image ? (host?.hostname ?? []) : [],
        ),
  );
  const hosts = state?.hosts.filter(({ offers }) => offers) ?? [];
  const isOurs = (host: (typeof hosts)[number]) =>
    thisMachine.has(host.hostname) || thisMachine.has(host.address?.replace(/:\d+$/, '') ?? '');
  const without = hosts.filter((host) => !runsOn.has(host.hostname) && !(isHere && isOurs(host)));
  if (hosts.length > 0 && without.length === 0) {
    return { subject, verdict: 'ok', says: `${image} is on every host` };
  }
  const registry =
    inRegistry.kind === 'seen'
      ? 'its registry does not have it, or does not show it to this machine'
      : `its registry could not be asked (${inRegistry.why})`;
  const load = `docker save ${image} | ssh HOST docker load`;
  if (here.kind === 'seen' && !here.value && hosts.length > 0 && hosts.every(isOurs)) {
    return {
      subject,
      verdict: inRegistry.kind === 'seen' ? 'wrong' : 'warning',
      says: `${image} is not here, and ${registry}`,
      cure: 'build it or load it here, or push it to a registry',
    };
  }
  const known = [
    ...(isHere ? ['it is on this machine'] : here.kind === 'seen' ? ['it is not on this machine'] : []),
    ...(runsOn.size > 0 ? [`tasks run with it on ${[...runsOn].join(', ')}`] : []),
    registry,
  ];
  return {
    subject,
    verdict: 'unknown',
    says: `whether every host has ${image} cannot be told: ${known.join('; ')}`,
    cure: `see to it that each host has it: ${load}`,
  };
}
