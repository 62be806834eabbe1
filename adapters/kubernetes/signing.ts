import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { certificateRequestFor, type KeyPair, type Subject } from "./certificates.ts";
import type { KubernetesClient } from "./client.ts";
import { decoderOf, ignored } from "./decode.ts";

const REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const LIFE_SECONDS = 30 * 24 * 3_600;
const ISSUE_TIMEOUT_MS = 30_000;
const LOOK_FIRST_MS = 50;
const LOOK_MAX_MS = 1_000;

export type Signer =
  | "kubernetes.io/kube-apiserver-client"
  | "kubernetes.io/kube-apiserver-client-kubelet"
  | "kubernetes.io/kubelet-serving";

export interface SigningOrder {
  readonly signer: Signer;
  readonly subject: Subject;
}

const requestFrom = decoderOf(
  z.object({
    metadata: z.object({ name: z.string() }),
    spec: z.object({
      request: z.string(),
      signerName: z.string(),
      usages: z.array(z.string()).default([]),
    }),
    status: z
      .object({
        certificate: z.string().optional(),
        conditions: z
          .array(z.object({ type: z.string(), message: z.string().default("") }))
          .default([]),
      })
      .default({ conditions: [] }),
  }),
  "CertificateSigningRequest",
);

type SigningRequest = ReturnType<typeof requestFrom>;

/**
 * A new key pair for `order`, signed by the cluster: asked for, approved by us after comparing what
 * the API server stored with what we asked, collected. The key never leaves this process.
 * Throws `Forbidden` when it is denied or another one stands in its place, `Unavailable` after 30 s.
 */
export async function signedKeyPair(
  order: SigningOrder,
  { client, clock }: { readonly client: KubernetesClient; readonly clock: Clock },
  signal: AbortSignal,
): Promise<KeyPair> {
  const { request, key } = await certificateRequestFor(order.subject);
  const wanted = {
    request: Buffer.from(request).toString("base64"),
    signerName: order.signer,
    expirationSeconds: LIFE_SECONDS,
    usages: ["digital signature", isServer(order) ? "server auth" : "client auth"],
  };
  const body = {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { generateName: "fks-node-" },
    spec: wanted,
  };
  const created = await client.create(REQUESTS, body, requestFrom, signal);
  if (!isAsWanted(created, wanted)) {
    throw new FksError(
      "Forbidden",
      `the signing request for ${order.subject.commonName} was changed`,
    );
  }
  await approve(created, client, signal);
  const deadline = AbortSignal.any([signal, clock.timeout(ISSUE_TIMEOUT_MS)]);
  try {
    return { cert: await issued(created.metadata.name, { client, clock }, deadline), key };
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.aborted) throw error;
    const name = order.subject.commonName;
    throw new FksError(
      "Unavailable",
      `the cluster did not sign the certificate of ${name} in time`,
    );
  }
}

function isServer({ signer }: SigningOrder): boolean {
  return signer === "kubernetes.io/kubelet-serving";
}

function isAsWanted({ spec }: SigningRequest, wanted: SigningRequest["spec"]): boolean {
  return (
    spec.request === wanted.request &&
    spec.signerName === wanted.signerName &&
    spec.usages.toSorted().join() === wanted.usages.toSorted().join()
  );
}

async function approve(
  { metadata: { name } }: SigningRequest,
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<void> {
  const condition = {
    type: "Approved",
    status: "True",
    reason: "FksNodeApproved",
    message: "asked for and checked by fks-node",
  };
  const body = { status: { conditions: [condition] } };
  try {
    const path = `${REQUESTS}/${name}/approval`;
    await client.patch({ path, type: "merge-patch", body }, ignored, signal);
  } catch (error) {
    // The controller-manager was faster: it approves some requests by itself.
    if (!FksError.is(error, "Conflict") && !FksError.is(error, "InvalidInput")) throw error;
  }
}

/** Waits for the certificate. */
async function issued(
  name: string,
  { client, clock }: { readonly client: KubernetesClient; readonly clock: Clock },
  signal: AbortSignal,
): Promise<string> {
  for (let delayMs = LOOK_FIRST_MS; ; delayMs = Math.min(delayMs * 2, LOOK_MAX_MS)) {
    const { status } = await client.get(`${REQUESTS}/${name}`, requestFrom, signal);
    if (status.certificate !== undefined) {
      return Buffer.from(status.certificate, "base64").toString("utf8");
    }
    const refusal = status.conditions.find(({ type }) => type === "Denied" || type === "Failed");
    if (refusal !== undefined) {
      throw new FksError("Forbidden", `the cluster refused to sign: ${refusal.message}`);
    }
    await sleep(clock, delayMs, signal);
  }
}
