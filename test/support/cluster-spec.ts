/** What the core is asked for in tests: three nodes, with the defaults of the settings. */
import type { ClusterSpec } from '../../framework/cluster/model.js';

export const clusterSpec: ClusterSpec = {
  addresses: ['198.51.100.100', '198.51.100.101', '198.51.100.102'],
  needs: { cpus: 1, memMb: 512, diskMb: 0 },
  constraints: [],
  launchTimeoutMs: 300_000,
  unreachableGraceMs: 120_000,
  killGraceMs: 10_000,
  backoffMinMs: 1_000,
  backoffMaxMs: 120_000,
  healthySpellMs: 60_000,
  offerHoldMs: 500,
  declineMs: 3_600_000,
  canReleaseAddress: false,
};
