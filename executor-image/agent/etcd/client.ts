/** Talking to one etcd member: a client for one endpoint, with short deadlines and no policy that would hide a failure. */
import { ExponentialBackoff, noop } from 'cockatiel';
import { Etcd3, type IMember, type IStatusResponse } from 'etcd3';
import { ports } from '../../contract.js';
import type { Credentials } from '../trust/credentials.js';

const callDeadlineMs = 1000;

/**
 * A client for the member at `address`. etcd3's own fault handling is off: its breaker would refuse calls for 5 s after
 * three failures, just when a member comes back.
 */
export function connect(address: string, credentials: Credentials): Etcd3 {
  const { ca, cert, key } = credentials.tls;
  return new Etcd3({
    hosts: `https://${address}:${ports.etcdClient}`,
    credentials: {
      rootCertificate: Buffer.from(ca),
      certChain: Buffer.from(cert),
      privateKey: Buffer.from(key),
    },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + callDeadlineMs }),
    faultHandling: {
      host: () => noop,
      global: noop,
      // The default waits up to half a minute before it looks for a server that was away.
      watchBackoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: 500 }).next(),
    },
    grpcOptions: {
      // And these up to two minutes.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.use_local_subchannel_pool': 1,
      // TLS has no names for addresses: a node is to show the certificate of whoever lives at this one.
      'grpc.ssl_target_name_override': credentials.nameOf(address),
      'grpc.keepalive_time_ms': 5000,
      'grpc.keepalive_timeout_ms': 2000,
      // No proxy of the environment stands between nodes.
      'grpc.enable_http_proxy': 0,
    },
  });
}

/** Who has a client for the own member, which is another one after its certificate was renewed. */
export interface ClientSource {
  readonly client: Etcd3;
}

/** A member as the cluster lists it. */
export interface Member {
  /** Decimal, as etcd3 has it. */
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly address: string;
  readonly learner: boolean;
}

export function memberOf(raw: IMember): Member {
  return { id: raw.ID, name: raw.name, address: addressOf(raw.peerURLs[0] ?? ''), learner: raw.isLearner };
}

/** `192.0.2.100` of `http://192.0.2.100:2380`. */
export function addressOf(url: string): string {
  return /^https?:\/\/([^:/]+)/.exec(url)?.[1] ?? url;
}

export async function listMembers(client: Etcd3): Promise<Member[]> {
  return (await client.cluster.memberList({})).members.map(memberOf);
}

/** A member's own view; `leader` is "0" when it knows of none. */
export function statusOf(client: Etcd3, deadlineMs = callDeadlineMs): Promise<IStatusResponse> {
  return client.maintenance.status({ deadline: Date.now() + deadlineMs });
}

/** As etcdctl prints a member's id. */
export function hexId(id: string): string {
  return BigInt(id).toString(16);
}
