import { statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** Read at one time; a child that writes more is caught up with at the next times. */
const READ_MAX_BYTES = 1_024 ** 2;

/** Reads a log file that others write to and cut. */
export interface LogFollower {
  /** The whole lines that are new since the last call; none while there is no file. */
  newLines(): Promise<readonly string[]>;
}

/** Begins with what is written after this call. A file that has become smaller is a new one. */
export function logFollower(path: string, maxBytes: number = READ_MAX_BYTES): LogFollower {
  let offset = statSync(path, { throwIfNoEntry: false })?.size ?? 0;

  return {
    async newLines() {
      const file = await openIfThere(path);
      if (file === undefined) return [];
      try {
        const { size } = await file.stat();
        if (size < offset) offset = 0;
        const chunk = await read(file, offset, Math.min(size - offset, maxBytes));
        const end = chunk.lastIndexOf("\n") + 1;
        // A line that is longer than all we read says nothing to us.
        offset += end === 0 && chunk.length === maxBytes ? chunk.length : end;
        return chunk.toString("utf8", 0, end).split("\n").slice(0, -1);
      } finally {
        await file.close();
      }
    },
  };
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
