/** The cluster's CA and the certificates that it signs for nodes. No I/O here; the wall clock is passed in. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { type Issuer, makeCertificate } from '../../certificates.js';
import { stableName } from '../../contract.js';
import { holderName, shiftingName } from '../hosts.js';

export interface Authority extends Issuer {
  /** PEM text: what everybody trusts. */
  readonly certificate: string;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Clocks may be a day off: who looks may be a day behind, and who made it a day ahead. And an hour to spare. */
const backdatedMs = 2 * dayMs + hourMs;
/** Renewed daily; a week lets a node whose renewal fails, or a clock that runs ahead, be noticed in time. */
const validForMs = 7 * dayMs;
const renewAfterMs = dayMs;
/** The CA ends with its volume, not by time. */
const authorityValidForMs = 30 * 365 * dayMs;

/** A new CA, as one text: its private key, then its certificate, so that `link` makes both at once. To be kept secret. */
export function newAuthority(nowMs: number): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const name = 'mesos-jupyter cluster';
  const certificate = makeCertificate({
    name,
    publicKey,
    issuer: { name, publicKey, privateKey },
    validFromMs: nowMs - backdatedMs,
    validUntilMs: nowMs + authorityValidForMs,
    isAuthority: true,
  });
  return `${privateKey.export({ format: 'pem', type: 'pkcs8' })}${certificate}`;
}

/** @throws when `text` is no CA and its key */
export function readAuthority(text: string): Authority {
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(text)?.[0];
  if (certificate === undefined) throw new Error('there is no certificate in it');
  const x509 = new X509Certificate(certificate);
  const privateKey = createPrivateKey(text);
  if (!x509.ca || !x509.checkPrivateKey(privateKey))
    throw new Error('its certificate is not that of a CA with its key');
  const name = /^CN=(.*)$/m.exec(x509.subject)?.[1] ?? '';
  return { certificate, name, privateKey, publicKey: createPublicKey(privateKey) };
}

export interface NodeIdentity {
  readonly node: number;
  /** IPv4 addresses of all nodes, by number. */
  readonly addresses: readonly string[];
}

/** Each node's certificate is good for every name that may come to be its: node0… shift, and `notebook` moves. */
export function nodeCertificate(
  authority: Authority,
  publicKey: KeyObject,
  { node, addresses }: NodeIdentity,
  nowMs: number,
): string {
  return makeCertificate({
    name: stableName(node),
    publicKey,
    issuer: authority,
    validFromMs: nowMs - backdatedMs,
    validUntilMs: nowMs + validForMs,
    addresses: [addresses[node] ?? '', '127.0.0.1'],
    hostnames: [
      stableName(node),
      ...addresses.map((_, position) => shiftingName(position)),
      holderName,
      'localhost',
    ],
  });
}

/** Whether a certificate of `madeAtMs` is to be renewed: after a day, or when the clock was set back to before it was made. */
export function isDue(madeAtMs: number, nowMs: number): boolean {
  return nowMs >= madeAtMs + renewAfterMs || nowMs < madeAtMs - hourMs;
}
