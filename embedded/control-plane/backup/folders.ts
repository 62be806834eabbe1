import { statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import { FksError } from "#core/errors.ts";

const MIB = 1_024 ** 2;
/** What is left for everybody else. */
const SPARE_BYTES = 16 * MIB;

/** Throws `Unavailable` when fewer than `bytes` and some spare are free in `folder`. */
export function requireSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const needed = bytes + SPARE_BYTES;
  if (bavail * bsize >= needed) return;
  const [free, wanted] = [Math.floor((bavail * bsize) / MIB), Math.ceil(needed / MIB)];
  throw new FksError(
    "Unavailable",
    `no space left in ${folder}: ${free} MiB are free, ${wanted} MiB are needed`,
  );
}

/** Names that were given or taken in this folder outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
