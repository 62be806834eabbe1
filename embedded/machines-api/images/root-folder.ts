import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, type Stats } from "node:fs";
import { FksError } from "#core/errors.ts";

/**
 * The root file system that grows while layers are unpacked, and the only way to name a file in it.
 *
 * A path of an archive is resolved as if this folder were `/`: an absolute symbolic link leads to a
 * place inside. A path or a relative link that climbs above the root is refused. Nothing else may
 * write to the folder meanwhile.
 */
export interface RootFolder {
  /** The real place of `path`: its folders exist, itself it may not. `undefined` for the root. */
  placeOf(path: string): Place | undefined;
  /** What is at a place, links not followed. */
  stat(place: Place): Stats | undefined;
  remove(place: Place): void;
  /** Removes what no path for which `isKept` answers true needs. */
  prune(folder: string, isKept: (path: string) => boolean): void;
}

export interface Place {
  /** Of its folder and of itself, on the host. */
  readonly folder: string;
  readonly path: string;
  readonly name: string;
}

/** As many as the kernel follows. */
const LINKS_MAX = 40;

export function rootFolder(root: string): RootFolder {
  const known = new Map<string, string>();

  /** Walks `parts` from the root, creates what is missing, follows links inside the root. */
  function folderOf(parts: readonly string[], path: string, links: number): string {
    const key = parts.join("/");
    const cached = known.get(key);
    if (cached !== undefined) return cached;

    let folder = root;
    for (const [index, name] of parts.entries()) {
      const next = `${folder}/${name}`;
      const stat = statOf(next);
      if (stat?.isSymbolicLink() === true) {
        if (links >= LINKS_MAX) throw refused(`"${path}" goes through too many symbolic links`);
        const from = relativeParts(root, folder);
        const target = targetParts(from, readlinkSync(next), path);
        return folderOf([...target, ...parts.slice(index + 1)], path, links + 1);
      }
      if (stat !== undefined && !stat.isDirectory()) rmSync(next);
      if (stat?.isDirectory() !== true) mkdirSync(next, 0o755);
      folder = next;
    }
    known.set(key, folder);
    return folder;
  }

  function remove(place: Place): void {
    const stat = statOf(place.path);
    if (stat === undefined) return;
    rmSync(place.path, { recursive: true, force: true });
    if (stat.isDirectory() || stat.isSymbolicLink()) known.clear();
  }

  function prune(folder: string, isKept: (path: string) => boolean): void {
    for (const name of readdirSync(folder)) {
      const path = `${folder}/${name}`;
      if (!isKept(path)) remove({ folder, path, name });
      else if (statOf(path)?.isDirectory() === true) prune(path, isKept);
    }
  }

  return {
    placeOf(path) {
      const parts = partsOf([], path, path);
      const name = parts.at(-1);
      if (name === undefined) return undefined;
      const folder = folderOf(parts.slice(0, -1), path, 0);
      return { folder, path: `${folder}/${name}`, name };
    },
    stat: (place) => statOf(place.path),
    remove,
    prune,
  };
}

/** `path` read from the folder `from`, its `.` and `..` worked off. */
function partsOf(from: readonly string[], path: string, shown: string): string[] {
  const parts = [...from];
  if (path.includes("\0")) throw refused("a name holds a zero byte");
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw refused(`"${shown}" leads out of the image`);
  }
  return parts;
}

function targetParts(from: readonly string[], target: string, path: string): string[] {
  return target.startsWith("/") ? partsOf([], target, path) : partsOf(from, target, path);
}

function relativeParts(root: string, folder: string): string[] {
  return folder
    .slice(root.length)
    .split("/")
    .filter((part) => part !== "");
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function refused(why: string): FksError {
  return new FksError("InvalidInput", `the archive is refused: ${why}`);
}
