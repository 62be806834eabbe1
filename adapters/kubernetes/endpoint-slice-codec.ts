import { z } from "zod";
import type { EndpointSlice } from "#core/kube/endpoint-slice.ts";
import { decoderOf } from "./decode.ts";
import { namespacedMeta } from "./meta-codec.ts";

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

/** What may be left out may be null, too: the API's own lists say so. */
const conditions = z
  .object({
    ready: z.boolean().nullish(),
    serving: z.boolean().nullish(),
    terminating: z.boolean().nullish(),
  })
  .default({});

const targetRef = z.object({
  kind: z.string().optional(),
  namespace: z.string().optional(),
  name: z.string().optional(),
  uid: z.string().optional(),
});

const endpoint = z
  .object({
    addresses: z.array(z.string()),
    conditions,
    hostname: z.string().optional(),
    nodeName: z.string().optional(),
    zone: z.string().optional(),
    targetRef: targetRef.optional(),
  })
  .transform(({ conditions: { ready, serving, terminating }, ...read }) => ({
    ...read,
    // An unknown state is to be read as ready. Source: k8s.io/api/discovery, `EndpointConditions`.
    isReady: ready ?? true,
    isServing: serving ?? ready ?? true,
    isTerminating: terminating ?? false,
  }));

const port = z
  .object({
    name: z.string().nullish(),
    protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish(),
    port: z.number().nullish(),
  })
  .transform(({ name, protocol, port: number }) => ({
    name: name ?? "",
    protocol: protocol ?? ("TCP" as const),
    port: number ?? undefined,
  }));

/** An EndpointSlice with the API's defaults. */
export const endpointSliceFrom = decoderOf<EndpointSlice>(
  z
    .object({
      metadata: namespacedMeta,
      addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
      endpoints: z
        .array(endpoint)
        .nullish()
        .transform((read) => read ?? []),
      ports: z
        .array(port)
        .nullish()
        .transform((read) => read ?? []),
    })
    .transform((read) => ({ ...read, service: read.metadata.labels[SERVICE_NAME_LABEL] ?? "" })),
  "EndpointSlice",
);
