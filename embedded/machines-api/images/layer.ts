import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { FksError } from "#core/errors.ts";
import { makeFifo, setXattr } from "./libc.ts";
import { type Place, type RootFolder, rootFolder } from "./root-folder.ts";
import { type TarEntry, type TarHeader, tarEntries } from "./tar-reader.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Names that aufs used for itself; they mean nothing here. */
const AUFS = ".wh..wh.";
const ID_MAX = 0xffff_fffe;

/** What layers laid on each other so far have cost and left to do. */
export interface Unpacking {
  readonly root: string;
  readonly folder: RootFolder;
  readonly limits: UnpackLimits;
  /** False keeps everything the property of the user who unpacks, who is then not root. */
  readonly keepsOwners: boolean;
  /** Times of folders, set at the very end: unpacking into a folder changes its own. */
  readonly folderTimes: Map<string, number>;
  entries: number;
}

export function unpackingInto(root: string, limits: UnpackLimits): Unpacking {
  const keepsOwners = process.geteuid?.() === 0;
  const folder = rootFolder(root);
  return { root, folder, limits, keepsOwners, folderTimes: new Map(), entries: 0 };
}

/**
 * Lays one decompressed layer over what is there: whiteouts, opaque folders, links, owners, modes,
 * capabilities and times. Throws FksError `InvalidInput` with one sentence for a hostile archive.
 */
export async function applyLayer(
  unpacking: Unpacking,
  tar: AsyncIterable<Uint8Array>,
): Promise<void> {
  /** Places this very layer has filled: its own whiteouts do not touch them. */
  const filled = new Set<string>();

  for await (const entry of tarEntries(tar)) {
    unpacking.entries += 1;
    if (unpacking.entries > unpacking.limits.entries) {
      throw refused(`it holds more than ${unpacking.limits.entries} entries`);
    }
    await applyEntry(unpacking, entry, filled);
  }
}

/** The last thing to do when all layers are there. */
export function setFolderTimes({ folderTimes }: Unpacking): void {
  for (const [path, time] of folderTimes) {
    try {
      utimesSync(path, time, time);
    } catch {
      // A later layer replaced the folder; its time went with it.
    }
  }
}

async function applyEntry(
  unpacking: Unpacking,
  entry: TarEntry,
  filled: Set<string>,
): Promise<void> {
  const { header } = entry;
  const place = unpacking.folder.placeOf(header.path);
  if (place === undefined) return applyRoot(unpacking, header);
  if (place.name.startsWith(WHITEOUT)) return applyWhiteout(unpacking, place, filled);

  const before = unpacking.folder.stat(place);
  const staysFolder = before?.isDirectory() === true && header.type === "directory";
  if (before !== undefined && !staysFolder) unpacking.folder.remove(place);
  markFilled(unpacking.root, place, filled);

  switch (header.type) {
    case "file":
      return writeFile(unpacking, place, entry);
    case "link":
      return hardLink(unpacking, place, header);
    case "directory":
      if (!staysFolder) mkdirSync(place.path, 0o755);
      unpacking.folderTimes.set(place.path, header.mtimeS);
      return finish(unpacking, place.path, header);
    case "symlink":
      symlinkSync(header.linkname, place.path);
      return finish(unpacking, place.path, header);
    case "fifo":
      makeFifo(place.path);
      return finish(unpacking, place.path, header);
    case "character-device":
    case "block-device":
      throw refused(`"${header.path}" is a device node, which an image must not bring along`);
  }
}

function applyRoot(unpacking: Unpacking, header: TarHeader): void {
  if (header.type !== "directory") throw refused("its root is not a folder");
  finish(unpacking, unpacking.root, header);
  unpacking.folderTimes.set(unpacking.root, header.mtimeS);
}

function applyWhiteout(unpacking: Unpacking, place: Place, filled: ReadonlySet<string>): void {
  const isKept = (path: string): boolean => filled.has(path);
  if (place.name === OPAQUE) return unpacking.folder.prune(place.folder, isKept);
  if (place.name.startsWith(AUFS)) return;

  const name = place.name.slice(WHITEOUT.length);
  if (name === "" || name === "." || name === "..") throw refused("a whiteout names no file");
  const hidden = { folder: place.folder, path: `${place.folder}/${name}`, name };
  if (!isKept(hidden.path)) return unpacking.folder.remove(hidden);
  if (unpacking.folder.stat(hidden)?.isDirectory() === true) {
    unpacking.folder.prune(hidden.path, isKept);
  }
}

/** The place and every folder above it. */
function markFilled(root: string, place: Place, filled: Set<string>): void {
  for (let path = place.path; path.length > root.length && !filled.has(path); ) {
    filled.add(path);
    path = path.slice(0, path.lastIndexOf("/"));
  }
}

async function writeFile(unpacking: Unpacking, place: Place, entry: TarEntry): Promise<void> {
  const { header, body } = entry;
  if (header.size > unpacking.limits.fileBytes) {
    throw refused(`"${header.path}" is larger than ${unpacking.limits.fileBytes} bytes`);
  }
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const fd = openSync(place.path, flags, 0o600);
  try {
    for await (const piece of body) {
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
    }
    // In this order: a change of owner clears set-uid bits and capabilities.
    if (unpacking.keepsOwners) fchownSync(fd, ownerId(header.uid), ownerId(header.gid));
    fchmodSync(fd, header.mode);
    setXattrs(place.path, header);
    futimesSync(fd, header.mtimeS, header.mtimeS);
  } finally {
    closeSync(fd);
  }
}

function hardLink(unpacking: Unpacking, place: Place, header: TarHeader): void {
  const target = unpacking.folder.placeOf(header.linkname);
  const stat = target === undefined ? undefined : unpacking.folder.stat(target);
  if (target === undefined || stat === undefined || stat.isDirectory()) {
    throw refused(`"${header.path}" is a hard link to "${header.linkname}", which is no file`);
  }
  linkSync(target.path, place.path);
}

/** Owner, mode, attributes and time of what is neither a file nor a hard link. */
function finish(unpacking: Unpacking, path: string, header: TarHeader): void {
  if (unpacking.keepsOwners) lchownSync(path, ownerId(header.uid), ownerId(header.gid));
  if (header.type === "symlink") {
    lutimesSync(path, header.mtimeS, header.mtimeS);
    return;
  }
  chmodSync(path, header.mode);
  if (header.type === "directory") setXattrs(path, header);
  else utimesSync(path, header.mtimeS, header.mtimeS);
}

/** Capabilities and users' own attributes; others could speak to overlayfs or to the host. */
function setXattrs(path: string, { xattrs }: TarHeader): void {
  for (const [name, value] of xattrs) {
    const isCarried = name === "security.capability" || name.startsWith("user.");
    if (isCarried && !name.startsWith("user.overlay.")) setXattr(path, name, value);
  }
}

function ownerId(id: number): number {
  if (id > ID_MAX) throw refused(`it holds a file of owner ${id}, which no host knows`);
  return id;
}

function refused(why: string): FksError {
  return new FksError("InvalidInput", `the archive is refused: ${why}`);
}
