/** How the master is reached beyond its address: credentials, and TLS. */
import { createSecureContext } from 'node:tls';
import { readNamedFile } from '../config/files.js';
import { CodedError, messageOf } from '../errors.js';

export interface Transport {
  /** Value of the `Authorization` header; never logged. */
  readonly authorization?: string;
  /** PEM texts for https. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface TransportSettings {
  readonly principal?: string | undefined;
  readonly secretFile?: string | undefined;
  readonly tlsCaFile?: string | undefined;
  readonly tlsCertFile?: string | undefined;
  readonly tlsKeyFile?: string | undefined;
}

/** The variable that a secret may come in, where no file is given. A flag would show in the process list. */
export const secretVariable = 'MESOS_JUPYTER_SECRET';

/**
 * Reads the files that the settings name.
 * @throws CodedError FILES_UNUSABLE where one cannot be read, CONFIG_INVALID for a secret without a principal
 */
export function loadTransport(
  settings: TransportSettings,
  env: Readonly<Record<string, string | undefined>>,
): Transport {
  const read = (name: keyof TransportSettings) => readNamedFile(settings, name);
  const secret = (read('secretFile') ?? env[secretVariable])?.replace(/\r?\n$/, '');
  if (secret !== undefined && settings.principal === undefined) {
    throw new CodedError(
      'CONFIG_INVALID',
      'a secret is given, but no principal that it belongs to: set principal, too',
    );
  }
  const ca = read('tlsCaFile');
  const cert = read('tlsCertFile');
  const key = read('tlsKeyFile');
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  checkTls(tls);
  return {
    ...(secret !== undefined && {
      authorization: `Basic ${Buffer.from(`${settings.principal}:${secret}`).toString('base64')}`,
    }),
    tls,
  };
}

/** What is in the files is looked at now: OpenSSL's words at the first connection name neither file nor setting. */
function checkTls({ ca, cert, key }: Transport['tls']): void {
  // OpenSSL passes over what is no certificate, and then trusts nobody.
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----'))
    throw new CodedError('FILES_UNUSABLE', 'tlsCaFile: there is no certificate in PEM in it');
  if ((cert === undefined) !== (key === undefined)) {
    throw new CodedError('CONFIG_INVALID', 'a client certificate needs both: set tlsCertFile and tlsKeyFile');
  }
  if (cert === undefined || key === undefined) return;
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new CodedError(
      'FILES_UNUSABLE',
      `tlsCertFile and tlsKeyFile: they are no certificate and its key in PEM (${messageOf(error)})`,
    );
  }
}

/**
 * What to do about a connection that failed for TLS' sake before any answer, where Node's words do not say; undefined for any
 * other failure.
 */
export function tlsAdvice(error: unknown, master: URL): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  switch (error.code) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return "the master's certificate is signed by no CA that is trusted here: set tlsCaFile to the PEM file of its CA";
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return "the master's certificate is not valid at this time: have it renewed, or set this machine's clock";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return "the master's certificate is for other names: use one of them in master, or have it issued for this one (masters that ZooKeeper names are reached by their IP address)";
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'what answers there speaks no TLS: is it http:// in place of https://?';
  }
  if (/^ERR_SSL_.*ALERT/.test(error.code)) {
    return "the master refused this side's certificate, or misses one: set tlsCertFile and tlsKeyFile to one that it accepts";
  }
  // Some servers send no alert.
  if (error.code === 'ECONNRESET' && master.protocol === 'https:') {
    return 'a master that demands a client certificate may end a connection like this: if it does, set tlsCertFile and tlsKeyFile to one that it accepts';
  }
  if (error.code.startsWith('HPE_'))
    return 'what answers there is no HTTP: is it https:// in place of http://?';
  return undefined;
}
