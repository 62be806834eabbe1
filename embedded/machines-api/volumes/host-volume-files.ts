import { existsSync, mkdirSync, statfsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { messageOf } from "#core/errors.ts";
import { GIB } from "#core/fly/volume.ts";
import type { Log } from "#core/ports/log.ts";
import { runProgram, tryProgram } from "../network/run-program.ts";
import { unmount } from "../runtime/crun/libc.ts";
import { turns } from "../runtime/crun/turns.ts";
import { growMounted, lengthen, makeImage, repairAndGrow, wantsToGrow } from "./ext4-image.ts";
import { deviceAt, mountImage, mountsBelow } from "./loop-mounts.ts";
import { fileSystemIn } from "./superblock.ts";
import type { VolumeFile, VolumeFiles } from "./volume-files.ts";
import type { Backing, CopySource, VolumeUsage } from "./volume-record.ts";

const SECTOR_BYTES = 512;
const PROBE_BYTES = 8 * 1024 * 1024;

interface HostVolumeOptions {
  /** One folder for each volume, and one for the snapshots. */
  readonly folder: string;
  /** What new volumes are in; absent: images where this host can mount them, else folders. */
  readonly backing?: Exclude<Backing, "none">;
  readonly log: Log;
}

/**
 * Volumes on this host: an ext4 file system in a sparse file, whose bound is real, or a plain folder
 * where no loop device can be had. Mounts are in the mount namespace of this process and outlive it.
 */
export function hostVolumeFiles(options: HostVolumeOptions): VolumeFiles {
  const { folder, log } = options;
  const inTurn = turns();
  const snapshots = `${folder}/.snapshots`;
  const pathsOf = (id: string) => ({
    own: `${folder}/${id}`,
    image: `${folder}/${id}/image.ext4`,
    data: `${folder}/${id}/data`,
  });
  let found: Promise<Backing> | undefined;
  mkdirSync(snapshots, { recursive: true, mode: 0o700 });

  /** Where the data are while nothing is mounted: a file or a folder. */
  const sourceOf = ({ kind, id }: CopySource, backing: Backing): string => {
    if (kind === "snapshot") return `${snapshots}/${id}`;
    return backing === "image" ? pathsOf(id).image : pathsOf(id).data;
  };

  /** In one moment: while a mounted file system is copied, its writers wait. */
  async function copy(from: string, to: string, id: string, signal: AbortSignal): Promise<void> {
    const { data } = pathsOf(id);
    const isFrozen =
      deviceAt(data) !== undefined && (await tryProgram(["fsfreeze", "-f", data], signal));
    try {
      await rm(to, { recursive: true, force: true });
      await runProgram(["cp", "-a", "--sparse=always", "--reflink=auto", from, to], signal);
    } finally {
      if (isFrozen) await tryProgram(["fsfreeze", "-u", data], new AbortController().signal);
    }
  }

  const copyInTurn = (from: CopySource, backing: Backing, to: string, signal: AbortSignal) =>
    inTurn(from.id, () => copy(sourceOf(from, backing), to, from.id, signal));

  async function make(volume: VolumeFile, from: CopySource | undefined, signal: AbortSignal) {
    const { own, image, data } = pathsOf(volume.id);
    await rm(own, { recursive: true, force: true });
    await mkdir(own, { recursive: true, mode: 0o700 });
    if (volume.backing === "folder") {
      if (from === undefined) await mkdir(data);
      else await copyInTurn(from, "folder", data, signal);
      return;
    }
    await mkdir(data);
    if (from === undefined) return makeImage(image, volume.sizeGb * GIB, signal);
    await copyInTurn(from, "image", image, signal);
    await repairAndGrow(image, volume.sizeGb * GIB, signal);
  }

  async function mount(volume: VolumeFile, isIdle: boolean, signal: AbortSignal): Promise<void> {
    if (volume.backing !== "image") return;
    const { image, data } = pathsOf(volume.id);
    const bytes = volume.sizeGb * GIB;
    const device = deviceAt(data);
    if (device !== undefined) {
      if (!wantsToGrow(device, bytes)) return;
      lengthen(image, bytes);
      if ((await growMounted(data, bytes, signal)) || !isIdle) return;
      unmount(data);
    }
    await repairAndGrow(image, bytes, signal);
    await mountImage(image, data, signal);
  }

  async function grow(volume: VolumeFile, signal: AbortSignal): Promise<boolean> {
    if (volume.backing !== "image") return true;
    const { image, data } = pathsOf(volume.id);
    const bytes = volume.sizeGb * GIB;
    lengthen(image, bytes);
    if (deviceAt(data) !== undefined) return growMounted(data, bytes, signal);
    await repairAndGrow(image, bytes, signal);
    return !wantsToGrow(image, bytes);
  }

  return {
    async backing(signal) {
      return options.backing ?? (found ??= probe(folder, log, signal));
    },
    make: (volume, from, signal) => inTurn(volume.id, () => make(volume, from, signal)),
    mount: (volume, isIdle, signal) => inTurn(volume.id, () => mount(volume, isIdle, signal)),
    folderOf: (id) => pathsOf(id).data,
    release: ({ id }) => inTurn(id, async () => unmount(pathsOf(id).data)),
    grow: (volume, signal) => inTurn(volume.id, () => grow(volume, signal)),
    usage: (volume) => usageOf(volume, pathsOf(volume.id)),

    remove: ({ id }) =>
      inTurn(id, async () => {
        unmount(pathsOf(id).data);
        await rm(pathsOf(id).own, { recursive: true, force: true });
      }),

    async takeSnapshot({ id, backing }, snapshotId, signal) {
      const target = `${snapshots}/${snapshotId}`;
      const unfinished = `${snapshots}/.${snapshotId}`;
      await copyInTurn({ kind: "volume", id }, backing, unfinished, signal);
      await rename(unfinished, target);
      return statSync(target).blocks * SECTOR_BYTES;
    },

    async removeSnapshot(snapshotId) {
      for (const name of [snapshotId, `.${snapshotId}`]) {
        await rm(`${snapshots}/${name}`, { recursive: true, force: true });
      }
    },
  };
}

/** Unmounts every volume below `folder` and lets go on what a copy had frozen. */
export function unmountVolumes(folder: string): void {
  for (const target of mountsBelow(folder)) unmount(target);
}

/** A copy that was killed leaves its volume frozen: whoever writes to it would wait for ever. */
export async function thawVolumes(folder: string, signal: AbortSignal): Promise<void> {
  for (const target of mountsBelow(folder)) await tryProgram(["fsfreeze", "-u", target], signal);
}

function usageOf(
  { backing, sizeGb }: VolumeFile,
  { image, data }: { readonly image: string; readonly data: string },
): VolumeUsage {
  const bytesTotal = sizeGb * GIB;
  if (backing !== "image") return { bytesTotal, bytesUsed: 0, bytesFree: bytesTotal };
  const device = deviceAt(data);
  const size = existsSync(image) ? fileSystemIn(device ?? image) : undefined;
  if (size === undefined) return { bytesTotal: 0, bytesUsed: 0, bytesFree: 0 };
  if (device === undefined) {
    return { ...size, bytesUsed: size.bytesTotal - size.bytesFree };
  }
  const { blocks, bfree, bavail, bsize } = statfsSync(data);
  const bytesUsed = (blocks - bfree) * bsize;
  return { bytesTotal: size.bytesTotal, bytesUsed, bytesFree: bavail * bsize };
}

/** Tries it out with a small one: programs, rights and devices all have to be there. */
async function probe(folder: string, log: Log, signal: AbortSignal): Promise<Backing> {
  const own = await mkdtemp(`${folder}/.probe-`);
  try {
    await mkdir(`${own}/data`);
    await makeImage(`${own}/image.ext4`, PROBE_BYTES, signal);
    await mountImage(`${own}/image.ext4`, `${own}/data`, signal);
    unmount(`${own}/data`);
    return "image";
  } catch (error) {
    signal.throwIfAborted();
    log.warn("volumes are plain folders here: their sizes bind nobody", {
      reason: messageOf(error),
    });
    return "folder";
  } finally {
    unmount(`${own}/data`);
    await rm(own, { recursive: true, force: true });
  }
}
