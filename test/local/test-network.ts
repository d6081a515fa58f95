/** A bridge network of its own for a test, on a range that no route of the machine touches (FACTS, Calico, Docker 3). */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface TestNetwork {
  readonly name: string;
  address(last: number): string;
  remove(): void;
}

/** Ranges for documentation and tests; 192.0.2.0/24 is left out, which machines like this are themselves on. */
const prefixes = ['198.51.100', '203.0.113', '198.18.77', '198.19.77'];

export function makeTestNetwork(): TestNetwork {
  const name = `mesos-jupyter-test-${process.pid}`;
  const failures: string[] = [];
  for (const prefix of prefixes.filter((p) => !isRouted(p))) {
    try {
      execFileSync('docker', ['network', 'create', '--subnet', `${prefix}.0/24`, name], { stdio: 'pipe' });
      return {
        name,
        address: (last) => `${prefix}.${last}`,
        remove: () => execFileSync('docker', ['network', 'rm', name], { stdio: 'pipe' }),
      };
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no free range for a test network: ${failures.join('; ')}`);
}

/** Whether a route other than the default one leads there: /proc/net/route has addresses in little-endian hexadecimal. */
function isRouted(prefix: string): boolean {
  const wanted = prefix
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0').toUpperCase())
    .reverse()
    .join('');
  return readFileSync('/proc/net/route', 'utf8')
    .split('\n')
    .some((line) => line.split(/\s+/)[1]?.endsWith(wanted) === true);
}
