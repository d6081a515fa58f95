/** The certificate that the scheduler shows to node agents: they look at its key alone. */
import { makeCertificate } from '../../executor-image/certificates.js';
import type { SchedulerKey } from '../store/key-pair.js';

/** Signed by itself, and good at any time: node agents take the key whose fingerprint they were started with. */
export function schedulerCertificate({ publicKey, privateKey }: SchedulerKey): string {
  const name = 'mesos-jupyter scheduler';
  return makeCertificate({
    name,
    publicKey,
    issuer: { name, publicKey, privateKey },
    validFromMs: Date.UTC(2000, 0, 1),
    validUntilMs: Date.UTC(2100, 0, 1),
  });
}
