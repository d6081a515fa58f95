/** Why a task failed, in Docker's own words: the end of its `stderr`, by the Mesos agent's files API. Best effort. */
import { z } from 'zod';
import type { Offer } from './schema/codec.js';

/** The whole of it must not take longer: the relaunch does not wait for it, and nor should anybody. */
const timeoutMs = 5_000;
/** As much of the end as is read. */
const tailBytes = 8_192;

const answer = z.object({ data: z.string(), offset: z.number() });

/** Where a host's Mesos agent answers; by IP where it is told, since its name need not resolve here. */
export function agentUrlOf({ url }: Offer): URL | undefined {
  const host = url?.address.ip ?? url?.address.hostname;
  if (url === undefined || host === undefined) return undefined;
  const text = `${url.scheme}://${host.includes(':') ? `[${host}]` : host}:${url.address.port}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/**
 * The end of what the task's executor wrote to standard error. For a Docker task the executor's id is the task's (FACTS, real
 * master 5), and `docker run` writes there why it refused.
 * @throws when the Mesos agent does not answer in time, or has no such file
 */
export async function readStderr(agent: URL, frameworkId: string, taskId: string): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const read = async (offset: number): Promise<z.output<typeof answer>> => {
    const url = new URL('/files/read', agent);
    url.searchParams.set('path', `/frameworks/${frameworkId}/executors/${taskId}/runs/latest/stderr`);
    url.searchParams.set('offset', String(offset));
    if (offset >= 0) url.searchParams.set('length', String(tailBytes));
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return answer.parse(await response.json());
  };
  // An offset of -1 asks for the size.
  const { offset: size } = await read(-1);
  return (await read(Math.max(0, size - tailBytes))).data;
}
