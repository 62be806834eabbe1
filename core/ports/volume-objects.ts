import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from "../kube/persistent-volume.ts";

/**
 * Claims, volumes and what they depend on. What is watched is as of a moment ago, what is read is
 * as it is now. Writes name the object's UID: they throw `Conflict` when it is another one.
 */
export interface VolumeObjects {
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): readonly PersistentVolume[];
  storageClass(name: string): StorageClass | undefined;
  /** Region of a Node; undefined for one that is not there. */
  regionOf(node: string): string | undefined;
  /** Of all Nodes, sorted. */
  regions(): readonly string[];

  /** undefined only for a 404. */
  readClaim(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<PersistentVolumeClaim | undefined>;
  /** undefined only for a 404. */
  readVolume(name: string, signal: AbortSignal): Promise<PersistentVolume | undefined>;

  /** Throws `Conflict` when the name is taken. */
  createVolume(body: object, signal: AbortSignal): Promise<void>;
  setCapacity(volume: PersistentVolume, storage: string, signal: AbortSignal): Promise<void>;
  /** Deletes the object and takes our finalizer away. Idempotent. */
  removeVolume(volume: PersistentVolume, signal: AbortSignal): Promise<void>;
  letVolumeGo(volume: PersistentVolume, signal: AbortSignal): Promise<void>;

  hold(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void>;
  letGo(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void>;
  /** What the claim shows as its size; with a reason while its file system is smaller. */
  showSize(
    claim: PersistentVolumeClaim,
    size: { readonly storage: string } | { readonly waitsFor: string },
    signal: AbortSignal,
  ): Promise<void>;
}
