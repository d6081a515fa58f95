/** What this node shows others and asks of them: its key and certificate, made when it starts and renewed daily, and the CA. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { stableName } from '../../contract.js';
import { sleep } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { type Authority, isDue, type NodeIdentity, nodeCertificate } from './authority.js';

/**
 * On the container's own disk, for etcd and etcdctl; the Dockerfile and sshd_config name the same paths. The key stays for the
 * container's life, so that a renewal replaces one file, and who reads the two at any moment has a pair.
 */
export const tlsFiles = {
  directory: '/run/mesos-jupyter/tls',
  authority: '/run/mesos-jupyter/tls/ca.pem',
  certificate: '/run/mesos-jupyter/tls/node.pem',
  key: '/run/mesos-jupyter/tls/node.key',
} as const;

/** PEM texts for one end of a connection. */
export interface Tls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const lookEveryMs = 60_000;

export class Credentials {
  readonly #onRenewed: (() => void)[] = [];
  /** This container's, for its life. */
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  #madeAtMs = 0;
  #authority: Authority | undefined;
  #tls: Tls | undefined;

  constructor(
    readonly identity: NodeIdentity,
    readonly log: Log,
  ) {}

  /** Makes the certificate, and lays it where etcd reads it. Nothing is connected before. */
  async open(authority: Authority): Promise<void> {
    this.#authority = authority;
    const { ca, key, cert } = this.#issue();
    await mkdir(tlsFiles.directory, { recursive: true, mode: 0o700 });
    await replace(tlsFiles.authority, ca);
    await replace(tlsFiles.key, key);
    await replace(tlsFiles.certificate, cert);
  }

  /** What is shown and trusted now; a connection that is open keeps what it was made with. */
  get tls(): Tls {
    if (this.#tls === undefined) throw new Error('there is no certificate yet');
    return this.#tls;
  }

  /** The name that the certificate of the node at `address` bears. */
  nameOf(address: string): string {
    return stableName(this.identity.addresses.indexOf(address));
  }

  /** Calls `listener` after each renewal. */
  onRenewed(listener: () => void): void {
    this.#onRenewed.push(listener);
  }

  /** Renews the certificate when it is due, by the wall clock, since that is what others check it by. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(lookEveryMs, signal);
      if (signal.aborted || !isDue(this.#madeAtMs, Date.now())) continue;
      await this.renew().catch((error) =>
        this.log.error(`the certificate cannot be renewed: ${messageOf(error)}`),
      );
    }
  }

  /** etcd reads its certificate anew for each connection. */
  async renew(): Promise<void> {
    await replace(tlsFiles.certificate, this.#issue().cert);
    this.log.info('the certificate is renewed');
    for (const listener of this.#onRenewed) listener();
  }

  /** The CA's key is kept from the start, so that a renewal does not depend on the volume. */
  #issue(): Tls {
    if (this.#authority === undefined) throw new Error('there is no CA yet');
    const { publicKey, privateKey } = this.#keys;
    this.#madeAtMs = Date.now();
    this.#tls = {
      ca: this.#authority.certificate,
      cert: nodeCertificate(this.#authority, publicKey, this.identity, this.#madeAtMs),
      key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    };
    return this.#tls;
  }
}

async function replace(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
