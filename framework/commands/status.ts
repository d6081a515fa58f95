/** `mesos-jupyter status`: what a running scheduler says of itself and of its nodes. */
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { loadSettings } from '../config/load.js';
import { CodedError } from '../errors.js';
import type { GlobalFlags } from './global-flags.js';

interface StatusFlags extends GlobalFlags {
  url: string | undefined;
  json: boolean | undefined;
  health: boolean | undefined;
}

const statusSettings = ['httpPort'] as const;

export const statusCommand: CommandModule<GlobalFlags, StatusFlags> = {
  command: 'status',
  describe: 'show what a running scheduler and its nodes are at',
  builder: (yargs) =>
    addSettingFlags(yargs, statusSettings)
      .usage(
        '$0 status [--url http://HOST:PORT] [options]\n\nAsks a running scheduler, on this machine unless told otherwise, and shows its nodes, what they wait for and why.',
      )
      .options({
        url: {
          type: 'string',
          requiresArg: true,
          describe: 'where the scheduler serves its status',
          defaultDescription: 'http://127.0.0.1 and the port',
        },
        json: { type: 'boolean', describe: 'print what the scheduler answers' },
        health: {
          type: 'boolean',
          describe: 'only say whether the scheduler is well, by the exit status, too',
        },
      })
      .conflicts('json', 'health')
      .example('$0 status', '')
      .example('$0 status --url http://10.0.0.5:8475 --json', ''),
  async handler(argv) {
    const { httpPort } = loadSettings({ flags: argv, env: process.env, file: argv.config }, statusSettings);
    const origin = argv.url === undefined ? `http://127.0.0.1:${httpPort}` : originOf(argv.url);
    const [{ askHealth, askStatus }, { statusLines }] = await Promise.all([
      import('../web/client.js'),
      import('../web/words.js'),
    ]);
    if (argv.health) {
      const { healthy, reason } = await askHealth(origin);
      if (!healthy) throw new CodedError('SCHEDULER_UNWELL', reason);
      process.stdout.write(`${reason}\n`);
      return;
    }
    const { answer, status } = await askStatus(origin);
    process.stdout.write(
      argv.json ? `${JSON.stringify(answer, null, 2)}\n` : `${statusLines(status).join('\n')}\n`,
    );
  },
};

function originOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new CodedError('CONFIG_INVALID', `--url "${url}" is not http://HOST:PORT`);
  }
  return parsed.origin;
}
