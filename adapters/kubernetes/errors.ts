import { z } from "zod";
import { type ErrorCode, FksError, messageOf } from "#core/errors.ts";

const statusSchema = z.object({
  kind: z.literal("Status"),
  message: z.string().default(""),
  reason: z.string().default(""),
  code: z.number().optional(),
  details: z
    .object({
      causes: z.array(z.object({ field: z.string().optional() })).optional(),
      retryAfterSeconds: z.number().optional(),
    })
    .optional(),
});

type Status = z.infer<typeof statusSchema>;

/** The failure that an answer with this status, its headers and body stands for. */
export function answerErrorFor(status: number, headers: Headers, body: string): FksError {
  return statusErrorFor(status, statusOf(body), retryAfterMsOf(headers));
}

/** The failure in the `object` of a watch's ERROR event. */
export function watchErrorFor(object: unknown): FksError {
  const status = statusSchema.safeParse(object).data;
  return statusErrorFor(status?.code ?? 500, status, undefined);
}

/** No answer came: the call may or may not have been obeyed. */
export function unreachable(cause: unknown): FksError {
  return new FksError("Unavailable", `the API server cannot be reached: ${messageOf(cause)}`, {
    cause,
  });
}

function statusErrorFor(
  code: number,
  status: Status | undefined,
  retryAfterMs: number | undefined,
): FksError {
  const message = status?.message || `the API server answered ${code}`;
  const seconds = status?.details?.retryAfterSeconds;
  const waitMs = retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1_000);
  return new FksError(
    errorCodeFor(code, status),
    message,
    waitMs === undefined ? {} : { retryAfterMs: waitMs },
  );
}

function errorCodeFor(code: number, status: Status | undefined): ErrorCode {
  switch (code) {
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      // Only the API server itself can say that an object is not there.
      return status?.reason === "NotFound" ? "NotFound" : "Unavailable";
    case 409:
      return "Conflict";
    case 422:
      return isAboutUid(status) ? "Conflict" : "InvalidInput";
    case 429:
      return "RateLimited";
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
      return "InvalidInput";
    default:
      return "Unavailable";
  }
}

/** A PATCH with another object's UID is answered 422: the name belongs to a new object by now. */
function isAboutUid(status: Status | undefined): boolean {
  return status?.details?.causes?.some(({ field }) => field === "metadata.uid") === true;
}

function statusOf(body: string): Status | undefined {
  try {
    return statusSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

function retryAfterMsOf(headers: Headers): number | undefined {
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  return Number.isNaN(seconds) ? undefined : seconds * 1_000;
}
