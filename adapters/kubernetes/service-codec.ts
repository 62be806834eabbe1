import { z } from "zod";
import type { Service } from "#core/kube/service.ts";
import { decoderOf } from "./decode.ts";
import { namespacedMeta } from "./meta-codec.ts";

/** Source: k8s.io/api, `ClientIPConfig.timeoutSeconds`. */
const AFFINITY_SECONDS = 10_800;

const trafficPolicy = z.enum(["Cluster", "Local"]).default("Cluster");
const strings = z.array(z.string()).default([]);

const port = z.object({
  name: z.string().default(""),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
  port: z.number(),
  targetPort: z.union([z.number(), z.string()]).optional(),
  nodePort: z.number().default(0),
  appProtocol: z.string().optional(),
});

const affinityConfig = z.object({
  clientIP: z.object({ timeoutSeconds: z.number().default(AFFINITY_SECONDS) }).optional(),
});

const spec = z.object({
  type: z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).default("ClusterIP"),
  clusterIP: z.string().default(""),
  clusterIPs: strings,
  externalIPs: strings,
  externalName: z.string().optional(),
  ports: z
    .array(port.transform((read) => ({ ...read, targetPort: read.targetPort ?? read.port })))
    .default([]),
  selector: z.record(z.string(), z.string()).optional(),
  sessionAffinity: z.enum(["None", "ClientIP"]).default("None"),
  sessionAffinityConfig: affinityConfig.optional(),
  publishNotReadyAddresses: z.boolean().default(false),
  internalTrafficPolicy: trafficPolicy,
  externalTrafficPolicy: trafficPolicy,
  trafficDistribution: z.string().optional(),
  loadBalancerClass: z.string().optional(),
  loadBalancerSourceRanges: strings,
  allocateLoadBalancerNodePorts: z.boolean().default(true),
  healthCheckNodePort: z.number().default(0),
});

const ingress = z.object({ ip: z.string().optional(), hostname: z.string().optional() });
const loadBalancer = z.object({ ingress: z.array(ingress).default([]) }).default({ ingress: [] });

/** A Service with the API's defaults. */
export const serviceFrom = decoderOf<Service>(
  z.object({
    metadata: namespacedMeta,
    spec: spec.transform(({ sessionAffinityConfig, ...read }) => ({
      ...read,
      sessionAffinityTimeoutSeconds:
        sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS,
    })),
    status: z.object({ loadBalancer }).default({ loadBalancer: { ingress: [] } }),
  }),
  "Service",
);
