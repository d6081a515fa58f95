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

/** However often numbers were taken, one step stays a safe integer. */
const longestJump = 2 ** 20;

/**
 * The same cluster with the next generation begun: each node's next incarnation is a founder. When the present number was
 * found taken or past, its successor jumps twice as far each time, so that a record that is far behind the volume (it was
 * put back from a copy) soon finds a number that is free.
 */
export function withNextGeneration(record: ClusterRecord, idSuffix: string, isPast = false): ClusterRecord {
  const founders: Founder[] = record.nodes.map(({ incarnation }, node) => ({
    taskId: taskIdOf(node, incarnation + 1, idSuffix),
    incarnation: incarnation + 1,
    launched: false,
  }));
  const pastBefore = (record.generation.pastBefore ?? 0) + (isPast ? 1 : 0);
  const step = isPast ? Math.min(longestJump, 2 ** (pastBefore - 1)) : 1;
  const generation: Generation = {
    number: record.generation.number + step,
    founders,
    ...(pastBefore > 0 && { pastBefore }),
  };
  return {
    ...record,
    generation,
    nodes: record.nodes.map((node) => ({ ...node, incarnation: node.incarnation + 1 })),
  };
}

/**
 * The record as the next process goes on with it. It launches no founder that an earlier process chose: were the record put
 * back from a copy, that founder may have been launched since, and a task id is used once, and a generation founded once.
 * - Where no founder was launched yet, their ids are chosen anew.
 * - Otherwise nodes whose founder was not launched get a joiner in its place.
 */
export function resumed(record: ClusterRecord, idSuffix: string): ClusterRecord {
  const { generation } = record;
  if (generation.founders.some(({ launched }) => launched)) {
    return {
      ...record,
      generation: {
        ...generation,
        founders: generation.founders.map((each) => ({ ...each, launched: true })),
      },
    };
  }
  const founders = generation.founders.map(({ incarnation }, node) => ({
    taskId: taskIdOf(node, incarnation, idSuffix),
    incarnation,
    launched: false,
  }));
  return { ...record, generation: { ...generation, founders } };
}

/**
 * The record once Mesos has removed the framework: generation and tasks outlive its id (rule 12). The CA does not: while nothing runs,
 * its file on the volume may be replaced. Nor does a pause: there is nothing left to be frozen.
 */
export function withoutFramework({
  frameworkId: _,
  ca: __,
  paused: ___,
  ...record
}: ClusterRecord): ClusterRecord {
  return record;
}
