/** From SUBSCRIBE to ACCEPT: the real scheduler against the embedded master, over real HTTP. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedHost } from '../../framework/local/host/host.js';
import type { RunningTask, TaskRunner } from '../../framework/local/host/runner.js';
import { EmbeddedMaster } from '../../framework/local/master/master.js';
import { type Logger, silentLogger } from '../../framework/log.js';
import { startScheduler } from '../../framework/scheduler.js';
import { settingsOf } from '../support/settings.js';
import type { Row } from './table.js';

/** Tells when a launch arrives, which is what an ACCEPT brings about in the same moment here; runs nothing. */
class Arrivals implements TaskRunner {
  #resolve: () => void = () => {};
  readonly first = new Promise<void>((resolve) => {
    this.#resolve = resolve;
  });

  launch(): RunningTask {
    this.#resolve();
    return {
      kill() {},
      shutdown() {},
      killClient() {},
      killExecutor() {},
      abandon() {},
      dispose: async () => {},
    };
  }
}

/** Milliseconds from the driver's sending SUBSCRIBE to the first ACCEPT's arrival. */
async function measure(offerHoldMs: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-bench-'));
  const master = await EmbeddedMaster.start({ logger: silentLogger });
  const arrivals = new Arrivals();
  const hosts: EmbeddedHost[] = [];
  for (const name of ['host-1', 'host-2', 'host-3']) {
    hosts.push(
      await EmbeddedHost.start({
        master,
        name,
        resources: { cpus: 4, memMb: 8_192, diskMb: 20_000 },
        workDirectory: join(directory, name),
        logger: silentLogger,
        runner: arrivals,
      }),
    );
  }
  let sent = 0;
  const logger: Logger = new Proxy(silentLogger, {
    get: (target, level: keyof Logger) =>
      level === 'info'
        ? (message: string) => {
            if (message.startsWith('subscribing at ')) sent = performance.now();
          }
        : target[level],
  });
  const settings = settingsOf({ master: master.url, stateFile: join(directory, 'state.json'), offerHoldMs });
  const scheduler = await startScheduler(settings, { logger });
  try {
    await arrivals.first;
    return performance.now() - sent;
  } finally {
    await scheduler.stop();
    for (const host of hosts) await host.stop();
    await master.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

export async function benchLaunch(rounds: number): Promise<Row[]> {
  const variants = [
    { offerHoldMs: 0, note: 'offers are answered at once' },
    {
      offerHoldMs: 500,
      note: 'the default; three hosts are offered at once, so there is nothing to wait for',
    },
  ];
  const samples = variants.map((): number[] => []);
  for (let round = -2; round < rounds; round += 1) {
    for (const [at, { offerHoldMs }] of variants.entries()) {
      const ms = await measure(offerHoldMs);
      if (round >= 0) samples[at]?.push(ms);
    }
  }
  return variants.map(({ offerHoldMs, note }, at) => ({
    name: `SUBSCRIBE to ACCEPT, offerHoldMs ${offerHoldMs}`,
    unit: 'ms',
    samples: samples[at] ?? [],
    note,
  }));
}
