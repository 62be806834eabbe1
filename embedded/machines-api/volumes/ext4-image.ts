/** The file that holds one volume's file system. */
import { statSync, truncateSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { runProgram, tryProgram } from "../network/run-program.ts";
import { deviceAt, isInUse } from "./loop-mounts.ts";
import { fileSystemIn } from "./superblock.ts";

/** No blocks for root alone: the size that was asked for is the Pod's. Tables are made on demand. */
const MAKE = ["mke2fs", "-q", "-t", "ext4", "-F", "-m", "0"];
const LAZY = ["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"];

export async function makeImage(image: string, bytes: number, signal: AbortSignal): Promise<void> {
  await runProgram(["truncate", "--size", String(bytes), image], signal);
  await runProgram([...MAKE, ...LAZY, image], signal);
}

/** Whether the file system in it still is smaller than `bytes`. */
export function wantsToGrow(imageOrDevice: string, bytes: number): boolean {
  return (fileSystemIn(imageOrDevice)?.bytesTotal ?? 0) < bytes;
}

/** Makes room; the file system in it does not know yet. */
export function lengthen(image: string, bytes: number): void {
  if (statSync(image).size < bytes) truncateSync(image, bytes);
}

/**
 * Grows the file system that is mounted at `target`; false where the kernel does not let us, which
 * wants CAP_SYS_RESOURCE.
 */
export async function growMounted(
  target: string,
  bytes: number,
  signal: AbortSignal,
): Promise<boolean> {
  const device = deviceAt(target);
  if (device === undefined) return false;
  await runProgram(["losetup", "--set-capacity", device], signal);
  await tryProgram(["resize2fs", device], signal);
  return !wantsToGrow(device, bytes);
}

/** What a crash left is put right, and what waits to be grown grows. Nothing while it is in use. */
export async function repairAndGrow(
  image: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  lengthen(image, bytes);
  if (isInUse(image)) return;
  await check(["-p", image], signal);
  if (!wantsToGrow(image, bytes)) return;
  await check(["-f", "-p", image], signal);
  await runProgram(["resize2fs", image], signal);
}

/** e2fsck's codes: 1 is a success that had something to do. */
async function check(args: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await runProgram(["e2fsck", ...args], signal);
  } catch (error) {
    if (!(FksError.is(error, "Unavailable") && error.message.includes("with code 1:"))) throw error;
  }
}
