/** Talking to the etcd that keeps the scheduler's state: one client for all of its members, and failures as coded errors. */
import { rootCertificates } from 'node:tls';
import { handleWhen, noop, retry } from 'cockatiel';
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdPermissionDeniedError,
  GRPCInvalidArgumentError,
  GRPCUnauthenticatedError,
  isRecoverableError,
} from 'etcd3';
import { CodedError, messageOf } from '../errors.js';

export interface EtcdAccess {
  /** `HOST:PORT`, one a member. */
  readonly endpoints: readonly string[];
  /** PEM texts; undefined for plain HTTP/2. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly auth?: { readonly username: string; readonly password: string };
}

/** A member that does not answer for so long is passed over. */
export const callDeadlineMs = 3_000;

/**
 * A call that a member fails goes to each of the others once. etcd3's breaker is off: it would refuse calls for 5 s after three
 * failures, just when a member comes back.
 */
export function connectEtcd({ endpoints, tls, auth }: EtcdAccess): Etcd3 {
  return new Etcd3({
    hosts: endpoints.map((endpoint) => `${tls === undefined ? 'http' : 'https'}://${endpoint}`),
    ...(tls !== undefined && {
      credentials: {
        rootCertificate: Buffer.from(tls.ca ?? rootCertificates.join('\n')),
        ...(tls.key !== undefined && { privateKey: Buffer.from(tls.key) }),
        ...(tls.cert !== undefined && { certChain: Buffer.from(tls.cert) }),
      },
    }),
    ...(auth !== undefined && { auth }),
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + callDeadlineMs }),
    faultHandling: {
      host: () => noop,
      global:
        endpoints.length > 1
          ? retry(handleWhen(isRecoverableError), { maxAttempts: endpoints.length - 1 })
          : noop,
    },
    grpcOptions: {
      // The defaults wait up to two minutes before they look for a server that was away.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.use_local_subchannel_pool': 1,
      // A member whose host lost its power ends no connection.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 3_000,
    },
  });
}

/** Runs a call of etcd's; its failure becomes STORE_REFUSED, or STORE_UNREACHABLE for all that may pass. */
export async function answered<T>(place: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CodedError) throw error;
    if (isRefusal(error)) {
      throw new CodedError('STORE_REFUSED', `${place} refused a call: ${messageOf(error)}`, { cause: error });
    }
    throw new CodedError('STORE_UNREACHABLE', `${place} does not answer: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const isRefusal = (error: unknown): boolean =>
  error instanceof EtcdAuthenticationFailedError ||
  error instanceof EtcdPermissionDeniedError ||
  error instanceof GRPCUnauthenticatedError ||
  // Such as: "user name is empty" of an etcd that wants one, or "authentication is not enabled" of one that knows none.
  error instanceof GRPCInvalidArgumentError ||
  /authentication is not enabled/.test(messageOf(error));
