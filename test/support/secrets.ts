/** What of a running cluster is secret, and whether a text has any of it. */
import { tlsFiles } from '../../executor-image/agent/trust/credentials.js';
import { authorityFileName, containerPaths, tokenFileName } from '../../executor-image/contract.js';
import type { ClusterAccess } from './cluster-access.js';

export interface Secrets {
  /** The names of those that are in `text`. */
  foundIn(text: string): string[];
}

/**
 * The token, the CA's key, and every node's TLS and SSH keys.
 * @param more private keys in PEM, by name
 */
export async function secretsOf(
  cluster: ClusterAccess,
  more: Readonly<Record<string, string>>,
): Promise<Secrets> {
  const trusted = (name: string): Promise<string> =>
    cluster.exec(cluster.nodes[0] ?? 0, 'cat', `${containerPaths.trusted}/${name}`);
  const secrets = new Map<string, string>([
    ['the token', (await trusted(tokenFileName)).trim()],
    ['the CA’s key', bodyOf(await trusted(authorityFileName))],
  ]);
  for (const [name, pem] of Object.entries(more)) secrets.set(name, bodyOf(pem));
  for (const node of cluster.nodes) {
    for (const path of [tlsFiles.key, '/etc/ssh/ssh_host_ed25519_key', '/root/.ssh/id_ed25519']) {
      secrets.set(`${path} of node ${node}`, bodyOf(await cluster.exec(node, 'cat', path)));
    }
  }
  for (const [name, secret] of secrets) if (secret.length < 40) throw new Error(`${name} is not there`);
  return {
    foundIn: (text) => [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name),
  };
}

/** The middle line of a PEM text's first part, which has something of the private half in it. */
function bodyOf(pem: string): string {
  const lines = (pem.split('-----END')[0] ?? '')
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  return lines[Math.floor(lines.length / 2)] ?? '';
}
