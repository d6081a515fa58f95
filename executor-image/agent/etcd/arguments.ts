/** etcd's command line. */
import { ports } from '../../contract.js';
import { etcdTiming } from '../../lease-times.js';
import { tlsFiles } from '../trust/credentials.js';
import { quotaBytes } from './space.js';

export interface StartOptions {
  readonly name: string;
  readonly address: string;
  readonly generation: number;
  readonly dataDirectory: string;
  readonly state: 'new' | 'existing';
  /** Names and addresses of all members, this one included. Read by etcd at its first start only. */
  readonly members: readonly { readonly name: string; readonly address: string }[];
}

export function peerUrl(address: string): string {
  return `https://${address}:${ports.etcdPeer}`;
}

function clientUrl(address: string): string {
  return `https://${address}:${ports.etcdClient}`;
}

export function etcdArguments(options: StartOptions): string[] {
  const { address } = options;
  return Object.entries({
    name: options.name,
    'data-dir': options.dataDirectory,
    'listen-peer-urls': peerUrl(address),
    // On the loopback as well, for etcdctl typed by hand with no flags.
    'listen-client-urls': `${clientUrl(address)},${clientUrl('127.0.0.1')}`,
    'initial-advertise-peer-urls': peerUrl(address),
    'advertise-client-urls': clientUrl(address),
    'heartbeat-interval': String(etcdTiming.heartbeatMs),
    'election-timeout': String(etcdTiming.electionTimeoutMs),
    'initial-cluster': options.members.map((member) => `${member.name}=${peerUrl(member.address)}`).join(','),
    'initial-cluster-state': options.state,
    // Members of different generations never speak to one another.
    'initial-cluster-token': `mesos-jupyter-${options.generation}`,
    // Both ports take only who shows a certificate of the cluster's CA. etcd reads its own anew for each connection, and of a
    // peer that connects it wants one for the very address that it comes from.
    'cert-file': tlsFiles.certificate,
    'key-file': tlsFiles.key,
    'trusted-ca-file': tlsFiles.authority,
    'client-cert-auth': 'true',
    'peer-cert-file': tlsFiles.certificate,
    'peer-key-file': tlsFiles.key,
    'peer-trusted-ca-file': tlsFiles.authority,
    'peer-client-cert-auth': 'true',
    // Nobody here speaks etcd's JSON, for which it would connect to itself.
    'enable-grpc-gateway': 'false',
    // What months unattended need: old revisions go, and the database cannot fill the disk (space.ts sees to its alarm).
    'auto-compaction-mode': 'periodic',
    'auto-compaction-retention': '1h',
    'quota-backend-bytes': String(quotaBytes),
    'snapshot-count': '10000',
    'log-level': 'warn',
  }).map(([flag, value]) => `--${flag}=${value}`);
}
