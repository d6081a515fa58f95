/** The settings as yargs' options, so that `--help` says what the table says. */
import type { Argv, Options } from 'yargs';
import { kebabCase } from './names.js';
import { type SettingName, schedulerSettingNames, settingTable } from './settings.js';

/**
 * Adds the flags of these settings. Texts all of them: the schema reads and checks them, alike for environment and file;
 * so their types say nothing, and are left out of yargs' own.
 */
export function addSettingFlags<T>(
  yargs: Argv<T>,
  names: readonly SettingName[] = schedulerSettingNames,
): Argv<T> {
  const flags: Record<string, Options> = {};
  for (const name of names) {
    const setting = settingTable[name];
    const text = defaultText(name);
    flags[kebabCase(name)] = {
      type: 'string',
      requiresArg: true,
      group: `${setting.group}:`,
      describe: setting.help,
      ...(text === undefined ? {} : { defaultDescription: text }),
    };
  }
  yargs.options(flags);
  return yargs;
}

/** What `--help` and docs/settings.md say the default is; undefined where there is none. */
export function defaultText(name: SettingName): string | undefined {
  const setting = settingTable[name];
  if ('defaultText' in setting) return setting.defaultText;
  const result = setting.schema.safeParse(undefined);
  if (!result.success || result.data === undefined) return undefined;
  return Array.isArray(result.data) ? undefined : String(result.data);
}
