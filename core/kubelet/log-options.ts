import type { LogOptions } from "../fly/machine-protocol.ts";

export type LogOptionsResult =
  | { readonly ok: true; readonly options: LogOptions }
  | { readonly ok: false; readonly status: 400; readonly message: string };

/** Reads the query of a log request as PodLogOptions; the first wrong option is named. Pure. */
export function logOptionsFor(query: URLSearchParams): LogOptionsResult {
  const message = wrongOption(query);
  if (message !== undefined) return { ok: false, status: 400, message };

  const tailLines = wholeNumber(tailText(query));
  const limitBytes = wholeNumber(query.get("limitBytes"));
  const sinceSeconds = wholeNumber(query.get("sinceSeconds"));
  const sinceTime = query.get("sinceTime") ?? "";
  return {
    ok: true,
    options: {
      ...(flag(query, "follow") === true && { follow: true }),
      ...(flag(query, "previous") === true && { previous: true }),
      ...(flag(query, "timestamps") === true && { timestamps: true }),
      ...(tailLines !== undefined && { tailLines }),
      ...(limitBytes !== undefined && { limitBytes }),
      ...(sinceSeconds !== undefined && { sinceSeconds }),
      ...(sinceTime !== "" && { sinceTime }),
    },
  };
}

function wrongOption(query: URLSearchParams): string | undefined {
  const since = query.get("sinceTime") ?? "";
  const stream = query.get("stream") ?? "All";
  const sinceSeconds = wholeNumber(query.get("sinceSeconds"));
  const flags = ["follow", "previous", "timestamps"];

  const laws: readonly (readonly [isBroken: boolean, message: string])[] = [
    [isBelow(wholeNumber(tailText(query)), 0), "tailLines: must be a whole number, 0 or more"],
    [
      isBelow(wholeNumber(query.get("limitBytes")), 1),
      "limitBytes: must be a whole number greater than 0",
    ],
    [isBelow(sinceSeconds, 1), "sinceSeconds: must be a whole number greater than 0"],
    [
      sinceSeconds !== undefined && since !== "",
      "at most one of `sinceTime` or `sinceSeconds` may be specified",
    ],
    [since !== "" && !isTime(since), "sinceTime: must be an RFC 3339 time"],
    ...flags.map(
      (name) => [flag(query, name) === "wrong", `${name}: must be true or false`] as const,
    ),
    [stream !== "All", `unable to return the given log stream: "${stream}"`],
  ];
  return laws.find(([isBroken]) => isBroken)?.[1];
}

/** `tail` is the older name; its "all" means no limit. */
function tailText(query: URLSearchParams): string | null {
  const tail = query.get("tail");
  if (tail === null) return query.get("tailLines");
  return tail === "all" ? null : tail;
}

/** NaN for text that is no whole number; `undefined` for no text. */
function wholeNumber(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

function isBelow(value: number | undefined, least: number): boolean {
  return value !== undefined && !(value >= least);
}

/** The words Go's ParseBool takes; a name without a value counts as true. */
function flag(query: URLSearchParams, name: string): boolean | "wrong" {
  const text = query.get(name);
  if (text === null) return false;
  if (/^(|1|t|true)$/i.test(text)) return true;
  return /^(0|f|false)$/i.test(text) ? false : "wrong";
}

function isTime(text: string): boolean {
  const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
  return rfc3339.test(text) && !Number.isNaN(Date.parse(text));
}
