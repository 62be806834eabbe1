import type { Pod } from "../kube/pod.ts";

/** What a Pod's translation needs to ask the API server, beside the Pod itself. */
export interface ClusterObjects {
  /** UID of the kube-system namespace: the cluster's identity. */
  clusterUid(signal: AbortSignal): Promise<string>;
  /** Throws `NotFound`. */
  namespace(name: string, signal: AbortSignal): Promise<NamespaceView>;
  /** Sets labels of a namespace; other labels stay. */
  labelNamespace(
    name: string,
    labels: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void>;
  /** `undefined` only for a 404. */
  configMap(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<ConfigMapView | undefined>;
  /** A token bound to this very Pod (TokenRequest), asked for as the Pod's Node. */
  podToken(pod: Pod, request: PodTokenRequest, signal: AbortSignal): Promise<PodToken>;
}

export interface NamespaceView {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ConfigMapView {
  readonly data: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData: Readonly<Record<string, string>>;
}

export interface PodTokenRequest {
  readonly audience?: string;
  readonly expirationSeconds: number;
}

export interface PodToken {
  readonly token: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}
