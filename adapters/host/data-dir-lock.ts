import { dlopen, FFIType } from "bun:ffi";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { fileError } from "./files.ts";
import { processIdentity } from "./process-identity.ts";

const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;

interface DataDirLock {
  release(): void;
}

/**
 * Takes the data directory for this process alone, making the directory when it is missing.
 *
 * The kernel keeps the lock and gives it up when we die, however we die; the file says for people
 * who holds it. Throws `Conflict` naming the holder when another process has it.
 */
export function lockDataDir(dataDir: string): DataDirLock {
  const path = join(dataDir, "lock");
  const fd = openLock(dataDir, path);
  if (!tryLock(fd)) {
    const holder = readFileSync(path, "utf8").trim();
    closeSync(fd);
    throw new FksError(
      "Conflict",
      `${dataDir} is in use by ${holder === "" ? "another process" : holderIn(holder)}: stop it first`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${JSON.stringify(processIdentity(process.pid))}\n`);
  return { release: () => closeSync(fd) };
}

function openLock(dataDir: string, path: string): number {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return openSync(path, "a+", 0o600);
  } catch (error) {
    throw fileError(path, error);
  }
}

function holderIn(text: string): string {
  const pid = /"pid":(\d+)/.exec(text)?.[1];
  return pid === undefined ? "another process" : `process ${pid}`;
}

function tryLock(fd: number): boolean {
  const libc = dlopen(process.platform === "darwin" ? "libc.dylib" : "libc.so.6", {
    flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  try {
    return libc.symbols.flock(fd, LOCK_EXCLUSIVE | LOCK_NO_WAIT) === 0;
  } finally {
    libc.close();
  }
}
