import { copyFileSync, renameSync, statSync, truncateSync } from "node:fs";

const MAX_BYTES = 20 * 1024 * 1024;

/**
 * Moves a log file that has grown beyond 20 MiB to `<path>.1`, replacing what was there.
 *
 * It is copied and then emptied, so that a child which writes to it at this moment goes on in the
 * same file; lines written in between are lost.
 */
export function rotateLog(path: string, maxBytes: number = MAX_BYTES): void {
  if (sizeOf(path) <= maxBytes) return;
  copyFileSync(path, `${path}.1.tmp`);
  renameSync(`${path}.1.tmp`, `${path}.1`);
  truncateSync(path);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
