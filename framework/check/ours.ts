/** Which of a master's frameworks is the one of these settings, and which of its tasks are which node's. */
import { nodeOfTaskId } from '../cluster/record.js';
import type { Settings } from '../config/settings.js';
import type { MasterState, MesosFramework, MesosHost, MesosTask } from './master-state.js';
import type { Observations } from './observations.js';

/** By the id that the store has. Where the store cannot be read, by name. */
export function ourFramework(
  { frameworkName }: Pick<Settings, 'frameworkName'>,
  store: Observations['store'],
  { frameworks }: MasterState,
): MesosFramework | undefined {
  if ('trouble' in store) return frameworks.find(({ name }) => name === frameworkName);
  const id = store.record?.frameworkId;
  return id === undefined ? undefined : frameworks.find((framework) => framework.id === id);
}

export interface RunningNode {
  readonly node: number;
  readonly task: MesosTask;
  /** Undefined while its Mesos agent is not registered. */
  readonly host: MesosHost | undefined;
}

/** The nodes that a live task of ours is for. */
export function runningNodes(ours: MesosFramework | undefined, state: MasterState): RunningNode[] {
  return (ours?.tasks ?? []).flatMap((task): RunningNode[] => {
    const node = nodeOfTaskId(task.id);
    if (node === undefined) return [];
    return [{ node, task, host: state.hosts.find(({ agentId }) => agentId === task.agentId) }];
  });
}
