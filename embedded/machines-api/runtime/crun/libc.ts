import { dlopen, read } from "bun:ffi";
import { closeSync } from "node:fs";
import { FksError } from "#core/errors.ts";

/** Flags of mount(2) and umount2(2). */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_BIND = 4096;
const MNT_DETACH = 2;

/** openat2(2) has no function of its own in older libraries; the number is everybody's. */
const SYS_OPENAT2 = 437;
const O_CLOEXEC = 0o2_000_000;
const RESOLVE_NO_MAGICLINKS = 2;
const RESOLVE_BENEATH = 8;

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SUN_PATH_MAX_BYTES = 108;

const TIOCSWINSZ = 0x5414;

const EINVAL = 22;
export const ENOENT = 2;
const EEXIST = 17;

const { __errno_location: errnoAddress, ...libc } = dlopen("libc.so.6", {
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
  mkdirat: { args: ["i32", "ptr", "u32"], returns: "i32" },
  syscall: { args: ["i64", "i64", "ptr", "ptr", "u64"], returns: "i64" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
}).symbols;

interface OverlayFolders {
  readonly lower: string;
  readonly upper: string;
  readonly work: string;
  readonly target: string;
}

/**
 * Mounts an overlay on `target`. It is thrown away at its container's end, so the kernel may skip
 * syncing it (`volatile`, where it knows the word); else every unmount waits for the whole disk.
 */
export function mountOverlay({ lower, upper, work, target }: OverlayFolders): void {
  const folders = [
    `lowerdir=${escaped(lower)}`,
    `upperdir=${escaped(upper)}`,
    `workdir=${escaped(work)}`,
  ];
  const options = folders.join(",");
  if (mount("overlay", target, "overlay", 0, `${options},volatile`) === 0) return;
  const code = errno();
  if (code === EINVAL && mount("overlay", target, "overlay", 0, options) === 0) return;
  throw new FksError("Unavailable", `cannot mount an overlay on ${target}: errno ${errno()}`);
}

/** Mounts an empty tmpfs; without a size the kernel's half of the memory is the bound. */
export function mountTmpfs(target: string, mode: number, sizeBytes?: number): void {
  const size = sizeBytes === undefined ? "" : `,size=${sizeBytes}`;
  const options = `mode=${mode.toString(8)}${size}`;
  if (mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options) === 0) return;
  throw new FksError("Unavailable", `cannot mount a tmpfs on ${target}: errno ${errno()}`);
}

/** Shows at `target` the file or folder that is open as `file`, wherever it has gone meanwhile. */
export function mountOpen(file: number, target: string): void {
  if (mount(`/proc/self/fd/${file}`, target, "", MS_BIND, "") === 0) return;
  throw new FksError("Unavailable", `cannot mount on ${target}: errno ${errno()}`);
}

/**
 * Opens `path` below the open folder without ever leaving it, whatever links lead where and whoever
 * changes them meanwhile. Gives the number of the failure, negative, when there is none.
 */
export function openBeneath(folder: number, path: string, flags: number): number {
  const how = new BigUint64Array([
    BigInt(flags | O_CLOEXEC),
    0n,
    BigInt(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS),
  ]);
  const { byteLength } = how;
  const opened = libc.syscall(
    SYS_OPENAT2,
    folder,
    cString(path),
    new Uint8Array(how.buffer),
    byteLength,
  );
  return opened < 0 ? -errno() : Number(opened);
}

/** False when there is something of that name already. */
export function makeFolderIn(folder: number, name: string): boolean {
  if (libc.mkdirat(folder, cString(name), 0o755) === 0) return true;
  const code = errno();
  if (code === EEXIST) return false;
  throw new FksError("Unavailable", `cannot make ${name}: errno ${code}`);
}

/** A connected socket that keeps packets apart; undefined when nobody listens there. */
export function connectPackets(path: string): number | undefined {
  const address = Buffer.alloc(2 + SUN_PATH_MAX_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  if (address.write(path, 2) >= SUN_PATH_MAX_BYTES) {
    throw new FksError("Unavailable", `${path} is too long for a socket`);
  }
  const socket = libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | O_CLOEXEC, 0);
  if (socket < 0) throw new FksError("Unavailable", `cannot make a socket: errno ${errno()}`);
  if (libc.connect(socket, address, address.length) === 0) return socket;
  closeSync(socket);
  return undefined;
}

/** Whoever runs in the terminal is told; what is open and no terminal is left as it is. */
export function setWindowSize(terminal: number, cols: number, rows: number): void {
  libc.ioctl(terminal, TIOCSWINSZ, new Uint16Array([rows, cols, 0, 0]));
}

/** Unmounts what is on top at `target`, in use or not; nothing mounted there is a success. */
export function unmount(target: string): void {
  if (libc.umount2(cString(target), MNT_DETACH) === 0) return;
  const code = errno();
  if (code === EINVAL || code === ENOENT) return;
  throw new FksError("Unavailable", `cannot unmount ${target}: errno ${code}`);
}

function mount(source: string, target: string, type: string, flags: number, data: string): number {
  return libc.mount(cString(source), cString(target), cString(type), flags, cString(data));
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** Commas separate options and colons separate folders. */
function escaped(path: string): string {
  return path.replaceAll(/[\\,:]/g, "\\$&");
}

function errno(): number {
  const at = errnoAddress();
  return at === null ? 0 : read.i32(at);
}
