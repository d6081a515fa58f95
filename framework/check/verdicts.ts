/** From what was seen to what is said: pure functions, one a subject. */
import type { Settings } from '../config/settings.js';
import { judgeAddresses } from './addresses.js';
import { judgeAgents } from './agents.js';
import type { Finding } from './finding.js';
import { judgeImage } from './image.js';
import { judgeCredentials, judgeMasters, judgeRole, judgeVersion } from './masters.js';
import type { Observations } from './observations.js';
import { ourFramework } from './ours.js';
import { judgePlacement } from './placement.js';
import { judgeFramework, judgeStore } from './store.js';

/** Every finding, in the order in which a scheduler would run into them. */
export function judge(settings: Settings, seen: Observations): Finding[] {
  const { masters, store, addresses, image, thisMachine } = seen;
  const { leader } = masters;
  const state = leader?.state.kind === 'seen' ? leader.state.value : undefined;
  const ours = state && ourFramework(settings, store, state);
  return [
    ...judgeMasters(masters),
    ...(leader === undefined
      ? []
      : [
          ...judgeVersion(leader.state),
          judgeCredentials(settings, leader.credentials),
          judgeRole(settings, leader.flags, ours),
          ...judgePlacement(settings, leader.state, ours),
          ...judgeAgents(leader.executors),
        ]),
    judgeImage(settings, image, state, ours, thisMachine),
    ...judgeAddresses(settings, addresses, state, ours),
    judgeStore(settings, store),
    ...(state === undefined || 'trouble' in store ? [] : judgeFramework(settings, store.record, state)),
  ];
}
