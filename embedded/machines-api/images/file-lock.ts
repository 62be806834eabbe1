import { closeSync, openSync } from "node:fs";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { tryLock } from "./libc.ts";

export interface FileLock {
  /** Waits for the lock; every process that works on the same folder asks for it. */
  hold<T>(kind: "shared" | "exclusive", work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Does the work only when nobody holds the lock; tells whether it did. */
  holdIfFree(work: () => Promise<void>): Promise<boolean>;
}

const LOOK_MS = 10;

/** A lock on `file`, which is made if missing. A process that dies gives its locks back. */
export function fileLock(file: string, clock: Clock): FileLock {
  return {
    async hold(kind, work, signal) {
      const fd = openSync(file, "a", 0o600);
      try {
        while (!tryLock(fd, kind)) await sleep(clock, LOOK_MS, signal);
        return await work();
      } finally {
        closeSync(fd);
      }
    },
    async holdIfFree(work) {
      const fd = openSync(file, "a", 0o600);
      try {
        if (!tryLock(fd, "exclusive")) return false;
        await work();
        return true;
      } finally {
        closeSync(fd);
      }
    },
  };
}
