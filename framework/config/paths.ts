/** Where this program keeps what outlives it. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** /var/lib for root; for others XDG's state directory. */
export function stateDirectory(
  env: Readonly<Record<string, string | undefined>> = process.env,
  isRoot = process.getuid?.() === 0,
): string {
  if (isRoot) return '/var/lib/mesos-jupyter';
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local/state'), 'mesos-jupyter');
}
