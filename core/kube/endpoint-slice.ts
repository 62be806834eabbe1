import type { ObjectMeta } from "./meta.ts";
import type { Protocol } from "./service.ts";

/** Some of a Service's endpoints, as we read them. */
export interface EndpointSlice {
  readonly metadata: ObjectMeta & { readonly namespace: string };
  /** Of the Service in the same namespace; "" for a slice that is nobody's. */
  readonly service: string;
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly EndpointPort[];
}

export interface Endpoint {
  /** Of one endpoint; the first is as good as any. */
  readonly addresses: readonly string[];
  readonly isReady: boolean;
  /** Ready but for its being terminated. */
  readonly isServing: boolean;
  readonly isTerminating: boolean;
  readonly hostname?: string | undefined;
  readonly nodeName?: string | undefined;
  readonly zone?: string | undefined;
  readonly targetRef?: TargetRef | undefined;
}

export interface TargetRef {
  readonly kind?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly uid?: string | undefined;
}

export interface EndpointPort {
  /** That of the Service's port. */
  readonly name: string;
  readonly protocol: Protocol;
  /** Absent: every port. */
  readonly port?: number | undefined;
}
