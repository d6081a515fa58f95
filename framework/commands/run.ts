/** `mesos-jupyter run`: the scheduler, against a Mesos master. */
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/settings.js';
import { packageVersion } from '../local/package.js';
import { createLogger } from '../log.js';
import type { GlobalFlags } from './global-flags.js';
import { onStopSignals } from './signals.js';

interface RunFlags extends GlobalFlags {
  'dry-run': boolean;
}

export const runCommand: CommandModule<GlobalFlags, RunFlags> = {
  command: 'run',
  describe: 'run the scheduler against a Mesos master',
  builder: (yargs) =>
    addSettingFlags(yargs)
      .usage(
        '$0 run --master http://HOST:5050 --image IMAGE --ips IP,IP,IP --shared DIR [options]\n\nRuns the scheduler: registers as a framework, launches a node at each of the addresses, and relaunches what ends.\nSIGTERM and Ctrl-C stop the scheduler alone; nodes run on, and the next scheduler takes them over.',
      )
      .option('dry-run', {
        type: 'boolean',
        default: false,
        describe: 'print the TaskInfos that would be launched, as JSON, and exit',
      })
      .example('$0 run --config cluster.yaml', '')
      .example('$0 run --config cluster.yaml --dry-run', ''),
  async handler(argv) {
    const settings = loadSettings({ flags: argv, env: process.env, file: argv.config });
    if (argv.dryRun) await printTasks(settings);
    else await schedule(settings);
  },
};

async function printTasks(settings: Settings): Promise<void> {
  const { firstTaskInfos } = await import('./dry-run.js');
  process.stdout.write(`${JSON.stringify(firstTaskInfos(settings), null, 2)}\n`);
}

async function schedule(settings: Settings): Promise<void> {
  const [{ startScheduler }, { startWebServer, urlOf }, { Observation }, { placeOf }] = await Promise.all([
    import('../scheduler.js'),
    import('../web/server.js'),
    import('../web/observation.js'),
    import('../store/open-store.js'),
  ]);
  const logger = createLogger(settings.logLevel);
  const told = new AbortController();
  // All that matters is stored before it is done, so that a second Ctrl-C may end us at once.
  const release = onStopSignals((times) => (times === 1 ? told.abort() : process.exit(130)));
  const toldToStop = new Promise<void>((resolve) => told.signal.addEventListener('abort', () => resolve()));
  const observer = new Observation({
    version: packageVersion(),
    frameworkName: settings.frameworkName,
    store: placeOf(settings),
  });
  // Before the store: a scheduler that stands by says so, and is not taken for one that hangs.
  const web = await startWebServer({
    address: settings.httpAddress,
    port: settings.httpPort,
    health: () => observer.health(),
    status: () => observer.status(),
    logger,
  });
  try {
    const host = hostForOthers(settings);
    const webuiUrl = settings.webuiUrl ?? (host === undefined ? undefined : urlOf(host, web.port));
    const scheduler = await Promise.race([
      startScheduler({ ...settings, webuiUrl }, { logger, signal: told.signal, observer }),
      toldToStop,
    ]);
    if (scheduler === undefined) return;
    observer.scheduling(scheduler);
    await Promise.race([scheduler.done, toldToStop]);
    logger.info('stopping; nodes run on');
    observer.stopping();
    await scheduler.stop();
  } finally {
    release();
    observer.end();
    await web.close();
  }
}

/** How others reach the status; undefined where only this machine does. */
function hostForOthers({ httpAddress, hostname }: Settings): string | undefined {
  if (httpAddress === '::1' || httpAddress.startsWith('127.')) return undefined;
  return ['0.0.0.0', '::'].includes(httpAddress) ? hostname : httpAddress;
}
