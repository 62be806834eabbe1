import { dlopen, read } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { type Clock, sleep } from "#core/ports/clock.ts";

const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;
const EAGAIN = 11;
const LOOK_AGAIN_MS = 200;

interface LockOptions {
  readonly clock: Clock;
  /** Called once when another process has the lock. */
  readonly onWait: () => void;
}

/**
 * Waits until the file at `path`, made when missing, is locked by us. Disposal gives the lock back,
 * and so does the kernel when we die. On a file system without locks there is none.
 */
export async function lockFile(
  path: string,
  { clock, onWait }: LockOptions,
  signal: AbortSignal,
): Promise<Disposable> {
  const fd = openSync(path, "a", 0o600);
  try {
    for (let looked = 0; isTaken(fd); looked += 1) {
      if (looked === 0) onWait();
      await sleep(clock, LOOK_AGAIN_MS, signal);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}

/** Locks the open file when it is free; whether another process has it. */
function isTaken(fd: number): boolean {
  const libc = dlopen("libc.so.6", {
    flock: { args: ["i32", "i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });
  try {
    if (libc.symbols.flock(fd, LOCK_EXCLUSIVE | LOCK_NO_WAIT) === 0) return false;
    const location = libc.symbols["__errno_location"]();
    return location !== null && read.i32(location, 0) === EAGAIN;
  } finally {
    libc.close();
  }
}
