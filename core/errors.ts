/** The closed list of failures the node expects; a caller branches on the code, never on a message. */
export const ERROR_CODES = [
  "NotFound",
  "Conflict",
  "InvalidInput",
  "Unauthorized",
  "Forbidden",
  "RateLimited",
  "Unavailable",
  "Unsupported",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

interface FksErrorOptions extends ErrorOptions {
  readonly retryAfterMs?: number;
}

/** A failure the node expects to meet and knows how to answer. Anything else thrown is a bug. */
export class FksError extends Error {
  override readonly name = "FksError";
  readonly code: ErrorCode;
  /** How long the other side asked us to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: FksErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  static is(error: unknown, code: ErrorCode): error is FksError {
    return error instanceof FksError && error.code === code;
  }
}

/** What a thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
