import type { Volume } from "../fly/volume.ts";
import type { PersistentVolumeClaim, StorageClass } from "../kube/persistent-volume.ts";
import {
  APP_ANNOTATION,
  DRIVER,
  ID_ANNOTATION,
  PROVISIONED_BY,
  persistentVolumeNameFor,
  REGION_ANNOTATION,
  REGION_LABEL,
  SHORT_REGION_LABEL,
  VOLUME_FINALIZER,
} from "./names.ts";

/**
 * The PersistentVolume of a Fly volume, bound to the claim it was made for: as on FKS, and with the
 * affinity that keeps its Pods in its region. Pure.
 */
export function persistentVolumeFor(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  app: string,
  volume: Volume,
): object {
  const { namespace, name, uid } = claim.metadata;
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: persistentVolumeNameFor(volume.id),
      labels: { [SHORT_REGION_LABEL]: volume.region, [REGION_LABEL]: volume.region },
      annotations: {
        [PROVISIONED_BY]: DRIVER,
        [APP_ANNOTATION]: app,
        [REGION_ANNOTATION]: volume.region,
        [ID_ANNOTATION]: volume.id,
      },
      finalizers: [VOLUME_FINALIZER],
    },
    spec: {
      capacity: { storage: `${volume.size_gb}Gi` },
      accessModes: claim.spec.accessModes,
      volumeMode: "Filesystem",
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy,
      storageClassName: storageClass.metadata.name,
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid },
      csi: { driver: DRIVER, volumeHandle: volume.id, fsType: "ext4" },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: REGION_LABEL, operator: "In", values: [volume.region] }],
            },
          ],
        },
      },
    },
  };
}
