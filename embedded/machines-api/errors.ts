import type { ErrorCode } from "#core/errors.ts";

/** An answer of the public API that is not a success, with the status and text Fly gives. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** Fly's own word for the kind, such as `name_taken`. */
  readonly kind: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    message: string,
    more: { readonly kind?: string; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.kind = more.kind;
    this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** HTTP status of a failure that came from a part below. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  NotFound: 404,
  Conflict: 409,
  InvalidInput: 400,
  Unauthorized: 401,
  Forbidden: 403,
  RateLimited: 429,
  Unavailable: 503,
  Unsupported: 501,
};

/** Code of the Machine protocol for an answer with this status. */
export function codeOf(status: number): ErrorCode {
  for (const [code, other] of Object.entries(STATUS_OF)) {
    if (other === status && isCode(code)) return code;
  }
  return status === 412 ? "Conflict" : status < 500 ? "InvalidInput" : "Unavailable";
}

function isCode(text: string): text is ErrorCode {
  return text in STATUS_OF;
}

/** Nobody reads this answer. */
export const callerGone = (): ApiError => new ApiError(499, "the caller went away");
export const machineNotFound = (): ApiError => new ApiError(404, "machine not found");
export const appNotFound = (): ApiError => new ApiError(404, "Could not find App");
export const invalid = (text: string): ApiError => new ApiError(400, `invalid_argument: ${text}`);
export const precondition = (text: string): ApiError =>
  new ApiError(412, `failed_precondition: ${text}`);
