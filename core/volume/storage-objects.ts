/** What a cluster of ours has from its beginning. Names as on FKS. */
import { DRIVER } from "./names.ts";

const IS_DEFAULT = { "storageclass.kubernetes.io/is-default-class": "true" };

function storageClass(name: string, reclaimPolicy: string, annotations: object = {}) {
  return {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name, annotations },
    provisioner: DRIVER,
    reclaimPolicy,
    volumeBindingMode: "WaitForFirstConsumer",
    allowVolumeExpansion: true,
  };
}

export const STORAGE_CLASSES = [
  storageClass("flyio-volume", "Delete", IS_DEFAULT),
  storageClass("flyio-volume-retain", "Retain"),
] as const;

/** Nobody attaches: a Machine is made with its volume. */
export const CSI_DRIVER = {
  apiVersion: "storage.k8s.io/v1",
  kind: "CSIDriver",
  metadata: { name: DRIVER },
  spec: {
    attachRequired: false,
    podInfoOnMount: false,
    fsGroupPolicy: "File",
    storageCapacity: false,
    requiresRepublish: false,
    volumeLifecycleModes: ["Persistent"],
  },
} as const;
