import type { PersistentVolume, PersistentVolumeClaim } from "../kube/persistent-volume.ts";
import type { Pod } from "../kube/pod.ts";

/** What a Pod's translation needs to ask the API server, beside the Pod itself. */
export interface ClusterObjects {
  /** UID of the kube-system namespace: the cluster's identity. */
  clusterUid(signal: AbortSignal): Promise<string>;
  /** One that the Pod names, asked for as the Pod's Node; `undefined` only for a 404. */
  configMap(pod: Pod, name: string, signal: AbortSignal): Promise<ConfigMapView | undefined>;
  /** The same for a Secret. */
  secret(pod: Pod, name: string, signal: AbortSignal): Promise<SecretView | undefined>;
  /** A claim the Pod mounts, asked for as the Pod's Node; `undefined` only for a 404. */
  claim(pod: Pod, name: string, signal: AbortSignal): Promise<PersistentVolumeClaim | undefined>;
  /** The volume such a claim is bound to; the same. */
  persistentVolume(
    pod: Pod,
    name: string,
    signal: AbortSignal,
  ): Promise<PersistentVolume | undefined>;
  /** Every Service of the namespace. */
  services(namespace: string, signal: AbortSignal): Promise<readonly ServiceView[]>;
  /** A token bound to this very Pod (TokenRequest), asked for as the Pod's Node. */
  podToken(pod: Pod, request: PodTokenRequest, signal: AbortSignal): Promise<PodToken>;
}

export interface ConfigMapView {
  readonly data: ReadonlyMap<string, string>;
  /** Base64. */
  readonly binaryData: ReadonlyMap<string, string>;
  /** Another one whenever the object changed. */
  readonly version: string;
  readonly isImmutable: boolean;
}

export interface SecretView {
  readonly type: string;
  /** Base64. A Map, so that nothing that prints objects prints it. */
  readonly data: ReadonlyMap<string, string>;
  /** Another one whenever the object changed. */
  readonly version: string;
  readonly isImmutable: boolean;
}

export interface ServiceView {
  readonly name: string;
  /** "" or "None" for one without an address of its own. */
  readonly clusterIP: string;
  readonly ports: readonly {
    readonly name?: string | undefined;
    readonly port: number;
    readonly protocol?: string | undefined;
  }[];
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
