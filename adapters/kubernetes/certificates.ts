// oxlint-disable-next-line import/no-unassigned-import -- it completes the global Reflect, which @peculiar/x509 needs
import "reflect-metadata";
import {
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from "@peculiar/x509";
import ipaddr from "ipaddr.js";

const { isValid: isIpAddress, parse } = ipaddr;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** Renewed when this part of its life is over. */
const RENEW_AT = 0.7;

/** Who a certificate is for. */
export interface Subject {
  readonly commonName: string;
  readonly organization?: string;
  /** IP addresses a server is reached at; none for a client. */
  readonly addresses: readonly string[];
  /** DNS names a server is known by. */
  readonly names?: readonly string[];
}

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A fresh ECDSA key and the request to certify it; `key` is PKCS#8, both are PEM. */
export async function certificateRequestFor(
  subject: Subject,
): Promise<{ readonly request: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const { commonName, organization, addresses, names: dnsNames = [] } = subject;
  const names = [
    ...addresses.map((value) => ({ type: "ip" as const, value })),
    ...dnsNames.map((value) => ({ type: "dns" as const, value })),
  ];
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [...(organization === undefined ? [] : [{ O: [organization] }]), { CN: [commonName] }],
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { request: request.toString("pem"), key: PemConverter.encode(key, "PRIVATE KEY") };
}

/**
 * Why a stored pair cannot be used for `subject` in this cluster, or `undefined` when it can:
 * it must be signed by one of `authorities` (PEM), still be young enough, and say the same names.
 */
export async function unfitnessOf(
  pair: KeyPair,
  subject: Subject,
  authorities: string,
  nowMs: number,
): Promise<string | undefined> {
  const certificate = certificateIn(pair.cert);
  if (certificate === undefined) return "it cannot be read";
  if (nowMs < certificate.notBefore.getTime()) return "it is not valid yet";
  if (nowMs >= renewalTimeOf(certificate)) return "it is due for renewal";
  if (!isFor(certificate, subject)) return "it is for another name or address";
  const signed = await Promise.all(
    certificatesIn(authorities).map((authority) => isSignedBy(certificate, authority)),
  );
  return signed.includes(true) ? undefined : "it is from another cluster";
}

/** When a certificate is to be renewed, in milliseconds since the epoch. */
export function renewalTimeFor(pem: string): number {
  return renewalTimeOf(new X509Certificate(pem));
}

function renewalTimeOf({ notBefore, notAfter }: X509Certificate): number {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return notBefore.getTime() + Math.round(lifeMs * RENEW_AT);
}

function isFor(certificate: X509Certificate, subject: Subject): boolean {
  const has = (field: string, value: string | undefined): boolean =>
    JSON.stringify(certificate.subjectName.getField(field)) ===
    JSON.stringify(value === undefined ? [] : [value]);
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const of = (wanted: "ip" | "dns"): readonly string[] =>
    names.flatMap(({ type, value }) => (type === wanted ? [value] : []));
  return (
    has("CN", subject.commonName) &&
    has("O", subject.organization) &&
    sorted(of("ip")) === sorted(subject.addresses) &&
    sorted(of("dns")) === sorted(subject.names ?? [])
  );
}

/** Addresses in one order and one spelling. */
function sorted(addresses: readonly string[]): string {
  return addresses
    .map((address) => canonical(address))
    .toSorted()
    .join();
}

async function isSignedBy(certificate: X509Certificate, authority: X509Certificate) {
  try {
    return (
      certificate.issuer === authority.subject &&
      (await certificate.verify({ publicKey: authority.publicKey, signatureOnly: true }))
    );
  } catch {
    return false;
  }
}

function certificatesIn(bundle: string): X509Certificate[] {
  return PemConverter.decode(bundle).map((der) => new X509Certificate(der));
}

function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function canonical(address: string): string {
  return isIpAddress(address) ? parse(address).toNormalizedString() : address;
}
