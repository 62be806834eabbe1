import type { Context } from "hono";
import { FksError } from "#core/errors.ts";
import type { LogOptions } from "#core/fly/machine-protocol.ts";

/** The query of a request for logs; throws `InvalidInput` for what is no number or time. */
export function logOptionsOf(c: Context): LogOptions {
  const number = (name: string): number | undefined => {
    const text = c.req.query(name);
    if (text === undefined) return undefined;
    if (!/^\d+$/.test(text)) throw new FksError("InvalidInput", `${name} must be a number`);
    return Number(text);
  };
  const numbers = Object.entries({
    tailLines: number("tailLines"),
    limitBytes: number("limitBytes"),
    sinceSeconds: number("sinceSeconds"),
  }).filter(([, value]) => value !== undefined);
  const sinceTime = c.req.query("sinceTime");
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    throw new FksError("InvalidInput", "sinceTime must be a time in RFC 3339");
  }
  return {
    follow: c.req.query("follow") === "true",
    previous: c.req.query("previous") === "true",
    timestamps: c.req.query("timestamps") === "true",
    ...Object.fromEntries(numbers),
    ...(sinceTime === undefined ? {} : { sinceTime }),
  };
}
