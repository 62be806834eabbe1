import { createHash } from "node:crypto";
import { z } from "zod";
import type { Clock } from "#core/ports/clock.ts";
import type { AccessReviews, Identity, Reviews } from "#core/ports/reviews.ts";
import type { KubernetesClient } from "./client.ts";
import { decoderOf } from "./decode.ts";

const ALLOWED_FOR_MS = 300_000;
const DENIED_FOR_MS = 30_000;
const AUTHENTICATED_FOR_MS = 120_000;
const CACHE_MAX_ANSWERS = 4_096;

const tokenReviewFrom = decoderOf(
  z.object({
    status: z.object({
      authenticated: z.boolean().default(false),
      user: z
        .object({
          username: z.string().default(""),
          uid: z.string().exactOptional(),
          groups: z.array(z.string()).default([]),
        })
        .optional(),
    }),
  }),
  "TokenReview",
);
const accessReviewFrom = decoderOf(
  z.object({ status: z.object({ allowed: z.boolean() }) }),
  "SubjectAccessReview",
);

/** Asks the API server who a caller is and what it may do. A failed question is never an answer. */
export function kubernetesReviews(options: {
  /** The fks-node identity. */
  readonly client: KubernetesClient;
  readonly clock: Clock;
}): Reviews & AccessReviews {
  const { client, clock } = options;
  const identities = answers<Identity | undefined>(clock);
  const permissions = answers<boolean>(clock);

  async function isAllowed(
    { user, groups, uid, extra }: Identity,
    asked: object,
    signal: AbortSignal,
  ): Promise<boolean> {
    const spec = { user, groups, uid, extra, ...asked };
    const key = JSON.stringify(spec);
    const known = permissions.get(key);
    if (known !== undefined) return known.value;

    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec };
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const { allowed } = (await client.create(path, body, accessReviewFrom, signal)).status;
    permissions.set(key, allowed, allowed ? ALLOWED_FOR_MS : DENIED_FOR_MS);
    return allowed;
  }

  return {
    async authenticate(token, signal) {
      const key = createHash("sha256").update(token).digest("hex");
      const known = identities.get(key);
      if (known !== undefined) return known.value;

      const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } };
      const path = "/apis/authentication.k8s.io/v1/tokenreviews";
      const { status } = await client.create(path, body, tokenReviewFrom, signal);
      const identity = status.authenticated ? identityOf(status.user) : undefined;
      identities.set(key, identity, identity === undefined ? DENIED_FOR_MS : AUTHENTICATED_FOR_MS);
      return identity;
    },

    isAllowed(identity, { node, verb, subresource }, signal) {
      const resource = { verb, version: "v1", resource: "nodes", subresource, name: node };
      return isAllowed(identity, { resourceAttributes: resource }, signal);
    },

    mayAccess(identity, access, signal) {
      const asked =
        "path" in access ? { nonResourceAttributes: access } : { resourceAttributes: access };
      return isAllowed(identity, asked, signal);
    },
  };
}

interface ReviewedUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

function identityOf(user: ReviewedUser | undefined): Identity | undefined {
  if (user === undefined || user.username === "") return undefined;
  const { username, groups, uid } = user;
  return { user: username, groups, ...(uid === undefined ? {} : { uid }) };
}

interface Answers<T> {
  get(key: string): { readonly value: T } | undefined;
  set(key: string, value: T, forMs: number): void;
}

/** Answers that are good for a while; beyond the bound the oldest are forgotten. */
function answers<T>(clock: Clock): Answers<T> {
  const held = new Map<string, { readonly value: T; readonly untilMs: number }>();
  return {
    get(key) {
      const answer = held.get(key);
      if (answer !== undefined && answer.untilMs > clock.now()) return answer;
      held.delete(key);
      return undefined;
    },
    set(key, value, forMs) {
      held.set(key, { value, untilMs: clock.now() + forMs });
      for (const oldest of held.keys()) {
        if (held.size <= CACHE_MAX_ANSWERS) return;
        held.delete(oldest);
      }
    },
  };
}
