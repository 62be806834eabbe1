import { constants, existsSync } from "node:fs";
import { open, rename, stat } from "node:fs/promises";
import type { AttemptFolder } from "./folders.ts";

/** How large a log may grow before it becomes the old one. */
export const LOG_MAX_BYTES = 10 * 1024 * 1024;

/** conmon's command to open its log anew. */
const REOPEN = "2 0 0\n";

/**
 * Moves a log that has grown too large aside and has conmon begin a new one. Nothing is lost: until it
 * opens the new file, conmon goes on writing to the one that was moved. The old one before it goes.
 */
export async function rotateLog(folder: AttemptFolder, maxBytes: number): Promise<boolean> {
  try {
    const { log, rotatedLog, control } = folder;
    // No log beside a moved one: somebody was killed between the two steps.
    const isHalfDone = !existsSync(log) && existsSync(rotatedLog);
    if (!isHalfDone && (await stat(log)).size <= maxBytes) return false;
    const fifo = await open(control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      if (!isHalfDone) await rename(log, rotatedLog);
      await fifo.write(REOPEN);
    } finally {
      await fifo.close();
    }
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** The container ended meanwhile: no log, no FIFO, or no conmon at its other end. */
function isGone(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENXIO")
  );
}
