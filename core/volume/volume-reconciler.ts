import { requireSameCluster } from "../app/same-cluster.ts";
import type { Outcome, Reconcile } from "../controller/controller.ts";
import { FksError } from "../errors.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../kube/persistent-volume.ts";
import type { Log } from "../ports/log.ts";
import type { Namespaces } from "../ports/namespaces.ts";
import type { ObjectEvent, ObjectEvents } from "../ports/object-events.ts";
import { type ClaimStep, planClaim, SELECTED_NODE } from "./claim-plan.ts";
import { abandon, type ProvisionDeps, provision } from "./provision.ts";
import { extend, placeOf, showResized } from "./resize.ts";
import { planVolume } from "./volume-plan.ts";

/** What was refused is looked at again: a class or a Node may have changed. */
const REFUSED_MS = 60_000;
/** A Machine that is going lets its volume go by and by. */
const ATTACHED_MS = 1_000;
const LAG_MS = 2_000;

export interface VolumeReconcilerDeps extends ProvisionDeps {
  readonly namespaces: Namespaces;
  readonly events: ObjectEvents;
  readonly log: Log;
}

/** The key of a claim among those of volumes. */
export const claimKey = (key: string): string => `claim ${key}`;
export const volumeKey = (name: string): string => `volume ${name}`;

/** Gives claims their volumes, and takes away what a claim leaves when its class says so. */
export function volumeReconciler(deps: VolumeReconcilerDeps): Reconcile {
  return async (key, signal) => {
    const [kind, name = ""] = key.split(" ");
    if (kind === "volume") {
      const volume = deps.objects.volume(name);
      return volume === undefined ? {} : reconcileVolume(deps, volume, signal);
    }
    const claim = deps.objects.claim(name);
    return claim === undefined ? {} : reconcileClaim(deps, claim, signal);
  };
}

async function reconcileClaim(
  deps: VolumeReconcilerDeps,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<Outcome> {
  const { objects } = deps;
  const { uid, annotations } = claim.metadata;
  const volume =
    objects.volume(claim.spec.volumeName) ??
    objects.volumes().find(({ spec }) => spec.claimRef?.uid === uid);
  const node = annotations[SELECTED_NODE];
  const step = planClaim({
    claim,
    volume,
    storageClass: objects.storageClass(claim.spec.storageClassName),
    selectedRegion: node === undefined ? undefined : objects.regionOf(node),
    regions: objects.regions(),
  });
  try {
    return await takeClaimStep(deps, claim, step, signal);
  } catch (error) {
    if (!(error instanceof FksError)) throw error;
    const reason = FAILURE[step.do];
    if (reason !== undefined) await warn(deps, claim, reason, error.message, signal);
    throw error;
  }
}

const FAILURE: Partial<Record<ClaimStep["do"], string>> = {
  provision: "ProvisioningFailed",
  abandon: "ProvisioningCleanupFailed",
  extend: "VolumeResizeFailed",
};

async function takeClaimStep(
  deps: VolumeReconcilerDeps,
  claim: PersistentVolumeClaim,
  step: ClaimStep,
  signal: AbortSignal,
): Promise<Outcome> {
  const { objects } = deps;
  switch (step.do) {
    case "nothing":
      return {};
    case "refuse":
      await warn(deps, claim, step.reason, step.message, signal);
      return { recheckInMs: REFUSED_MS };
    case "hold":
      await objects.hold(claim, signal);
      return { recheckInMs: LAG_MS };
    case "provision":
      return takeProvision(deps, claim, step, signal);
    case "letGo":
      await objects.letGo(claim, signal);
      return {};
    case "abandon":
      await requireSameCluster(deps, signal);
      await abandon(deps, claim, signal);
      return {};
    case "extend":
      await extend(deps, step.volume, step.sizeGb, signal);
      return { recheckInMs: LAG_MS };
    case "resized": {
      const { isDone, ...outcome } = await showResized(deps, claim, step.volume, signal);
      if (isDone) {
        const message = `The volume has ${step.volume.spec.storage} now`;
        await tell(
          deps,
          claim,
          { type: "Normal", reason: "VolumeResizeSuccessful", message },
          signal,
        );
      }
      return outcome;
    }
  }
}

async function takeProvision(
  deps: VolumeReconcilerDeps,
  claim: PersistentVolumeClaim,
  step: Extract<ClaimStep, { do: "provision" }>,
  signal: AbortSignal,
): Promise<Outcome> {
  const done = await provision(deps, claim, step, signal);
  if (!("volume" in done)) return done;
  const { volume, name } = done;
  const { namespace, name: claimName } = claim.metadata;
  deps.log.info("volume provisioned", { claim: `${namespace}/${claimName}`, volume: volume.id });
  const message = `Successfully provisioned volume ${name}`;
  await tell(deps, claim, { type: "Normal", reason: "ProvisioningSucceeded", message }, signal);
  if (volume.fstype !== "ext4") {
    const text = `The volume is a ${volume.fstype} on its host: its size is not enforced`;
    await warn(deps, claim, "VolumeSizeNotEnforced", text, signal);
  }
  return { recheckInMs: LAG_MS };
}

async function reconcileVolume(
  deps: VolumeReconcilerDeps,
  volume: PersistentVolume,
  signal: AbortSignal,
): Promise<Outcome> {
  const { objects } = deps;
  const step = planVolume(volume);
  if (step.do === "nothing") return {};
  if (step.do === "letGo") {
    await objects.letVolumeGo(volume, signal);
    return {};
  }
  // The watch says that its claim is gone; that is no proof.
  const { claimRef } = volume.spec;
  const claim = claimRef && (await objects.readClaim(claimRef.namespace, claimRef.name, signal));
  if (claimRef === undefined || claim?.metadata.uid === claimRef.uid) {
    return { recheckInMs: LAG_MS };
  }
  await requireSameCluster(deps, signal);
  return destroy(deps, volume, signal);
}

async function destroy(
  deps: VolumeReconcilerDeps,
  volume: PersistentVolume,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const { app, id } = placeOf(volume);
    await deps.volumes.destroy(app, id, signal);
    deps.log.info("volume destroyed", { volume: id, name: volume.metadata.name });
  } catch (error) {
    if (FksError.is(error, "Conflict")) return { recheckInMs: ATTACHED_MS };
    if (!(error instanceof Error)) throw error;
    await warn(deps, volume, "VolumeFailedDelete", error.message, signal);
    throw error;
  }
  await deps.objects.removeVolume(volume, signal);
  return {};
}

type About = PersistentVolumeClaim | PersistentVolume;

function warn(
  deps: VolumeReconcilerDeps,
  about: About,
  reason: string,
  message: string,
  signal: AbortSignal,
): Promise<void> {
  return tell(deps, about, { type: "Warning", reason, message }, signal);
}

function tell(
  { events }: VolumeReconcilerDeps,
  { metadata }: About,
  event: ObjectEvent,
  signal: AbortSignal,
): Promise<void> {
  const kind = metadata.namespace === undefined ? "PersistentVolume" : "PersistentVolumeClaim";
  return events.tell({ apiVersion: "v1", kind, metadata }, event, signal);
}
