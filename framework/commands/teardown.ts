/** `mesos-jupyter teardown`: ends all tasks of a framework and removes it from Mesos. */
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { loadSettings } from '../config/load.js';
import type { SettingName } from '../config/settings.js';
import { createLogger } from '../log.js';
import type { GlobalFlags } from './global-flags.js';
import { storeSettings } from './store-settings.js';

/** What it takes to find the framework again, and to be let in as it. */
const teardownSettings = [
  'master',
  'masterTimeoutS',
  'frameworkName',
  'user',
  'role',
  'principal',
  'secretFile',
  'tlsCaFile',
  'tlsCertFile',
  'tlsKeyFile',
  'failoverTimeoutS',
  'hostname',
  ...storeSettings,
  'logLevel',
] as const satisfies readonly SettingName[];

export const teardownCommand: CommandModule<GlobalFlags, GlobalFlags> = {
  command: 'teardown',
  describe: 'end all nodes and remove the framework from Mesos',
  builder: (yargs) =>
    addSettingFlags(yargs, teardownSettings)
      .usage(
        '$0 teardown --master URL [options]\n\nEnds all nodes and removes the framework from Mesos. The shared volume, and so the notebooks, stay as they are.\nStop the scheduler first: it works with the same state.',
      )
      .example('$0 teardown --master http://10.0.0.1:5050', ''),
  async handler(argv) {
    const settings = loadSettings({ flags: argv, env: process.env, file: argv.config }, teardownSettings);
    const { tearDownFramework } = await import('../scheduler.js');
    const { frameworkId } = await tearDownFramework(settings, { logger: createLogger(settings.logLevel) });
    process.stdout.write(`The framework ${frameworkId} is removed, and all its nodes have ended.\n`);
  },
};
