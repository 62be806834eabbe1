import { type ErrorCode, FksError } from "#core/errors.ts";

/** What the Machines API answered instead of what we asked for. */
interface FailedAnswer {
  /** Method and path, for people. */
  readonly what: string;
  readonly httpStatus: number;
  /** The body as it came; JSON or not. */
  readonly body: string;
  readonly requestId: string | null;
  readonly retryAfter: string | null;
  readonly nowMs: number;
  /** Never to be seen in a message, whatever the other side says. */
  readonly token: string;
}

const DEFAULT_RETRY_AFTER_MS = 1_000;
const TEXT_MAX = 500;

/**
 * The FksError for an answer that is none of 2xx. Total.
 * Sources: Fly's docs of the Machines API, fly-go, and answers that people have quoted in public.
 */
export function errorFor(answer: FailedAnswer): FksError {
  const { text, status } = toldBy(answer.body);
  const code = codeFor(answer.httpStatus, text, status);
  const trail = answer.requestId === null ? "" : ` (fly-request-id ${answer.requestId})`;
  const said = text === "" ? "no reason given" : text;
  const message = `${answer.what}: HTTP ${answer.httpStatus}: ${said}${trail}`;
  const retryAfterMs =
    code === "RateLimited"
      ? (retryAfterMsFor(answer.retryAfter, answer.nowMs) ?? DEFAULT_RETRY_AFTER_MS)
      : retryAfterMsFor(answer.retryAfter, answer.nowMs);

  return new FksError(code, withoutToken(message, answer.token), {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** `text` without any trace of the token or its parts. */
export function withoutToken(text: string, token: string): string {
  const parts = token.split(/[\s,]+/).filter((part) => part.length >= 8);
  return parts.reduce((clean, part) => clean.replaceAll(part, "[redacted]"), text);
}

function toldBy(body: string): { readonly text: string; readonly status: string } {
  try {
    const told: unknown = JSON.parse(body);
    if (typeof told === "object" && told !== null) {
      const text = ["message", "error"].map((key) => textAt(told, key)).find((value) => value);
      return { text: (text ?? "").slice(0, TEXT_MAX), status: textAt(told, "status") };
    }
  } catch {
    // Proxies answer in plain text.
  }
  return { text: body.trim().slice(0, TEXT_MAX), status: "" };
}

function textAt(told: object, key: string): string {
  const value: unknown = Reflect.get(told, key);
  return typeof value === "string" ? value : "";
}

/** No room on a host or in a region, or a host that takes nothing new: elsewhere, or later. */
const NO_CAPACITY =
  /could not reserve resource|insufficient (memory|CPUs|resources|IPs|capacity)|no capacity|could not find a candidate host|^unavailable: |governor policy|MANIFEST_UNKNOWN/i;

function codeFor(httpStatus: number, text: string, status: string): ErrorCode {
  const isRefusal = httpStatus >= 400 && httpStatus < 500 && ![401, 403, 404].includes(httpStatus);
  if (isRefusal && (NO_CAPACITY.test(text) || status.endsWith("capacity"))) return "Unavailable";
  if (httpStatus === 400 && text.includes("invalid machine ID")) return "NotFound";
  if (status === "name_taken" || text.includes("Name has already been taken")) return "Conflict";
  return BY_STATUS[httpStatus] ?? (httpStatus >= 500 ? "Unavailable" : "InvalidInput");
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: "Unauthorized",
  402: "Forbidden",
  403: "Forbidden",
  404: "NotFound",
  408: "Unavailable",
  409: "Conflict",
  410: "NotFound",
  412: "Conflict",
  429: "RateLimited",
  501: "Unsupported",
};

/** `Retry-After` in either of its forms: seconds, or a date. */
function retryAfterMsFor(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
