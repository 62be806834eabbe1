import { GIB } from "../fly/volume.ts";
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from "../kube/persistent-volume.ts";
import { wholeOf } from "../kube/quantity.ts";
import type { CreateVolume } from "../ports/volumes.ts";
import { CLAIM_FINALIZER, DRIVER } from "./names.ts";
import { sizeGbFor, volumeOrderFor } from "./order.ts";

/** The one effect that brings a claim closer to its volume. */
export type ClaimStep =
  | { readonly do: "nothing" }
  | { readonly do: "refuse"; readonly reason: string; readonly message: string }
  /** The claim may not vanish before its volume is known. */
  | { readonly do: "hold" }
  | {
      readonly do: "provision";
      readonly request: Omit<CreateVolume, "name">;
      readonly storageClass: StorageClass;
    }
  | { readonly do: "letGo" }
  /** It is being deleted: what was made for it goes too. */
  | { readonly do: "abandon" }
  | { readonly do: "extend"; readonly volume: PersistentVolume; readonly sizeGb: number }
  /** The volume has its size; the claim shows it once the file system has it too. */
  | { readonly do: "resized"; readonly volume: PersistentVolume };

export interface ClaimWorld {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass | undefined;
  /** The one that the claim is bound to, or that was made for it. */
  readonly volume: PersistentVolume | undefined;
  /** Region of the Node that the scheduler chose for the first Pod. */
  readonly selectedRegion: string | undefined;
  readonly regions: readonly string[];
}

const PROVISIONER_KEYS = [
  "volume.kubernetes.io/storage-provisioner",
  "volume.beta.kubernetes.io/storage-provisioner",
];

/** The Node that the scheduler chose for the first Pod of a claim. */
export const SELECTED_NODE = "volume.kubernetes.io/selected-node";

/** The next step for a claim that exists. Pure. */
export function planClaim(world: ClaimWorld): ClaimStep {
  const { claim, volume } = world;
  const isHeld = claim.metadata.finalizers.includes(CLAIM_FINALIZER);
  if (volume !== undefined) {
    if (isHeld) return { do: "letGo" };
    return claim.status.phase === "Bound" ? planSize(claim, volume) : { do: "nothing" };
  }
  if (claim.metadata.deletionTimestamp !== undefined) {
    return isHeld ? { do: "abandon" } : { do: "nothing" };
  }
  return claim.spec.volumeName === "" ? planProvision(world, isHeld) : { do: "nothing" };
}

function planProvision(world: ClaimWorld, isHeld: boolean): ClaimStep {
  const { claim, storageClass, selectedRegion, regions } = world;
  const { annotations } = claim.metadata;
  // The volume controller of Kubernetes says whose turn it is.
  if (!PROVISIONER_KEYS.some((key) => annotations[key] === DRIVER)) return { do: "nothing" };
  if (storageClass?.provisioner !== DRIVER) return { do: "nothing" };
  const waits = storageClass.volumeBindingMode === "WaitForFirstConsumer";
  if (waits && selectedRegion === undefined) return { do: "nothing" };

  const place = { region: selectedRegion, regions };
  const order = volumeOrderFor(claim, storageClass, place);
  if (!order.ok) {
    return { do: "refuse", reason: "ProvisioningFailed", message: order.reasons.join(" ") };
  }
  return isHeld ? { do: "provision", request: order.request, storageClass } : { do: "hold" };
}

/** A claim that asks for more than it shows. */
function planSize(claim: PersistentVolumeClaim, volume: PersistentVolume): ClaimStep {
  if (volume.spec.csi?.driver !== DRIVER) return { do: "nothing" };
  const size = sizeGbFor(claim.spec.storage);
  if ("refused" in size) {
    return { do: "refuse", reason: "VolumeResizeFailed", message: size.refused.join(" ") };
  }
  if (size.gb * GIB > wholeOf(volume.spec.storage)) {
    return { do: "extend", volume, sizeGb: size.gb };
  }
  const isShown = wholeOf(claim.status.storage || "0") >= wholeOf(volume.spec.storage);
  return isShown ? { do: "nothing" } : { do: "resized", volume };
}
