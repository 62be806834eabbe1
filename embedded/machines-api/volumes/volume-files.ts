/** Where the data of volumes are. Every call may be made again, also by a later process. */
import type { Backing, CopySource, VolumeUsage } from "./volume-record.ts";

/** The part of a volume that its files know. */
export interface VolumeFile {
  readonly id: string;
  readonly sizeGb: number;
  readonly backing: Backing;
}

export interface VolumeFiles {
  /** What new volumes are in on this host; found out once. */
  backing(signal: AbortSignal): Promise<Backing>;

  /** Makes an empty volume, or a copy; what an earlier try left is made anew. */
  make(volume: VolumeFile, from: CopySource | undefined, signal: AbortSignal): Promise<void>;

  /**
   * Makes the volume's folder show its data and grows what waits to be grown. `isIdle`: nothing uses
   * it yet, so it may be away for a moment. Throws `Unavailable` in the host's words.
   */
  mount(volume: VolumeFile, isIdle: boolean, signal: AbortSignal): Promise<void>;

  /** The folder that shows the data of a mounted volume. */
  folderOf(id: string): string;

  /** The volume is not attached any more: nothing of it stays on the host but its data. */
  release(volume: VolumeFile, signal: AbortSignal): Promise<void>;

  /** Grows to `sizeGb`, data in use included; false when only the next mount can. */
  grow(volume: VolumeFile, signal: AbortSignal): Promise<boolean>;

  usage(volume: VolumeFile): VolumeUsage;

  /** Removes the data. */
  remove(volume: VolumeFile, signal: AbortSignal): Promise<void>;

  /** Copies the data as they are in one moment; gives what the copy takes on this host in bytes. */
  takeSnapshot(volume: VolumeFile, snapshotId: string, signal: AbortSignal): Promise<number>;

  removeSnapshot(snapshotId: string): Promise<void>;
}
