import { z } from "zod";
import type { Decode } from "./decode.ts";
import { watchErrorFor } from "./errors.ts";

/** `EXPIRED`: the resourceVersion is too old to go on from; only a new list helps. */
export type WatchEvent<T> =
  | {
      readonly type: "ADDED" | "MODIFIED" | "DELETED";
      readonly object: T;
      readonly resourceVersion: string;
    }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }
  | { readonly type: "EXPIRED" };

const eventSchema = z.object({
  type: z.enum(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]),
  object: z.unknown(),
});
const versionSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const expiredSchema = z.object({ code: z.literal(410) });

/** One line of a watch. Throws the FksError that an ERROR event carries. */
export function watchEventFrom<T>(line: unknown, decode: Decode<T>): WatchEvent<T> {
  const { type, object } = eventSchema.parse(line);
  if (type === "ERROR") {
    if (expiredSchema.safeParse(object).success) return { type: "EXPIRED" };
    throw watchErrorFor(object);
  }
  const { resourceVersion } = versionSchema.parse(object).metadata;
  if (type === "BOOKMARK") return { type, resourceVersion };
  return { type, object: decode(object), resourceVersion };
}
