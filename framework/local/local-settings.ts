/** Which settings a local cluster takes from the operator, and which it has an answer for itself. */
import { type Checked, checkSettings } from '../config/load.js';
import { type SettingName, type Settings, settingNames } from '../config/settings.js';

/** What is made for the one run, so that nobody is asked for it. */
const madeHere = ['master', 'ips', 'stateFile'] as const;
/** What matters only among others' frameworks; the defaults will do. */
const leftAtDefault = [
  'frameworkName',
  'user',
  'role',
  'principal',
  'failoverTimeoutS',
  'webuiUrl',
  'hostname',
  'masterTimeoutS',
  'secretFile',
  'tlsCaFile',
  'tlsCertFile',
  'tlsKeyFile',
  'store',
  'storeCaFile',
  'storeCertFile',
  'storeKeyFile',
  'storeUser',
  'storePasswordFile',
  'httpAddress',
  'httpPort',
  'hosts',
  'volume',
  'brick',
  'arbiter',
  'networkDriver',
  'networkParent',
  'networkGateway',
  'admit',
] as const;
/** What may be given, and is made or chosen otherwise. */
const optional = ['image', 'shared', 'subnet'] as const;

type NotAsked = (typeof madeHere)[number] | (typeof leftAtDefault)[number];

/** The settings that always have a value, by the operator or by default. */
export type LocalSetting = Exclude<SettingName, NotAsked | (typeof optional)[number]>;

const notAsked: ReadonlySet<SettingName> = new Set([...madeHere, ...leftAtDefault]);

/** The settings that `local` has flags for. */
export const localFlagSettings = settingNames.filter((name) => !notAsked.has(name));

export const localSettings = localFlagSettings.filter(
  (name) => !(optional as readonly SettingName[]).includes(name),
) as LocalSetting[];

/** The scheduler's settings, as an operator of a real cluster would have written them. */
export function completeSettings(
  settings: Checked<LocalSetting>,
  made: Pick<
    Settings,
    'master' | 'ips' | 'stateFile' | 'image' | 'shared' | 'subnet' | 'network' | 'dockerParameters'
  >,
): Settings {
  return { ...checkSettings({}, {}, leftAtDefault), ...settings, ...made };
}
