import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

const MAX_BYTES = 64 * 1024;

/**
 * Marks where a log file ends now. The answer gives the whole lines that were written to it since,
 * the last 64 KiB of them; empty when there are none to be read.
 *
 * The file may be moved aside by `rotateLog` or emptied meanwhile.
 */
export function markLog(path: string): () => string {
  const fromBytes = sizeOf(path);
  const before = movedAtMs(path);

  return () => {
    const isMoved = movedAtMs(path) !== before;
    if (!isMoved && sizeOf(path) >= fromBytes) return endOf(path, fromBytes, MAX_BYTES);
    const last = endOf(path, 0, MAX_BYTES);
    // The copy holds what stood here before the mark as well.
    return isMoved ? endOf(`${path}.1`, fromBytes, MAX_BYTES - last.length) + last : last;
  };
}

function endOf(path: string, fromBytes: number, maxBytes: number): string {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    const { size } = fstatSync(fd);
    const start = Math.max(fromBytes, size - maxBytes);
    const bytes = Buffer.alloc(Math.max(0, size - start));
    const text = bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, start));
    // Half a line could be half a secret, which nobody would know for one.
    return start > fromBytes ? text.slice(text.indexOf("\n") + 1 || text.length) : text;
  } catch {
    return ""; // Removed, or not ours to read any more.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** When the file was moved aside last; a copy keeps the time it was made. */
function movedAtMs(path: string): number | undefined {
  return statSync(`${path}.1`, { throwIfNoEntry: false })?.mtimeMs;
}
