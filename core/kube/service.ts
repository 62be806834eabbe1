import type { ObjectMeta } from "./meta.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";
export type TrafficPolicy = "Cluster" | "Local";

/** A Service as we read it: what the API server leaves out has its default here. */
export interface Service {
  readonly metadata: ServiceMeta;
  readonly spec: ServiceSpec;
  readonly status: { readonly loadBalancer: { readonly ingress: readonly LoadBalancerIngress[] } };
}

export interface ServiceMeta extends ObjectMeta {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ServiceSpec {
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** "" before one is given, `None` for a headless Service. */
  readonly clusterIP: string;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly externalName?: string | undefined;
  readonly ports: readonly ServicePort[];
  /** Absent: somebody else writes the EndpointSlices. */
  readonly selector?: Readonly<Record<string, string>> | undefined;
  readonly sessionAffinity: "None" | "ClientIP";
  readonly sessionAffinityTimeoutSeconds: number;
  readonly publishNotReadyAddresses: boolean;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly trafficDistribution?: string | undefined;
  readonly loadBalancerClass?: string | undefined;
  readonly loadBalancerSourceRanges: readonly string[];
  readonly allocateLoadBalancerNodePorts: boolean;
  /** 0: none. */
  readonly healthCheckNodePort: number;
}

export interface ServicePort {
  /** "" where the only port has none. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** A number, or the name of a container's port. */
  readonly targetPort: number | string;
  /** 0: none. */
  readonly nodePort: number;
  readonly appProtocol?: string | undefined;
}

export interface LoadBalancerIngress {
  readonly ip?: string | undefined;
  readonly hostname?: string | undefined;
}
