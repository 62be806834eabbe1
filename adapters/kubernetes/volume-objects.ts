import { FksError } from "#core/errors.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "#core/kube/persistent-volume.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { VolumeObjects } from "#core/ports/volume-objects.ts";
import { CLAIM_FINALIZER, DRIVER, REGION_LABEL, VOLUME_FINALIZER } from "#core/volume/names.ts";
import type { KubernetesClient } from "./client.ts";
import { type Decode, ignored } from "./decode.ts";
import { claimFrom, placedNodeFrom, storageClassFrom, volumeFrom } from "./volume-codec.ts";
import { type Watched, watched } from "./watched.ts";

const CLAIMS = "/api/v1/persistentvolumeclaims";
const VOLUMES = "/api/v1/persistentvolumes";
const CLASSES = "/apis/storage.k8s.io/v1/storageclasses";

interface Options {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly log: Log;
}

/** Claims and volumes of the API server; told of every change. */
export interface KubernetesVolumeObjects extends VolumeObjects {
  isSynced(): boolean;
  /** With the key of a claim. */
  onClaim(listener: (key: string) => void): void;
  /** With the name of a volume. */
  onVolume(listener: (name: string) => void): void;
  /** A class or a Node changed: what waits for one may go on. */
  onPlaces(listener: () => void): void;
  claims(): readonly PersistentVolumeClaim[];
  run(signal: AbortSignal): Promise<void>;
}

export function kubernetesVolumeObjects(options: Options): KubernetesVolumeObjects {
  const { client } = options;
  const claims = watched({ ...options, path: CLAIMS, decode: claimFrom });
  const volumes = watched({ ...options, path: VOLUMES, decode: volumeFrom });
  const classes = watched({ ...options, path: CLASSES, decode: storageClassFrom });
  const nodes = watched({ ...options, path: "/api/v1/nodes", decode: placedNodeFrom });
  const all: readonly Watched<unknown>[] = [claims, volumes, classes, nodes];

  return {
    claim: (key) => claims.get(key),
    claims: () => claims.all(),
    volume: (name) => volumes.get(name),
    volumes: () => volumes.all(),
    storageClass: (name) => classes.get(name),
    regionOf: (node) => nodes.get(node)?.metadata.labels[REGION_LABEL],
    regions() {
      const found = nodes.all().flatMap(({ metadata }) => metadata.labels[REGION_LABEL] ?? []);
      return [...new Set(found)].toSorted((a, b) => (a < b ? -1 : 1));
    },
    isSynced: () => all.every((one) => one.isSynced()),
    onClaim: (listener) => claims.onChange(listener),
    onVolume: (listener) => volumes.onChange(listener),
    onPlaces(listener) {
      for (const one of [classes, nodes]) one.onChange(listener);
    },
    async run(signal) {
      await Promise.all(all.map((one) => one.run(signal)));
    },
    readClaim: (namespace, name, signal) =>
      unlessNotFound(
        client,
        `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`,
        claimFrom,
        signal,
      ),
    readVolume: (name, signal) => unlessNotFound(client, `${VOLUMES}/${name}`, volumeFrom, signal),
    ...writes(client),
  };
}

function writes(client: KubernetesClient) {
  const patch = (path: string, body: object, signal: AbortSignal): Promise<void> =>
    client.patch({ path, type: "strategic-merge-patch", body }, ignored, signal);
  const finalizer =
    (change: "finalizers" | "$deleteFromPrimitiveList/finalizers") =>
    (path: string, uid: string, name: string, signal: AbortSignal): Promise<void> =>
      patch(path, { metadata: { uid, [change]: [name] } }, signal);
  const put = finalizer("finalizers");
  const take = finalizer("$deleteFromPrimitiveList/finalizers");
  const letVolumeGo = async ({ metadata }: PersistentVolume, signal: AbortSignal): Promise<void> =>
    unlessGone(take(`${VOLUMES}/${metadata.name}`, metadata.uid, VOLUME_FINALIZER, signal));

  return {
    createVolume: (body: object, signal: AbortSignal) =>
      client.create(VOLUMES, body, ignored, signal),

    setCapacity: ({ metadata }: PersistentVolume, storage: string, signal: AbortSignal) =>
      patch(
        `${VOLUMES}/${metadata.name}`,
        { metadata: { uid: metadata.uid }, spec: { capacity: { storage } } },
        signal,
      ),

    letVolumeGo,

    async removeVolume(volume: PersistentVolume, signal: AbortSignal): Promise<void> {
      const { name, uid } = volume.metadata;
      await unlessGone(client.remove(`${VOLUMES}/${name}`, { uid }, signal));
      await letVolumeGo(volume, signal);
    },

    hold: (claim: PersistentVolumeClaim, signal: AbortSignal) =>
      put(claimPath(claim), claim.metadata.uid, CLAIM_FINALIZER, signal),

    letGo: (claim: PersistentVolumeClaim, signal: AbortSignal) =>
      unlessGone(take(claimPath(claim), claim.metadata.uid, CLAIM_FINALIZER, signal)),

    showSize(
      claim: PersistentVolumeClaim,
      size: { readonly storage: string } | { readonly waitsFor: string },
      signal: AbortSignal,
    ): Promise<void> {
      const pending = { type: "FileSystemResizePending" };
      const status =
        "storage" in size
          ? { capacity: { storage: size.storage }, conditions: [{ ...pending, $patch: "delete" }] }
          : { conditions: [{ ...pending, status: "True", message: size.waitsFor }] };
      const body = { metadata: { uid: claim.metadata.uid }, status };
      return patch(`${claimPath(claim)}/status`, body, signal);
    },
  };
}

/** By id of a Fly volume what its PersistentVolume says becomes of it; as it is now. */
export async function reclaimPolicies(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const { items } = await client.list(VOLUMES, {}, volumeFrom, signal);
  return new Map(
    items.flatMap(({ spec: { csi, reclaimPolicy } }) =>
      csi?.driver === DRIVER ? [[csi.volumeHandle, reclaimPolicy] as const] : [],
    ),
  );
}

function claimPath({ metadata: { namespace, name } }: PersistentVolumeClaim): string {
  return `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${name}`;
}

async function unlessNotFound<T>(
  client: KubernetesClient,
  path: string,
  decode: Decode<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await client.get(path, decode, signal);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Gone, or another one of the same name by now. */
async function unlessGone(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!FksError.is(error, "NotFound") && !FksError.is(error, "Conflict")) throw error;
  }
}
