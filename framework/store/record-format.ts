/** The stored form of a cluster's record: versioned JSON, checked when read. */
import { z } from 'zod';
import type { ClusterRecord } from '../cluster/model.js';
import { CodedError, messageOf } from '../errors.js';

/** Raised when an older scheduler could misread what a newer one wrote. 2 has the cluster's CA, 3 a pause; earlier ones are read as they are. */
export const recordFormat = 3;

const task = z.strictObject({
  id: z.string().min(1),
  node: z.int().min(0),
  incarnation: z.int().min(1),
  generation: z.int().min(1),
  agentId: z.string(),
  hostname: z.string(),
  attributes: z.record(z.string(), z.string()),
  seenAlive: z.boolean(),
  bootId: z.string().min(1).exactOptional(),
  end: z.strictObject({ reason: z.string(), provenDead: z.boolean() }).exactOptional(),
});

const stored = z.strictObject({
  format: z.literal([1, 2, recordFormat]),
  cluster: z.strictObject({
    frameworkId: z.string().min(1).exactOptional(),
    ca: z.string().min(1).exactOptional(),
    addresses: z.array(z.string()),
    generation: z.strictObject({
      number: z.int().min(1),
      founders: z.array(
        z.strictObject({ taskId: z.string().min(1), incarnation: z.int().min(1), launched: z.boolean() }),
      ),
      pastBefore: z.int().min(1).exactOptional(),
    }),
    nodes: z.array(z.strictObject({ incarnation: z.int().min(0), task: task.exactOptional() })),
    unproven: z.array(task),
    paused: z.strictObject({ since: z.iso.datetime(), reason: z.string().exactOptional() }).exactOptional(),
  }),
});

export function writeRecord(cluster: ClusterRecord): string {
  return `${JSON.stringify({ format: recordFormat, cluster }, null, 2)}\n`;
}

/**
 * @param where named in errors
 * @throws CodedError STATE_NEWER for a format of a later release, STATE_CORRUPT for anything that is no record
 */
export function readRecord(text: string, where: string): ClusterRecord {
  const cure =
    'put back a copy, or move it away to begin anew (tasks that still run are then killed as unknown)';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CodedError('STATE_CORRUPT', `${where} is not JSON (${messageOf(error)}): ${cure}`);
  }
  const format = z.object({ format: z.int() }).safeParse(value);
  if (format.success && format.data.format > recordFormat) {
    throw new CodedError(
      'STATE_NEWER',
      `${where} has format ${format.data.format}, this release reads ${recordFormat}: use the release that wrote it, or a later one`,
    );
  }
  const result = stored.safeParse(value);
  if (!result.success) {
    const problems = result.error.issues
      .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
      .join('; ');
    throw new CodedError('STATE_CORRUPT', `${where} is no cluster's record (${problems}): ${cure}`);
  }
  return result.data.cluster;
}
