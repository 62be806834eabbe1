import type { ObjectMeta } from "./meta.ts";
import type { LoadBalancerIngress } from "./service.ts";

/** An Ingress as we read it. */
export interface Ingress {
  readonly metadata: ObjectMeta & {
    readonly namespace: string;
    readonly annotations: Readonly<Record<string, string>>;
    /** RFC 3339. */
    readonly creationTimestamp: string;
  };
  readonly spec: {
    readonly ingressClassName?: string | undefined;
    readonly defaultBackend?: IngressBackend | undefined;
    readonly tls: readonly IngressTls[];
    readonly rules: readonly IngressRule[];
  };
  readonly status: { readonly loadBalancer: { readonly ingress: readonly LoadBalancerIngress[] } };
}

export interface IngressTls {
  /** Those of the certificate; none: every name. */
  readonly hosts: readonly string[];
  readonly secretName?: string | undefined;
}

export interface IngressRule {
  /** "": every one; `*.example.com`: one label more. */
  readonly host: string;
  readonly paths: readonly IngressPath[];
}

export interface IngressPath {
  readonly path: string;
  readonly pathType: "Exact" | "Prefix" | "ImplementationSpecific";
  readonly backend: IngressBackend;
}

export interface IngressBackend {
  /** Absent: a resource, which we do not serve. */
  readonly service?:
    | {
        readonly name: string;
        readonly port: { readonly name?: string | undefined; readonly number?: number | undefined };
      }
    | undefined;
}
