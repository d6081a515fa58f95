/** `mesos-jupyter check`: what stands in the way of a cluster, before anything is launched. */
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { loadSettings } from '../config/load.js';
import { CodedError } from '../errors.js';
import type { GlobalFlags } from './global-flags.js';

interface CheckFlags extends GlobalFlags {
  json: boolean;
}

export const checkFlags = {
  json: { type: 'boolean', default: false, describe: 'print the findings as JSON' },
} as const;

export const checkCommand: CommandModule<GlobalFlags, CheckFlags> = {
  command: 'check',
  describe: 'see whether a cluster could run, and what is missing; launches nothing',
  builder: (yargs) =>
    addSettingFlags(yargs)
      .usage(
        '$0 check --master http://HOST:5050 --image IMAGE --ips IP,IP,IP --shared DIR [options]\n\nLooks at the master, its hosts, the addresses, the image and the store with the settings that "run" would get, and prints a\nline for each. Launches nothing, registers nothing, and may be used while a scheduler runs. Ends with status 3 when something\nis wrong; a warning, or what cannot be told from here, is none.',
      )
      .options(checkFlags)
      .example('$0 check --config cluster.yaml', '')
      .example('$0 check --config cluster.yaml --json', ''),
  async handler(argv) {
    const settings = loadSettings({ flags: argv, env: process.env, file: argv.config });
    const [{ observe }, { judge }, { asJson, asLines }, { loadTransport }] = await Promise.all([
      import('../check/observe.js'),
      import('../check/verdicts.js'),
      import('../check/report.js'),
      import('../mesos/transport.js'),
    ]);
    const findings = judge(settings, await observe(settings, loadTransport(settings, process.env)));
    process.stdout.write(`${argv.json ? asJson(findings) : asLines(findings).join('\n')}\n`);
    const wrong = findings.filter(({ verdict }) => verdict === 'wrong');
    if (wrong.length === 0) return;
    throw new CodedError('CHECK_FAILED', `wrong: ${wrong.map(({ subject }) => subject).join(', ')}`);
  },
};
