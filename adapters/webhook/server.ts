import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Listen } from "#core/ports/listen.ts";
import type { Log } from "#core/ports/log.ts";
import { claimFor } from "#core/service-address/claim.ts";
import {
  allowed,
  refused,
  type ServiceReview,
  serviceReviewFrom,
  withAddress,
} from "./admission-review.ts";

/** A little less than the API server waits, so that the caller gets our sentence. */
const ANSWER_MS = 8_000;
/** Larger than any Service. */
const BODY_MAX_BYTES = 3 * 1024 * 1024;

/** Where the API server asks. */
export const WEBHOOK_PATH = "/service-addresses";

export interface WebhookDeps {
  /** A loopback address: the API server is on this host. */
  readonly host: string;
  readonly listen: Listen;
  readonly tls: { readonly cert: string; readonly key: string };
  /** Where addresses of Services come from. */
  readonly range: string;
  /** Throws FksErrors whose messages are for the caller. */
  readonly take: (
    request: { readonly namespace: string; readonly name: string; readonly wanted?: string },
    signal: AbortSignal,
  ) => Promise<string>;
  /** A name for an object that came with `generateName` only. */
  readonly nameFrom: (generateName: string) => string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Webhook {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers the API server's questions about new Services: each gets an address of its App. */
export function serveWebhook(deps: WebhookDeps, signal: AbortSignal): Webhook {
  const server = deps.listen((port) =>
    Bun.serve({
      hostname: deps.host,
      port,
      tls: deps.tls,
      maxRequestBodySize: BODY_MAX_BYTES,
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/healthz") return new Response("ok\n");
        if (pathname !== WEBHOOK_PATH || request.method !== "POST") {
          return new Response("not found\n", { status: 404 });
        }
        return answerTo(deps, request, signal);
      },
    }),
  );
  return { port: server.port ?? 0, stop: () => server.stop(true) };
}

async function answerTo(
  deps: WebhookDeps,
  request: Request,
  signal: AbortSignal,
): Promise<Response> {
  let review: ServiceReview;
  try {
    review = serviceReviewFrom(await request.json());
  } catch {
    return new Response("not an AdmissionReview of a Service\n", { status: 400 });
  }
  try {
    return Response.json(await answerFor(deps, review, signal));
  } catch (err) {
    const service = `${review.namespace}/${review.name}`;
    if (!(err instanceof FksError)) deps.log.error("no address given", { service, err });
    else deps.log.info("no address given", { service, reason: err.message });
    const said = err instanceof FksError ? err.message : "internal error: the log tells more";
    const code = err instanceof FksError ? err.code : "Unavailable";
    const sentence = `no address for Service "${service}": ${said}`;
    return Response.json(refused(review.uid, new FksError(code, sentence)));
  }
}

async function answerFor(
  { range, take, nameFrom, clock }: WebhookDeps,
  review: ServiceReview,
  signal: AbortSignal,
): Promise<object> {
  const claim = claimFor(review, range);
  if (claim.do === "pass") return allowed(review.uid);

  const name = review.name === "" ? nameFrom(review.generateName) : review.name;
  const late = clock.timeout(ANSWER_MS);
  const { namespace } = review;
  const wanted = claim.wanted === undefined ? {} : { wanted: claim.wanted };
  try {
    const until = AbortSignal.any([signal, late]);
    return withAddress(review, name, await take({ namespace, name, ...wanted }, until));
  } catch (error) {
    if (!late.aborted || error instanceof FksError) throw error;
    throw new FksError("Unavailable", `the platform gave none within ${ANSWER_MS / 1_000} s`);
  }
}
