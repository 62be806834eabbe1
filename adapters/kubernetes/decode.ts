import { z } from "zod";
import { FksError } from "#core/errors.ts";

/** Turns what the API server sent into what we read; throws for anything else. */
export type Decode<T> = (value: unknown) => T;

export interface List<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

const pageSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().default("") }),
  items: z.array(z.unknown()).nullable(),
});

interface ListPage {
  readonly list: readonly unknown[];
  readonly resourceVersion: string;
  /** The token for the next page, empty on the last. */
  readonly rest: string;
}

/** One page of a list. */
export function listPageFrom(value: unknown): ListPage {
  const { metadata, items } = decoded(pageSchema, value, "list");
  return {
    list: items ?? [],
    resourceVersion: metadata.resourceVersion,
    rest: metadata.continue,
  };
}

/** A decoder from a schema; `what` names the object in the error. */
export function decoderOf<T>(schema: z.ZodType<T>, what: string): Decode<T> {
  return (value) => decoded(schema, value, what);
}

/** For answers nobody reads. */
export function ignored(): void {}

function decoded<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new FksError("Unavailable", `the API server sent a ${what} that cannot be read`, {
    cause: result.error,
  });
}
