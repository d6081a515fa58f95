/** Certificates for tests, made by the `openssl` command: a CA of its own, and what it signs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files, and their texts. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** As X.509 writes them: `IP:127.0.0.1`, `DNS:master-1`. */
  readonly names: readonly string[];
  /** Days from now on; 0 for one that has expired. Default 1. */
  readonly days?: number;
}

export class CertificateAuthority implements Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-ca-'));
  #made = 0;

  constructor(readonly name: string) {
    this.certFile = join(this.#directory, 'ca.pem');
    this.keyFile = join(this.#directory, 'ca.key');
    openssl(
      ...['req', '-x509', ...newKey, '-keyout', this.keyFile, '-out', this.certFile, '-days', '1'],
      ...['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'],
    );
  }

  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }
  get key(): string {
    return readFileSync(this.keyFile, 'utf8');
  }

  issue({ names, days = 1 }: CertificateOptions): Certificate {
    this.#made += 1;
    const path = (ending: string): string => join(this.#directory, `${this.#made}.${ending}`);
    const [certFile, keyFile, request, extensions] = [path('pem'), path('key'), path('csr'), path('ext')];
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
    openssl('req', '-new', ...newKey, '-keyout', keyFile, '-out', request, '-subj', '/CN=test');
    openssl(
      ...['x509', '-req', '-in', request, '-CA', this.certFile, '-CAkey', this.keyFile, '-CAcreateserial'],
      ...['-out', certFile, '-extfile', extensions],
      // `-days 0` ends at the very second in which it is made.
      ...['-days', String(days)],
    );
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', [...args], { stdio: 'pipe' });
}
