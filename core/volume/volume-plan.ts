import type { PersistentVolume } from "../kube/persistent-volume.ts";
import { DRIVER, PROVISIONED_BY, VOLUME_FINALIZER } from "./names.ts";

/** The one effect for a volume whose claim is gone. */
export type VolumeStep =
  | { readonly do: "nothing" }
  /** Its data go, then the object: once its claim is proven gone. */
  | { readonly do: "destroy" }
  /** The object may go; its data stay on Fly. */
  | { readonly do: "letGo" };

/** The next step for a volume that exists. Pure. */
export function planVolume({ metadata, spec, status }: PersistentVolume): VolumeStep {
  const isOurs = spec.csi?.driver === DRIVER && metadata.annotations[PROVISIONED_BY] === DRIVER;
  if (!isOurs) return { do: "nothing" };
  const isReleased = status.phase === "Released" || status.phase === "Failed";
  if (isReleased && spec.reclaimPolicy === "Delete") return { do: "destroy" };
  const isGoing = metadata.deletionTimestamp !== undefined && status.phase !== "Bound";
  return isGoing && metadata.finalizers.includes(VOLUME_FINALIZER)
    ? { do: "letGo" }
    : { do: "nothing" };
}
