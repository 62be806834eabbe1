import { z } from "zod";
import type { NetworkPolicy } from "#core/kube/network-policy.ts";
import { decoderOf } from "./decode.ts";
import { namespacedMeta } from "./meta-codec.ts";

const labelSelector = z.object({
  matchLabels: z.record(z.string(), z.string()).default({}),
  matchExpressions: z
    .array(
      z.object({
        key: z.string(),
        operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
        values: z.array(z.string()).default([]),
      }),
    )
    .default([]),
});

const peer = z.object({
  ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()).default([]) }).optional(),
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
});

const ports = z
  .array(
    z.object({
      protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
      port: z.union([z.number(), z.string()]).optional(),
      endPort: z.number().optional(),
    }),
  )
  .default([]);

const peers = z.array(peer).default([]);
const ingress = z.object({ from: peers, ports }).transform(({ from, ...rule }) => ({
  peers: from,
  ...rule,
}));
const egress = z.object({ to: peers, ports }).transform(({ to, ...rule }) => ({
  peers: to,
  ...rule,
}));

/** A NetworkPolicy with the API's defaults. */
export const networkPolicyFrom = decoderOf<NetworkPolicy>(
  z.object({
    metadata: namespacedMeta,
    spec: z.object({
      podSelector: labelSelector.default({ matchLabels: {}, matchExpressions: [] }),
      // The API server fills it in.
      policyTypes: z.array(z.enum(["Ingress", "Egress"])).default(["Ingress"]),
      ingress: z.array(ingress).default([]),
      egress: z.array(egress).default([]),
    }),
  }),
  "NetworkPolicy",
);
