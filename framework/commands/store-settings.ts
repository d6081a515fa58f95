/** What it takes to find the store, and to be let in, beside the framework's name. */
import type { SettingName } from '../config/settings.js';

export const storeSettings = [
  'stateFile',
  'store',
  'storeCaFile',
  'storeCertFile',
  'storeKeyFile',
  'storeUser',
  'storePasswordFile',
] as const satisfies readonly SettingName[];
