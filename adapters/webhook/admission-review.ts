import { z } from "zod";
import { FksError } from "#core/errors.ts";
import {
  ALLOCATOR_ANNOTATION,
  CONFIGURED,
  type ServiceClaim,
} from "#core/service-address/claim.ts";

const reviewSchema = z.object({
  request: z.object({
    uid: z.string(),
    name: z.string().default(""),
    namespace: z.string(),
    dryRun: z.boolean().default(false),
    object: z.object({
      metadata: z.object({
        name: z.string().default(""),
        generateName: z.string().default(""),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
      spec: z.object({
        type: z.string().default("ClusterIP"),
        clusterIP: z.string().default(""),
        ipFamilies: z.array(z.string()).nullish(),
        ipFamilyPolicy: z.string().nullish(),
      }),
    }),
  }),
});

/** A question of the API server about one Service. */
export interface ServiceReview extends ServiceClaim {
  readonly uid: string;
  readonly namespace: string;
  /** "" where the API server is to make one from `generateName`. */
  readonly name: string;
  readonly generateName: string;
  readonly hasAnnotations: boolean;
}

/** Throws `InvalidInput` for what is no AdmissionReview of a Service. */
export function serviceReviewFrom(body: unknown): ServiceReview {
  const read = reviewSchema.safeParse(body);
  if (!read.success) throw new FksError("InvalidInput", "not an AdmissionReview of a Service");
  const { uid, namespace, dryRun, object } = read.data.request;
  const { metadata, spec } = object;
  return {
    uid,
    namespace,
    name: metadata.name,
    generateName: metadata.generateName,
    hasAnnotations: metadata.annotations !== null && metadata.annotations !== undefined,
    isDryRun: dryRun,
    type: spec.type,
    clusterIP: spec.clusterIP,
    ipFamilies: spec.ipFamilies ?? [],
    ipFamilyPolicy: spec.ipFamilyPolicy ?? "",
  };
}

/** The Service goes on as it is. */
export function allowed(uid: string): object {
  return answer({ uid, allowed: true });
}

/** The Service goes on with this address, and with the name we chose where it had none. */
export function withAddress(review: ServiceReview, name: string, ip: string): object {
  const annotation = { [ALLOCATOR_ANNOTATION]: CONFIGURED };
  const patch = [
    { op: "add", path: "/spec/clusterIP", value: ip },
    { op: "add", path: "/spec/clusterIPs", value: [ip] },
    review.hasAnnotations
      ? {
          op: "add",
          path: `/metadata/annotations/${ALLOCATOR_ANNOTATION.replaceAll("/", "~1")}`,
          value: CONFIGURED,
        }
      : { op: "add", path: "/metadata/annotations", value: annotation },
    ...(review.name === name ? [] : [{ op: "add", path: "/metadata/name", value: name }]),
  ];
  return answer({
    uid: review.uid,
    allowed: true,
    patchType: "JSONPatch",
    patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
  });
}

/** The caller is told one sentence. */
export function refused(uid: string, error: FksError): object {
  const { code, reason } = REFUSALS[error.code] ?? UNAVAILABLE;
  return answer({ uid, allowed: false, status: { code, reason, message: error.message } });
}

const UNAVAILABLE = { code: 503, reason: "ServiceUnavailable" };
const REFUSALS: Readonly<Record<string, { readonly code: number; readonly reason: string }>> = {
  Conflict: { code: 409, reason: "Conflict" },
  InvalidInput: { code: 422, reason: "Invalid" },
  Unsupported: { code: 422, reason: "Invalid" },
  Forbidden: { code: 403, reason: "Forbidden" },
};

function answer(response: object): object {
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
}
