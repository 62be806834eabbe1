import type { NamespaceApps } from "../app/namespace-apps.ts";
import type { Outcome } from "../controller/controller.ts";
import { FksError } from "../errors.ts";
import type { Volume } from "../fly/volume.ts";
import type { PersistentVolumeClaim } from "../kube/persistent-volume.ts";
import type { VolumeObjects } from "../ports/volume-objects.ts";
import type { CreateVolume, Volumes } from "../ports/volumes.ts";
import type { ClaimStep } from "./claim-plan.ts";
import { persistentVolumeNameFor, volumeNameFor } from "./names.ts";
import { persistentVolumeFor } from "./persistent-volume.ts";

/** How soon a volume that is being made is looked at again. */
const MAKING_MS = 1_000;

export interface ProvisionDeps {
  readonly objects: VolumeObjects;
  readonly volumes: Volumes;
  readonly namespaceApps: NamespaceApps;
  readonly clusterUid: string;
}

type ProvisionStep = Extract<ClaimStep, { do: "provision" }>;

export type Provisioned =
  | { readonly volume: Volume; readonly name: string }
  /** It is not there yet. */
  | Outcome;

/**
 * One volume for the claim, whatever happened before: a volume that was made and forgotten is found
 * by its name, so that there never are two. Throws what the ports throw.
 */
export async function provision(
  deps: ProvisionDeps,
  claim: PersistentVolumeClaim,
  { request, storageClass }: ProvisionStep,
  signal: AbortSignal,
): Promise<Provisioned> {
  const { objects, namespaceApps, clusterUid } = deps;
  const { namespace, uid } = claim.metadata;
  const app = await namespaceApps.ensure(namespace, signal);
  const asked = { name: volumeNameFor(clusterUid, uid), ...request };
  const volume = await volumeCalled(deps, app, asked, signal).catch((error: unknown) => {
    if (FksError.is(error, "NotFound")) namespaceApps.forget(namespace);
    throw error;
  });
  if (volume.state !== "created") return { recheckInMs: MAKING_MS };

  const name = persistentVolumeNameFor(volume.id);
  const body = persistentVolumeFor(claim, storageClass, app, volume);
  await objects.createVolume(body, signal).catch(async (error: unknown) => {
    if (!FksError.is(error, "Conflict")) throw error;
    const taken = await objects.readVolume(name, signal);
    if (taken?.spec.claimRef?.uid !== uid) throw error;
  });
  return { volume, name };
}

/** Looks before it asks. Of several the oldest, always the same one. */
async function volumeCalled(
  { volumes }: ProvisionDeps,
  app: string,
  asked: CreateVolume,
  signal: AbortSignal,
): Promise<Volume> {
  const [found] = await volumesCalled(volumes, app, asked.name, signal);
  if (found === undefined) return volumes.create(app, asked, signal);
  if (found.size_gb >= asked.size_gb) return found;
  return (await volumes.extend(app, found.id, asked.size_gb, signal)).volume;
}

async function volumesCalled(
  volumes: Volumes,
  app: string,
  name: string,
  signal: AbortSignal,
): Promise<readonly Volume[]> {
  const named = (await volumes.list(app, signal)).filter((one) => one.name === name);
  return named.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
}

/** The smaller, the older. */
function ageOf({ created_at, id }: Volume): string {
  return `${created_at} ${id}`;
}

/** In an App that never came about there are none. */
async function unlessNoApp(found: Promise<readonly Volume[]>): Promise<readonly Volume[]> {
  try {
    return await found;
  } catch (error) {
    if (FksError.is(error, "NotFound")) return [];
    throw error;
  }
}

/** The claim goes before it was bound: volumes that were made for it and that no object knows. */
export async function abandon(
  { objects, volumes, namespaceApps, clusterUid }: ProvisionDeps,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, uid } = claim.metadata;
  const app = await namespaceApps.find(namespace, signal);
  if (app === undefined) return objects.letGo(claim, signal);
  const name = volumeNameFor(clusterUid, uid);
  for (const { id } of await unlessNoApp(volumesCalled(volumes, app, name, signal))) {
    const known = await objects.readVolume(persistentVolumeNameFor(id), signal);
    if (known === undefined) await volumes.destroy(app, id, signal);
  }
  await objects.letGo(claim, signal);
}
