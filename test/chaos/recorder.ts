/**
 * Run in a container's network namespace, beside the container: notes when the Jupyter in there answers, and keeps a kernel of it
 * that writes the time to the shared volume. From outside, a node that is cut off is exactly the one that is not seen.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ports } from '../../executor-image/contract.js';
import { basePath } from '../support/cluster-access.js';
import { JupyterClient } from '../support/jupyter.js';
import { bootMs } from './boot-clock.js';

export interface RecorderOptions {
  /** File on this machine with the notebook's token. */
  readonly tokenFile: string;
  /** Where sights go, a line each: from and to, in milliseconds of the boot clock. */
  readonly sightsFile: string;
  /** Where the kernel writes, as its container has it: a line each, in seconds of the boot clock. */
  readonly writesFile: string;
}

const everyMs = 20;
const answerTimeoutMs = 2_000;
const kernelEveryMs = 1_000;

/** Unbuffered, so that a line is written by the write that follows the clock's reading, or not at all. */
const writer = (path: string): string => `
import time
file = open(${JSON.stringify(path)}, 'ab', buffering=0)
while True:
    file.write(b'%.4f\\n' % time.clock_gettime(time.CLOCK_BOOTTIME))
    time.sleep(0.01)
`;

const agent = new Agent({ keepAlive: true });

/** Whether Jupyter answers; a frozen one takes a connection and says nothing. */
function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      { host: '127.0.0.1', port: ports.notebook, path: `${basePath}api`, agent, timeout: answerTimeoutMs },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200));
        response.on('error', () => resolve(false));
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

async function record({ tokenFile, sightsFile, writesFile }: RecorderOptions): Promise<never> {
  let kernelNotBeforeMs = 0;
  for (;;) {
    const fromMs = bootMs();
    if (await answers()) {
      appendFileSync(sightsFile, `${fromMs} ${bootMs()}\n`);
      if (fromMs >= kernelNotBeforeMs) {
        kernelNotBeforeMs = fromMs + kernelEveryMs;
        void keepKernel(readFileSync(tokenFile, 'utf8').trim(), writesFile).catch(() => {});
      }
    }
    await delay(everyMs);
  }
}

/** A Jupyter that was started anew has none. */
async function keepKernel(token: string, writesFile: string): Promise<void> {
  const client = new JupyterClient(`http://127.0.0.1:${ports.notebook}${basePath}`, token);
  const response = await client.request('GET', 'api/kernels');
  const kernels = (await response.json()) as readonly unknown[];
  if (!response.ok || kernels.length > 0) return;
  const kernel = await client.startKernel();
  await client.runCell(kernel, writer(writesFile), 2 ** 30);
}

await record(JSON.parse(process.argv[2] ?? '') as RecorderOptions);
