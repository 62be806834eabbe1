import { GIB } from "#core/fly/volume.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** Volumes without data, for a runtime without processes. */
export function noVolumeFiles(): VolumeFiles {
  return {
    backing: async () => "none",
    make: async () => {},
    mount: async () => {},
    folderOf: () => "",
    release: async () => {},
    grow: async () => true,
    usage: ({ sizeGb }) => ({ bytesTotal: sizeGb * GIB, bytesUsed: 0, bytesFree: sizeGb * GIB }),
    remove: async () => {},
    takeSnapshot: async () => 0,
    removeSnapshot: async () => {},
  };
}
