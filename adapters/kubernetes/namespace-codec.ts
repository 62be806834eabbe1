import { z } from "zod";
import type { Namespace } from "#core/kube/namespace.ts";
import { decoderOf } from "./decode.ts";
import { namespacedMeta } from "./meta-codec.ts";

/** A Namespace with the API's defaults. */
export const namespaceFrom = decoderOf<Namespace>(
  z.object({
    metadata: namespacedMeta.omit({ namespace: true }),
    spec: z.object({ finalizers: z.array(z.string()).default([]) }).default({ finalizers: [] }),
    status: z
      .object({ phase: z.enum(["Active", "Terminating"]).default("Active") })
      .default({ phase: "Active" }),
  }),
  "Namespace",
);
