// oxlint-disable-next-line import/no-unassigned-import -- it completes the global Reflect, which @peculiar/x509 needs
import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { type KeyPair, unfitnessOf } from "./certificates.ts";
import type { IdentityStore } from "./identities.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const LIFE_MS = 365 * 24 * 3_600_000;
/** Clocks of two hosts may differ by so much. */
const EARLIER_MS = 3_600_000;

export interface SelfSignedSpec {
  /** Names the file in the store. */
  readonly name: string;
  readonly commonName: string;
  readonly address: string;
}

/**
 * A certificate for a server that one caller knows by the certificate itself, such as a webhook:
 * the stored one while it is good, else a new one for a year.
 */
export async function selfSigned(
  { name, commonName, address }: SelfSignedSpec,
  store: IdentityStore,
  nowMs: number,
): Promise<KeyPair> {
  const stored = await store.load(name);
  const subject = { commonName, addresses: [address] };
  if (stored && (await unfitnessOf(stored, subject, stored.cert, nowMs)) === undefined) {
    return stored;
  }

  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    notBefore: new Date(nowMs - EARLIER_MS),
    notAfter: new Date(nowMs + LIFE_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([{ type: "ip", value: address }]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  const pair = { cert: certificate.toString("pem"), key: PemConverter.encode(key, "PRIVATE KEY") };
  await store.save(name, pair);
  return pair;
}
