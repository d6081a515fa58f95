/** Complete settings for tests: those that have no default, given as flags would give them, and what a test changes. */
import { loadSettings } from '../../framework/config/load.js';
import type { Settings } from '../../framework/config/settings.js';

export const testAddresses = ['198.51.100.100', '198.51.100.101', '198.51.100.102'];

export function settingsOf(changes: Partial<Settings> = {}): Settings {
  const settings = loadSettings({
    flags: {
      master: 'http://127.0.0.1:5050',
      image: 'example/node:1',
      ips: testAddresses.join(','),
      shared: '/srv/shared',
      'state-file': '/nonexistent/state.json',
    },
  });
  return { ...settings, ...changes };
}
