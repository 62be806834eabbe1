import { z } from "zod";
import type { Pod } from "#core/kube/pod.ts";
import { decoderOf } from "./decode.ts";

/** What would break us if it were missing; the API server has validated the rest. */
const essentials = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string() }),
  spec: z.object({ containers: z.array(z.object({ name: z.string(), image: z.string() })) }),
});

/** A Pod as we read it. `managedFields`, half of its size, are left out. */
export const podFrom = decoderOf(
  z.preprocess(
    withoutManagedFields,
    z.custom<Pod>((value) => essentials.safeParse(value).success),
  ),
  "Pod",
);

function withoutManagedFields(value: unknown): unknown {
  const parsed = z.looseObject({ metadata: z.looseObject({}) }).safeParse(value);
  if (!parsed.success) return value;
  const { managedFields: _, ...metadata } = parsed.data.metadata;
  return { ...parsed.data, metadata };
}

export function podKeyOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}`;
}
