// The certificate library looks its parts up by metadata that this one adds to Reflect.
// oxlint-disable-next-line import/no-unassigned-import
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

export const EC_KEY = { name: "ECDSA", namedCurve: "P-256" } as const;
export const SIGNING = { ...EC_KEY, hash: "SHA-256" } as const;

const DAY_MS = 86_400_000;
const CA_LIFE_MS = 3_652 * DAY_MS;
const LEAF_LIFE_MS = 365 * DAY_MS;
/** Clocks of two hosts are never quite the same. */
const BACKDATED_MS = 300_000;

export interface Issuer {
  readonly certificate: X509Certificate;
  readonly key: CryptoKey;
}

/** A new certificate authority of ten years, with its key as PEM text. */
export async function issueCa(
  commonName: string,
  now: Date,
): Promise<Issuer & { readonly keyText: string }> {
  const keys = await crypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [commonName] }],
    notBefore: new Date(now.getTime() - BACKDATED_MS),
    notAfter: new Date(now.getTime() + CA_LIFE_MS),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature,
        true,
      ),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey, keyText: await keyTextOf(keys.privateKey) };
}

interface LeafRequest {
  readonly commonName: string;
  /** A group, in Kubernetes' reading of a client certificate. */
  readonly organization?: string;
  readonly usage: "server" | "client";
  readonly names: readonly JsonGeneralName[];
}

/** A new certificate of one year and its key, both as PEM text. */
export async function issueLeaf(
  issuer: Issuer,
  request: LeafRequest,
  now: Date,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { commonName, organization, usage, names } = request;
  const keys = await crypto.subtle.generateKey(SIGNING, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [...(organization === undefined ? [] : [{ O: [organization] }]), { CN: [commonName] }],
    issuer: issuer.certificate.subjectName.toJSON(),
    notBefore: new Date(now.getTime() - BACKDATED_MS),
    notAfter: new Date(now.getTime() + LEAF_LIFE_MS),
    signingAlgorithm: SIGNING,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage[`${usage}Auth`]]),
      await AuthorityKeyIdentifierExtension.create(issuer.certificate),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension([...names])]),
    ],
  });
  return { cert: `${certificate.toString("pem")}\n`, key: await keyTextOf(keys.privateKey) };
}

async function keyTextOf(key: CryptoKey): Promise<string> {
  const bytes = await crypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(bytes, "PRIVATE KEY")}\n`;
}

/** 127 random bits: positive, and never the same twice. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
