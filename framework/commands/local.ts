/** `mesos-jupyter local`: everything on this machine. */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { checkSettings, gatherSettings } from '../config/load.js';
import { variableOf } from '../config/names.js';
import { settingNames } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { localFlagSettings, localSettings } from '../local/local-settings.js';
import { createLogger } from '../log.js';
import type { GlobalFlags } from './global-flags.js';
import { onStopSignals } from './signals.js';
import { wholeNumber } from './whole-number.js';

const group = 'This machine:';

interface LocalFlags extends GlobalFlags {
  nodes: string;
  port: string;
  timeout: string;
  'exit-when-ready': boolean;
  'no-install': boolean;
}

export const localFlags = {
  nodes: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'how many nodes: 1, 3, 5 or 7',
    default: '3',
    defaultDescription: '3',
  },
  port: {
    type: 'string',
    requiresArg: true,
    group,
    describe: "TCP port of this machine's Mesos master; 0 takes any",
    default: '5050',
    defaultDescription: '5050',
  },
  'exit-when-ready': {
    type: 'boolean',
    group,
    describe: 'stop, remove everything and exit 0 once all is well',
    default: false,
  },
  timeout: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'seconds that the cluster may take until all is well, once its image is there',
    default: '900',
    defaultDescription: '900',
  },
  'no-install': {
    type: 'boolean',
    group,
    describe: 'install no Debian package: fail if Docker is not there',
    default: false,
  },
} as const;

export const localCommand: CommandModule<GlobalFlags, LocalFlags> = {
  command: 'local',
  describe: 'bring up a cluster on this machine, with a Mesos master and two hosts of its own',
  builder: (yargs) =>
    addSettingFlags(yargs, localFlagSettings)
      .usage(
        '$0 local [options]\n\nBrings up the whole cluster on this machine: sees to Docker, builds the image, starts a Mesos master and two\nhosts of its own, and prints the address of the notebook. Ctrl-C stops and removes what it made.',
      )
      .options(localFlags)
      .example('$0 local', 'three nodes')
      .example('$0 local --shared /srv/notebooks', 'keep notebooks and keys there')
      .example('$0 local --exit-when-ready --timeout 300', 'only see whether it works'),
  async handler(argv) {
    const given = gatherSettings({ flags: argv, env: process.env, file: argv.config });
    const settings = checkSettings(given, process.env, localSettings);
    const nodes = wholeNumber('nodes', argv.nodes, 1, 7);
    if (nodes % 2 === 0) {
      throw new CodedError('CONFIG_INVALID', `--nodes "${argv.nodes}" is even: give 1, 3, 5 or 7`);
    }
    const port = wholeNumber('port', argv.port, 0, 65_535);
    const timeoutS = wholeNumber('timeout', argv.timeout, 1, 86_400);
    const [{ runLocalCluster }, { createTerminal }] = await Promise.all([
      import('../local/local-cluster.js'),
      import('../local/terminal.js'),
    ]);
    const terminal = createTerminal();
    const unused = settingNames.filter(
      (name) => !localFlagSettings.includes(name) && given[name] !== undefined,
    );
    if (unused.length > 0) {
      terminal.warn(`Not used by "local": ${unused.map((name) => given[name]?.label ?? name).join(', ')}.`);
    }

    // Its own master asks for no credentials; those of another would be refused as credentials without a principal.
    delete process.env[variableOf('secret')];

    // The story belongs on the screen, the scheduler's log in a file, unless it was asked for.
    const log =
      given.logLevel === undefined ? await logToFile() : { logger: createLogger(settings.logLevel) };
    try {
      await untilStopped(terminal.warn, async (signal) => {
        await runLocalCluster({
          settings,
          nodes,
          port,
          timeoutS,
          exitWhenReady: argv.exitWhenReady,
          install: !argv.noInstall,
          terminal,
          logger: log.logger,
          signal,
        });
        if (signal.aborted && argv.exitWhenReady) {
          throw new CodedError('INTERRUPTED', 'stopped before all was well');
        }
      });
    } catch (error) {
      if ('path' in log) terminal.say(`The log is ${log.path}`);
      throw error;
    }
    if ('path' in log) rmSync(dirname(log.path), { recursive: true, force: true });
  },
};

async function logToFile() {
  const [{ fileLogger }, { newLogFile }] = await Promise.all([
    import('../local/file-logger.js'),
    import('../local/command.js'),
  ]);
  const path = newLogFile('mesos-jupyter');
  return { logger: fileLogger(path), path };
}

/** Runs `work` with a signal that Ctrl-C, SIGTERM and defects anywhere in the process fire, so that it always cleans up. */
async function untilStopped(
  say: (line: string) => void,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  let defect: unknown;
  const onDefect = (error: unknown) => {
    defect ??= error;
    stop.abort();
  };
  const release = onStopSignals((times) => {
    if (times === 1) stop.abort();
    else if (times === 2) {
      say(
        'Still stopping, and removing what was made. Once more ends at once, and leaves the rest to the next "mesos-jupyter local".',
      );
    } else process.exit(130);
  });
  process.on('uncaughtException', onDefect);
  try {
    await work(stop.signal);
  } finally {
    release();
    process.off('uncaughtException', onDefect);
  }
  if (defect !== undefined) throw defect;
}
