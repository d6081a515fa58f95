/** What Mesos is told of us when we subscribe. */
import type { Settings } from '../config/settings.js';
import type { FrameworkInfo } from './schema/codec.js';

type Told = Pick<Settings, 'frameworkName' | 'user' | 'role' | 'failoverTimeoutS' | 'hostname'> &
  Partial<Pick<Settings, 'principal' | 'webuiUrl'>>;

/** Without the id: that is the store's to know. */
export function frameworkInfoFor(settings: Told): FrameworkInfo {
  return {
    user: settings.user,
    name: settings.frameworkName,
    // Its default of 0 would end every task with the first broken connection (FACTS, scheduler API 3).
    failover_timeout: settings.failoverTimeoutS,
    // Tasks outlive a restart of their Mesos agent.
    checkpoint: true,
    hostname: settings.hostname,
    roles: [settings.role],
    ...(settings.principal !== undefined && { principal: settings.principal }),
    ...(settings.webuiUrl !== undefined && { webui_url: settings.webuiUrl }),
    // Those whose handling is really there.
    capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }, { type: 'TASK_KILLING_STATE' }],
  };
}
