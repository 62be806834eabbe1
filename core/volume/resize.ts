import type { Outcome } from "../controller/controller.ts";
import { FksError } from "../errors.ts";
import { GIB } from "../fly/volume.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../kube/persistent-volume.ts";
import type { VolumeObjects } from "../ports/volume-objects.ts";
import type { Volumes } from "../ports/volumes.ts";
import { APP_ANNOTATION } from "./names.ts";

/** How soon a file system that waits for its Machine's next start is looked at again. */
const WAITING_MS = 5_000;
/** What a file system keeps for itself may not count; a volume grows by more. */
const NEARLY = 0.97;
const WAITS =
  "Waiting for the next start of a Pod with this claim: its file system grows while it is mounted.";

export interface ResizeDeps {
  readonly objects: VolumeObjects;
  readonly volumes: Volumes;
}

/** Where the data of a volume object are. Throws `InvalidInput` when it does not say. */
export function placeOf({ metadata, spec }: PersistentVolume): {
  readonly app: string;
  readonly id: string;
} {
  const app = metadata.annotations[APP_ANNOTATION];
  const id = spec.csi?.volumeHandle;
  if (app !== undefined && id !== undefined) return { app, id };
  throw new FksError("InvalidInput", `the volume has no annotation ${APP_ANNOTATION}`);
}

/** The volume first, its object second; what was done already is not asked for again. */
export async function extend(
  { objects, volumes }: ResizeDeps,
  volume: PersistentVolume,
  sizeGb: number,
  signal: AbortSignal,
): Promise<void> {
  const { app, id } = placeOf(volume);
  const { size_gb } = await volumes.get(app, id, signal);
  if (size_gb < sizeGb) await volumes.extend(app, id, sizeGb, signal);
  await objects.setCapacity(volume, `${Math.max(size_gb, sizeGb)}Gi`, signal);
}

/** The claim shows its new size once the file system has it. True when it does. */
export async function showResized(
  { objects, volumes }: ResizeDeps,
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  signal: AbortSignal,
): Promise<Outcome & { readonly isDone: boolean }> {
  const { app, id } = placeOf(volume);
  const { bytes_total = 0, size_gb } = await volumes.get(app, id, signal);
  const isDone = bytes_total === 0 || bytes_total >= size_gb * GIB * NEARLY;
  if (isDone) {
    await objects.showSize(claim, { storage: volume.spec.storage }, signal);
    return { isDone };
  }
  const isTold = claim.status.conditions.some(({ type }) => type === "FileSystemResizePending");
  if (!isTold) await objects.showSize(claim, { waitsFor: WAITS }, signal);
  return { isDone, recheckInMs: WAITING_MS };
}
