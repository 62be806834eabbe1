import type { LabelSelector } from "./label-selector.ts";
import type { ObjectMeta } from "./meta.ts";
import type { Protocol } from "./service.ts";

export type Direction = "Ingress" | "Egress";

/** A NetworkPolicy as we read it: what the API server leaves out has its default here. */
export interface NetworkPolicy {
  readonly metadata: ObjectMeta & { readonly namespace: string };
  readonly spec: {
    readonly podSelector: LabelSelector;
    readonly policyTypes: readonly Direction[];
    readonly ingress: readonly PolicyRule[];
    readonly egress: readonly PolicyRule[];
  };
}

export interface PolicyRule {
  /** Without any: everybody. */
  readonly peers: readonly PolicyPeer[];
  /** Without any: every port. */
  readonly ports: readonly PolicyPort[];
}

/** Either a range of addresses or Pods. */
export interface PolicyPeer {
  readonly ipBlock?: { readonly cidr: string; readonly except: readonly string[] } | undefined;
  /** Absent beside a namespaceSelector: every Pod there. */
  readonly podSelector?: LabelSelector | undefined;
  /** Absent: the policy's own namespace. */
  readonly namespaceSelector?: LabelSelector | undefined;
}

export interface PolicyPort {
  readonly protocol: Protocol;
  /** A number, a name of a container's port; absent: every port of the protocol. */
  readonly port?: number | string | undefined;
  readonly endPort?: number | undefined;
}
