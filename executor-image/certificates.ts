/** X.509 certificates as both sides make them: the cluster's CA, what it signs, and the scheduler's own. ECDSA on P-256. */
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

/** Who signs: itself, or a CA. */
export interface Issuer {
  /** Common name. */
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface CertificateOptions {
  /** Common name. */
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly issuer: Issuer;
  /** On the wall clock, in milliseconds. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
  /** Whether it may sign others. Any other one is for TLS, for both ends of a connection. */
  readonly isAuthority?: boolean;
  /** What it is to be found under. Default: nothing. */
  readonly addresses?: readonly string[];
  readonly hostnames?: readonly string[];
}

/** @returns PEM text */
export function makeCertificate(options: CertificateOptions): string {
  const { issuer, publicKey } = options;
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: signatureAlgorithm,
    issuer: nameOf(issuer.name),
    subject: nameOf(options.name),
    validity: new Validity({
      notBefore: new Date(options.validFromMs),
      notAfter: new Date(options.validUntilMs),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(spkiOf(publicKey), SubjectPublicKeyInfo),
    extensions: extensionsOf(options),
  });
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), issuer.privateKey);
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm,
    signatureValue: exactly(signature),
  });
  const base64 = Buffer.from(AsnConvert.serialize(certificate)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}

/** `SHA256:` and the base64 of the hash of a public key's SPKI form. No secret. */
export function fingerprintOf(publicKey: KeyObject): string {
  return `SHA256:${createHash('sha256').update(spkiOf(publicKey)).digest('base64')}`;
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const commonName = '2.5.4.3';

function extensionsOf(options: CertificateOptions): Extensions {
  const { isAuthority = false, addresses = [], hostnames = [], issuer, publicKey } = options;
  const usage = isAuthority
    ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign
    : KeyUsageFlags.digitalSignature;
  const names = [
    ...hostnames.map((dNSName) => new GeneralName({ dNSName })),
    ...addresses.map((iPAddress) => new GeneralName({ iPAddress })),
  ];
  return new Extensions([
    extension(id_ce_basicConstraints, new BasicConstraints(isAuthority ? { cA: true } : {}), true),
    extension(id_ce_keyUsage, new KeyUsage(usage), true),
    ...(isAuthority
      ? []
      : [extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth]))]),
    ...(names.length === 0 ? [] : [extension(id_ce_subjectAltName, new SubjectAlternativeName(names))]),
    // By these a chain is put together where two CAs bear one name.
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(publicKey))),
    extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(issuer.publicKey)) }),
    ),
  ]);
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function nameOf(name: string): Name {
  const value = new AttributeValue({ utf8String: name });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonName, value })])]);
}

/** Positive, and never the same again. */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return exactly(bytes);
}

const keyIdentifier = (publicKey: KeyObject): ArrayBuffer =>
  exactly(createHash('sha1').update(spkiOf(publicKey)).digest());

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' });
}

/** The bytes alone: a Buffer's own ArrayBuffer may be a pool that many share. */
function exactly(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
