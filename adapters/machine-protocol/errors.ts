import { z } from "zod";
import { ERROR_CODES, type ErrorCode, FksError } from "#core/errors.ts";

/** `{"error": "<one sentence>", "code": "<FksError code>"}`, as HTTP body and on channel 3. */
export const failureSchema = z.object({ error: z.string(), code: z.enum(ERROR_CODES) });

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "InvalidInput",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  413: "InvalidInput",
  429: "RateLimited",
  501: "Unsupported",
};

const TEXT_MAX = 500;

/** The FksError for an answer that is none of 2xx. Total. */
export function errorFor(what: string, httpStatus: number, body: string): FksError {
  const told = failureSchema.safeParse(jsonOf(body));
  if (told.success) return new FksError(told.data.code, told.data.error);
  const said = body.trim().slice(0, TEXT_MAX) || "no reason given";
  return new FksError(
    BY_STATUS[httpStatus] ?? "Unavailable",
    `${what}: HTTP ${httpStatus}: ${said}`,
  );
}

/** A connection that failed or ended before its time. */
export function lost(what: string, cause: unknown): FksError {
  const reason = cause instanceof Error ? cause.message : "the connection was lost";
  return new FksError("Unavailable", `${what}: ${reason}`, { cause });
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
