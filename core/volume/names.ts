import { sha256Hex } from "../app/sha256.ts";

/** The driver of every volume of ours, and the provisioner of our classes. Source: FKS. */
export const DRIVER = "volume.csi.fly.io";

/** On a claim while its volume is being made, so that a claim that goes meanwhile is not forgotten. */
export const CLAIM_FINALIZER = "volume.csi.fly.io/provisioning";

/** On a volume whose policy is Delete: the API server keeps it until its data are gone. */
export const VOLUME_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";

export const REGION_LABEL = "topology.kubernetes.io/region";
/** Labels and annotations as FKS shows them. */
export const SHORT_REGION_LABEL = "region";
export const APP_ANNOTATION = "fly.io/app";
export const REGION_ANNOTATION = "fly.io/region";
export const ID_ANNOTATION = "volume.fly.io/id";
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";

const NAME_CHARS = 26;

/**
 * The Fly volume of a claim: always the same name, so that one that was made and forgotten is found
 * again. Fly's volumes have no metadata to write a claim's UID into.
 */
export function volumeNameFor(clusterUid: string, claimUid: string): string {
  return `pvc_${sha256Hex(`${clusterUid}/${claimUid}`).slice(0, NAME_CHARS)}`;
}

/** `pvc-r1plo75g59d25l0r` for `vol_r1plo75g59d25l0r`, as on FKS. */
export function persistentVolumeNameFor(volumeId: string): string {
  return `pvc-${volumeId.replace(/^vol_/, "").toLowerCase()}`;
}
