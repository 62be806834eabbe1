import { dlopen, read } from "bun:ffi";
import { FksError } from "#core/errors.ts";

/** Flags of mount(2) and umount2(2). */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MNT_DETACH = 2;

const EINVAL = 22;
const ENOENT = 2;

const { __errno_location: errnoAddress, ...libc } = dlopen("libc.so.6", {
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
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
