/** The scheduler's key pair: its stored form, and the fingerprint by which node agents know it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { fingerprintOf } from '../../executor-image/certificates.js';
import { CodedError, messageOf } from '../errors.js';

/** An ECDSA key on P-256: what every TLS implementation takes for a certificate. */
export interface SchedulerKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Of the public key, as `fingerprintOf` says it. No secret; a task's environment carries it. */
  readonly fingerprint: string;
}

/** @returns PEM text, to be kept secret */
export function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/**
 * @param where named in errors
 * @throws CodedError STATE_CORRUPT for anything that is no such key
 */
export function readKey(pem: string, where: string): SchedulerKey {
  const cure =
    'put back a copy, or remove it to have another one made (node agents that run know only the old one)';
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw new CodedError('STATE_CORRUPT', `${where} is no private key (${messageOf(error)}): ${cure}`);
  }
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CodedError('STATE_CORRUPT', `${where} is no key on the curve P-256: ${cure}`);
  }
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, fingerprint: fingerprintOf(publicKey) };
}
