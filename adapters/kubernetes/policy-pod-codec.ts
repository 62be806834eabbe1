import { z } from "zod";
import type { NamedPort } from "#core/network-policy/policy-pod.ts";
import { decoderOf } from "./decode.ts";

/** A Pod as policies see it: kept for every Pod of the cluster, so only what they need. */
export interface PolicyPodView {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly podIPs: readonly string[];
  readonly ports: readonly NamedPort[];
  /** It will never speak again; its address may be another Pod's by now. */
  readonly isOver: boolean;
}

const container = z.object({
  ports: z
    .array(
      z.object({
        name: z.string().default(""),
        protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
        containerPort: z.number(),
      }),
    )
    .default([]),
  restartPolicy: z.string().optional(),
});

export const policyPodFrom = decoderOf<PolicyPodView>(
  z
    .object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        labels: z.record(z.string(), z.string()).default({}),
      }),
      spec: z.object({
        containers: z.array(container),
        initContainers: z.array(container).default([]),
      }),
      status: z
        .object({
          phase: z.string().default("Pending"),
          podIPs: z.array(z.object({ ip: z.string() })).default([]),
        })
        .default({ phase: "Pending", podIPs: [] }),
    })
    .transform(({ metadata, spec, status }) => ({
      metadata,
      podIPs: status.podIPs.map(({ ip }) => ip),
      ports: [
        ...spec.containers,
        // Sidecars serve as long as the Pod lives.
        ...spec.initContainers.filter(({ restartPolicy }) => restartPolicy === "Always"),
      ].flatMap(({ ports }) =>
        ports
          .filter(({ name }) => name !== "")
          .map(({ name, protocol, containerPort }) => ({ name, protocol, port: containerPort })),
      ),
      isOver: ["Succeeded", "Failed"].includes(status.phase),
    })),
  "Pod",
);
