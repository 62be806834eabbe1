import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { FksError } from "#core/errors.ts";
import { accessFor, forbiddenText } from "#core/kubelet/access.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Identity, Reviews } from "#core/ports/reviews.ts";

const REVIEW_TIMEOUT_MS = 10_000;

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

interface AdmitDeps {
  readonly reviews: Reviews;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who is calling and whether they may; `undefined` lets them in. Every doubt keeps them out. */
export async function refusalFor(
  deps: AdmitDeps,
  node: string,
  request: IncomingMessage,
  path: string,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const until = AbortSignal.any([signal, deps.clock.timeout(REVIEW_TIMEOUT_MS)]);
  const identity = await identify(deps, request, until);
  if (identity === undefined) return { status: 401, message: "Unauthorized" };

  const access = accessFor(request.method ?? "", path);
  if (access === undefined) return { status: 405, message: "405 method not allowed" };
  try {
    for (const subresource of access.subresources) {
      const asked = { node, verb: access.verb, subresource };
      // oxlint-disable-next-line no-await-in-loop -- the second is only asked when the first said no
      if (await deps.reviews.isAllowed(identity, asked, until)) return undefined;
    }
  } catch (err) {
    if (!isExpected(err, until)) throw err;
    deps.log.warn("access review failed", { node, user: identity.user, err });
    return { status: 500, message: `Authorization error (user=${identity.user}, node=${node})` };
  }
  return { status: 403, message: forbiddenText(identity, access) };
}

/** By client certificate, else by bearer token. */
async function identify(
  { reviews, clock, log }: AdmitDeps,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  const named = certificateIdentity(request, clock.now());
  if (named !== undefined) return named;

  const token = /^Bearer +([^\s]+)\s*$/i.exec(request.headers.authorization ?? "")?.[1];
  if (token === undefined) return undefined;
  try {
    return await reviews.authenticate(token, signal);
  } catch (err) {
    if (!isExpected(err, signal)) throw err;
    log.warn("token review failed", { err });
    return undefined;
  }
}

/**
 * The name in a certificate that the client CA signed for client authentication (the TLS library
 * checked both, at the handshake). A connection may outlive its certificate, so time is checked here.
 */
function certificateIdentity(request: IncomingMessage, nowMs: number): Identity | undefined {
  const { socket } = request;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { subject, valid_to: validTo } = socket.getPeerCertificate();
  const user = subject?.CN;
  const isCurrent = Date.parse(validTo) >= nowMs;
  if (typeof user !== "string" || user === "" || !isCurrent) return undefined;
  const groups: string | readonly string[] = subject.O ?? [];
  return { user, groups: typeof groups === "string" ? [groups] : groups };
}

function isExpected(error: unknown, signal: AbortSignal): boolean {
  return error instanceof FksError || signal.aborted;
}
