/** How the master is reached beyond its address: credentials, and TLS. */
import { readFileSync } from 'node:fs';
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
  const read = (name: keyof TransportSettings): string | undefined => {
    const path = settings[name];
    if (path === undefined) return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new CodedError('FILES_UNUSABLE', `${name}: cannot read ${path}: ${messageOf(error)}`);
    }
  };
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
  return {
    ...(secret !== undefined && {
      authorization: `Basic ${Buffer.from(`${settings.principal}:${secret}`).toString('base64')}`,
    }),
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
  };
}
