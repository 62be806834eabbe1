// The certificate library looks its parts up by metadata that this one adds to Reflect.
// oxlint-disable-next-line import/no-unassigned-import
import "reflect-metadata";
import { dirname } from "node:path";
import {
  type JsonGeneralName,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from "@peculiar/x509";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { textIfThere, writePrivate } from "../text-file.ts";
import { EC_KEY, type Issuer, issueCa, issueLeaf, SIGNING } from "./certificates.ts";
import { CA_NAMES, type CaName, type KeyPairFiles, type LeafName, type PkiFiles } from "./files.ts";

const RENEW_AFTER_SHARE = 0.7;

interface LeafSpec {
  readonly ca: CaName;
  readonly commonName: string;
  readonly organization?: string;
  readonly usage: "server" | "client";
  readonly names: readonly JsonGeneralName[];
}

interface PkiOptions {
  readonly files: PkiFiles;
  /** The API server's address, and the first one of the service range. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
}

/**
 * Makes whatever is missing of the control plane's keys and certificates.
 *
 * Authorities (10 years) and the service-account key are made once; a leaf (1 year) is issued
 * anew when its names are no longer those wanted, its authority changed, or 70 % of its life is
 * over. Returns the names of the leaves that were issued. Throws `Conflict` for half a pair.
 */
export async function ensurePki({ files, addresses, clock }: PkiOptions): Promise<LeafName[]> {
  const now = new Date(clock.now());
  await ensureServiceAccountKey(files);
  const issuers = new Map<CaName, Issuer>();
  for (const name of CA_NAMES) issuers.set(name, await ensureCa(files.pair(name), name, now));

  const issued: LeafName[] = [];
  for (const [name, spec] of leavesFor(addresses)) {
    const issuer = issuers.get(spec.ca);
    const pair = files.pair(name);
    if (issuer === undefined || (await isGood(pair, spec, issuer, now))) continue;
    const leaf = await issueLeaf(issuer, spec, now);
    // The key first: a reader that sees the new certificate also finds its key.
    await writePrivate(pair.key, leaf.key);
    await writePrivate(pair.cert, leaf.cert);
    issued.push(name);
  }
  return issued;
}

/** Who is who, and signed by whom. Pure. */
function leavesFor(addresses: readonly string[]): readonly (readonly [LeafName, LeafSpec])[] {
  const dnsNames = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
  const apiserver: LeafSpec = {
    ca: "server-ca",
    commonName: "kube-apiserver",
    usage: "server",
    names: [
      ...addresses.map((value) => ({ type: "ip" as const, value })),
      ...dnsNames.map((rest) => ({ type: "dns" as const, value: `kubernetes${rest}` })),
    ],
  };
  return [
    ["apiserver", apiserver],
    ["apiserver-kubelet-client", client("kube-apiserver-kubelet-client", "system:masters")],
    ["controller-manager", client("system:kube-controller-manager")],
    ["scheduler", client("system:kube-scheduler")],
    ["front-proxy-client", { ...client("front-proxy-client"), ca: "request-header-ca" }],
    ["admin", client("fks-admin", "system:masters")],
  ];
}

function client(commonName: string, organization?: string): LeafSpec {
  return {
    ca: "client-ca",
    commonName,
    ...(organization === undefined ? {} : { organization }),
    usage: "client",
    names: [],
  };
}

async function ensureCa(files: KeyPairFiles, name: CaName, now: Date): Promise<Issuer> {
  const [certPem, keyPem] = await Promise.all([textIfThere(files.cert), textIfThere(files.key)]);
  if (certPem !== undefined && keyPem !== undefined) {
    const [bytes] = PemConverter.decode(keyPem);
    if (bytes === undefined) throw new FksError("InvalidInput", `${files.key} holds no key`);
    const key = await crypto.subtle.importKey("pkcs8", bytes, EC_KEY, false, ["sign"]);
    return { certificate: new X509Certificate(certPem), key };
  }
  if (certPem !== undefined) {
    const sentence = `${files.key} is missing: bring it back, or move ${dirname(files.key)} away`;
    throw new FksError("Conflict", sentence);
  }
  const { certificate, key, keyText } = await issueCa(`fks-node ${name}`, now);
  await writePrivate(files.key, keyText);
  await writePrivate(files.cert, `${certificate.toString("pem")}\n`);
  return { certificate, key };
}

async function ensureServiceAccountKey(files: PkiFiles): Promise<void> {
  const { serviceAccountKey, serviceAccountPublicKey } = files;
  const both = await Promise.all([
    textIfThere(serviceAccountKey),
    textIfThere(serviceAccountPublicKey),
  ]);
  if (both.every((text) => text !== undefined)) return;
  const { privateKey, publicKey } = await crypto.subtle.generateKey(SIGNING, true, [
    "sign",
    "verify",
  ]);
  const privateBytes = await crypto.subtle.exportKey("pkcs8", privateKey);
  const publicBytes = await crypto.subtle.exportKey("spki", publicKey);
  await writePrivate(
    serviceAccountPublicKey,
    `${PemConverter.encode(publicBytes, "PUBLIC KEY")}\n`,
  );
  await writePrivate(serviceAccountKey, `${PemConverter.encode(privateBytes, "PRIVATE KEY")}\n`);
}

async function isGood(
  files: KeyPairFiles,
  spec: LeafSpec,
  issuer: Issuer,
  now: Date,
): Promise<boolean> {
  const [certPem, keyPem] = await Promise.all([textIfThere(files.cert), textIfThere(files.key)]);
  if (certPem === undefined || keyPem === undefined) return false;
  const certificate = new X509Certificate(certPem);
  const { notBefore, notAfter } = certificate;
  const renewAtMs =
    notBefore.getTime() + RENEW_AFTER_SHARE * (notAfter.getTime() - notBefore.getTime());
  if (now.getTime() < notBefore.getTime() || now.getTime() >= renewAtMs) return false;
  if (namesText(spec.names) !== namesText(namesIn(certificate))) return false;
  return certificate.verify({ publicKey: issuer.certificate, signatureOnly: true });
}

function namesIn(certificate: X509Certificate): readonly JsonGeneralName[] {
  return certificate.getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
}

/** Names in one order; addresses as the certificate's reader writes them. */
function namesText(names: readonly JsonGeneralName[]): string {
  const canonical = new SubjectAlternativeNameExtension([...names]).names.toJSON();
  return canonical
    .map(({ type, value }) => `${type}:${value}`)
    .toSorted()
    .join(",");
}
