import type { Pod, PodStatus } from "../kube/pod.ts";

/**
 * The Pods bound to our Nodes. `key` is `namespace/name/uid`.
 * Reads come in two kinds: the watched copy, which may lag, and quorum reads, which prove.
 */
export interface Pods {
  /** The watched copy. */
  get(key: string): Pod | undefined;
  keys(): readonly string[];
  /** True once the watch has told of every Pod there was; it never turns false again. */
  isSynced(): boolean;
  /** A quorum read by name with an identity that may read every Pod; `undefined` only for a 404. */
  read(namespace: string, name: string, signal: AbortSignal): Promise<Pod | undefined>;
  /** A quorum list of every Pod on our Nodes. Complete, or it throws. */
  list(signal: AbortSignal): Promise<readonly Pod[]>;
  /**
   * Strategic-merge PATCH of the status with the UID as precondition. Other writers' conditions stay.
   * Throws `NotFound`, and `Conflict` when the name belongs to another UID by now.
   */
  patchStatus(pod: Pod, status: PodStatus, signal: AbortSignal): Promise<void>;
  /** Deletes the object at once, with the UID as precondition. Idempotent. */
  remove(pod: Pod, signal: AbortSignal): Promise<void>;
}

/** Kubernetes Events about a Pod, as the kubelet writes them. */
export interface PodEvents {
  /** Idempotent per (Pod UID, `id`): the same event told again, also by a later process, is one. */
  record(pod: Pod, event: PodEvent, signal: AbortSignal): Promise<void>;
}

export interface PodEvent {
  readonly id: string;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** `spec.containers{name}`; absent for the Pod itself. */
  readonly fieldPath?: string;
  /** RFC 3339. */
  readonly at: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Kubernetes Events about our Nodes, each told by the Node itself. */
export interface NodeEvents {
  /** Idempotent per (Node, `id`). */
  record(node: string, event: PodEvent, signal: AbortSignal): Promise<void>;
}
