import { sha256Hex } from "../app/sha256.ts";
import type { Machine } from "../fly/machine.ts";
import type { Pod } from "../kube/pod.ts";

/** The stamps that say whose Machine it is; written at creation, never changed. */
export interface Stamps {
  readonly fks_cluster: string;
  readonly fks_namespace: string;
  readonly fks_pod: string;
  readonly fks_pod_uid: string;
}

const NAME_MAX = 63;

/** What queues hold: `namespace/name/uid`. */
export function keyFor({ metadata }: Pick<Pod, "metadata">): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}`;
}

export function partsOf(key: string): { namespace: string; name: string; uid: string } {
  const [namespace = "", name = "", uid = ""] = key.split("/");
  return { namespace, name, uid };
}

export function stampsFor(pod: Pod, clusterUid: string): Stamps {
  const { namespace, name, uid } = pod.metadata;
  return { fks_cluster: clusterUid, fks_namespace: namespace, fks_pod: name, fks_pod_uid: uid };
}

/** The stamps of a Machine, or undefined when it is none of ours. */
export function stampsOf(machine: Machine): Stamps | undefined {
  const metadata = (machine.config ?? machine.incomplete_config)?.metadata ?? {};
  const { fks_cluster, fks_namespace, fks_pod, fks_pod_uid } = metadata;
  if (fks_cluster === undefined || fks_namespace === undefined) return undefined;
  if (fks_pod === undefined || fks_pod_uid === undefined) return undefined;
  return { fks_cluster, fks_namespace, fks_pod, fks_pod_uid };
}

export function keyOfStamps(stamps: Stamps): string {
  return `${stamps.fks_namespace}/${stamps.fks_pod}/${stamps.fks_pod_uid}`;
}

/** The Machine's name in its App: the Pod's, cut and hashed where it is too long for a DNS label. */
export function machineNameFor(podName: string): string {
  if (podName.length <= NAME_MAX && !podName.includes(".")) return podName;
  const hash = sha256Hex(podName).slice(0, 8);
  return `${podName.slice(0, NAME_MAX - 9).replaceAll(".", "-")}-${hash}`;
}
