/** What `run --dry-run` prints: the tasks of a cluster's first founding, built by the function that a launch uses. */
import type { Launch } from '../cluster/model.js';
import { newRecord } from '../cluster/record.js';
import type { Settings } from '../config/settings.js';
import { taskInfoFor } from '../mesos/task-info.js';

/** Stands for what only an offer tells. */
const offered = '<from the offer>';

/** Stands for what only the store tells; to look into it would take its lock. */
const inStore = '<of the key in the store>';

export function firstTaskInfos(settings: Settings): unknown[] {
  const { generation } = newRecord(settings.ips, 'dry-run');
  const founders = generation.founders.map(({ taskId }) => taskId);
  return generation.founders.map(({ taskId, incarnation }, node) => {
    const launch: Launch = {
      task: {
        id: taskId,
        node,
        incarnation,
        generation: generation.number,
        agentId: offered,
        hostname: offered,
        attributes: {},
        seenAlive: false,
      },
      founders,
      unproven: [],
    };
    return taskInfoFor(settings, launch, inStore);
  });
}
