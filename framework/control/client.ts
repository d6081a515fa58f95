/** Calls to node agents, by mutual TLS. */
import type { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { type ControlCall, controlPath, ports } from '../../executor-image/contract.js';
import type { SchedulerKey } from '../store/key-pair.js';
import { schedulerCertificate } from './certificate.js';

/** A node agent tries for 4 s itself to do what etcd cannot do yet. */
const answerWithinMs = 6000;

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** PEM text of the CA that the node agent's certificate is of; only where it was not known before. */
  readonly ca?: string;
}

export class ControlClient {
  readonly #cert: string;
  readonly #key: string;

  constructor(
    key: SchedulerKey,
    /** Other than the contract's in tests. */
    readonly port: number = ports.control,
  ) {
    this.#cert = schedulerCertificate(key);
    this.#key = key.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  }

  /**
   * Sends a call to the node agent at `address`.
   * @param ca the cluster's CA; absent at the first meeting, where the one that is shown is taken, and given back
   * @throws when there is no answer in time, or from somebody who is not of that CA, or not at that address
   */
  call(address: string, call: ControlCall, ca: string | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({
        ...{ host: address, port: this.port, path: controlPath, method: 'POST' },
        // A connection for each call, so that every one is checked from its beginning.
        agent: false,
        cert: this.#cert,
        key: this.#key,
        ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
        minVersion: 'TLSv1.3',
        signal: AbortSignal.timeout(answerWithinMs),
        headers: { 'content-type': 'application/json' },
      });
      asked.on('error', reject);
      asked.on('response', (response) => {
        const leaf = (response.socket as TLSSocket).getPeerX509Certificate();
        const shown = ca === undefined && leaf !== undefined ? authorityOf(leaf, address) : undefined;
        const status = response.statusCode ?? 0;
        textOf(response).then((text) => {
          if (ca !== undefined) resolve({ status, text });
          else if (shown !== undefined) resolve({ status, text, ca: shown });
          else reject(new Error(`${address} shows no certificate of its own with that of a CA behind it`));
        }, reject);
      });
      asked.end(JSON.stringify(call));
    });
  }
}

/** The CA behind a certificate, when that is one for `address` and of that CA. */
function authorityOf(leaf: X509Certificate, address: string): string | undefined {
  const ca = leaf.issuerCertificate;
  if (ca === undefined || !ca.ca || leaf.checkIP(address) === undefined) return undefined;
  return leaf.checkIssued(ca) && leaf.verify(ca.publicKey) ? ca.toString() : undefined;
}
