import { statfsSync } from "node:fs";

/** Of the file system that holds `folder`; available to whoever is not root, as `df` tells it. */
export function diskSpaceOf(folder: string): {
  readonly capacityBytes: number;
  readonly availableBytes: number;
} {
  const { blocks, bavail, bsize } = statfsSync(folder);
  return { capacityBytes: blocks * bsize, availableBytes: bavail * bsize };
}
