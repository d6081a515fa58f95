/** Who answers at a node's address: a node agent, or anybody. */
import { createConnection } from 'node:net';
import { z } from 'zod';
import { ports } from '../../executor-image/contract.js';
import { hostNetworks, overlapping } from '../local/network.js';
import { ask } from '../mesos/operator-client.js';
import type { AddressAnswer } from './observations.js';

/** An address that is nobody's is mostly silent: the whole check waits for that. */
const timeoutMs = 3_000;

/** The part of NodeStatus that a check looks at; what may come to differ is optional, since a node of another release answers, too. */
const status = z.object({
  contractVersion: z.number(),
  taskId: z.string(),
  ready: z.boolean(),
  reason: z.string(),
  notebook: z.object({ state: z.string() }).optional(),
});

export async function lookAtAddress(address: string): Promise<AddressAnswer> {
  const [agent, open] = await Promise.all([
    ask({
      url: new URL(`http://${address}:${ports.nodeAgent}/status`),
      transport: { tls: {} },
      timeoutMs,
    }),
    // A machine that has none of these refuses the connection, and so shows that it is there.
    Promise.all([ports.nodeAgent, ports.ssh].map((port) => answers(address, port))),
  ]);
  const parsed = agent.kind === 'answered' ? status.safeParse(jsonOf(agent.body)) : undefined;
  if (parsed?.success) {
    const { notebook, ...node } = parsed.data;
    return { kind: 'node', ...node, isServing: notebook?.state === 'serving' };
  }
  const port = agent.kind === 'answered' ? ports.nodeAgent : open.find((each) => each !== undefined);
  if (port === undefined) return { kind: 'silent' };
  return {
    kind: 'other',
    port,
    isByDefaultRoute: overlapping(`${address}/32`, hostNetworks()) === undefined,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The port, where somebody takes the connection or refuses it. */
function answers(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const end = (answer: number | undefined) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => end(undefined));
    socket.on('connect', () => end(port));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? port : undefined),
    );
  });
}
