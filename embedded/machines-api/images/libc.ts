import { dlopen, ptr, read } from "bun:ffi";

/** The few system calls that the platform's file functions lack. */
const { symbols } = dlopen("libc.so.6", {
  lsetxattr: { args: ["ptr", "ptr", "ptr", "u64", "i32"], returns: "i32" },
  mkfifo: { args: ["ptr", "u32"], returns: "i32" },
  syncfs: { args: ["i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
});

const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
const EINTR = 4;
const EAGAIN = 11;
const EOPNOTSUPP = 95;

/** Sets an extended attribute of `path` itself; one the file system cannot hold is left out. */
export function setXattr(path: string, name: string, value: Uint8Array): void {
  // A pointer to nothing is none: an empty value borrows a byte it does not use.
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  const result = symbols.lsetxattr(
    cString(path),
    cString(name),
    ptr(bytes),
    BigInt(value.length),
    0,
  );
  if (result !== 0 && errno() !== EOPNOTSUPP) throw systemError("lsetxattr", path);
}

export function makeFifo(path: string): void {
  if (symbols.mkfifo(cString(path), 0o600) !== 0) throw systemError("mkfifo", path);
}

/** Writes all of the file system that holds the open file `fd` to its disk. */
export function syncFileSystem(fd: number): void {
  if (symbols.syncfs(fd) !== 0) throw systemError("syncfs", String(fd));
}

/** Takes a lock on an open file if it is free; it is given back when the file is closed. */
export function tryLock(fd: number, kind: "shared" | "exclusive"): boolean {
  const operation = kind === "shared" ? LOCK_SHARED : LOCK_EXCLUSIVE;
  if (symbols.flock(fd, operation | LOCK_NON_BLOCKING) === 0) return true;
  const code = errno();
  if (code === EAGAIN || code === EINTR) return false;
  throw systemError("flock", String(fd));
}

function cString(text: string): ReturnType<typeof ptr> {
  return ptr(Buffer.from(`${text}\0`));
}

function errno(): number {
  const location = symbols["__errno_location"]();
  return location === null ? 0 : read.i32(location, 0);
}

function systemError(call: string, what: string): Error {
  return new Error(`${call} of ${what} failed with error number ${errno()}`);
}
