/** The first record of a cluster, and the changes that founding makes to it. */
import type { ClusterRecord, Founder, Generation } from './model.js';

/** A task id that no other task ever had: `idSuffix` is new in every scheduler process. */
export function taskIdOf(node: number, incarnation: number, idSuffix: string): string {
  return `node${node}.${incarnation}.${idSuffix}`;
}

/** The node that a task id of ours is about, whether or not any record has it; undefined for a foreign id. */
export function nodeOfTaskId(taskId: string): number | undefined {
  const match = /^node(\d+)\.\d+\./.exec(taskId);
  return match === null ? undefined : Number(match[1]);
}

/** The record of a cluster of which nothing has been launched yet: generation 1, with its founders' task ids chosen. */
export function newRecord(addresses: readonly string[], idSuffix: string): ClusterRecord {
  const empty: ClusterRecord = {
    addresses,
    generation: { number: 0, founders: [] },
    nodes: addresses.map(() => ({ incarnation: 0 })),
    unproven: [],
  };
  return withNextGeneration(empty, idSuffix);
}

/** The same cluster with the next generation begun: each node's next incarnation is a founder. */
export function withNextGeneration(record: ClusterRecord, idSuffix: string): ClusterRecord {
  const founders: Founder[] = record.nodes.map(({ incarnation }, node) => ({
    taskId: taskIdOf(node, incarnation + 1, idSuffix),
    incarnation: incarnation + 1,
    launched: false,
  }));
  const generation: Generation = { number: record.generation.number + 1, founders };
  return {
    ...record,
    generation,
    nodes: record.nodes.map((node) => ({ ...node, incarnation: node.incarnation + 1 })),
  };
}
