import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { FksError, messageOf } from "#core/errors.ts";
import type { ContainerSpec } from "../runtime.ts";
import { ENOENT, makeFolderIn, mountOpen, openBeneath, unmount } from "./libc.ts";

const O_PATH = 0o10_000_000;

/**
 * What each mount of a container shows: its volume, or a part of it that is mounted below `folder`.
 * Throws FksError `InvalidInput`, in the kubelet's words, for a part that is none of the volume, and
 * `NotFound` for one that an image does not have.
 */
export function mountSources(
  { id, mounts }: ContainerSpec,
  volumes: Readonly<Record<string, string>>,
  folder: string,
): readonly string[] {
  return mounts.map(({ volume, subPath = "" }, index) => {
    const source = volumes[volume.name] ?? "";
    if (subPath === "" || subPath === ".") return source;
    const target = `${folder}/${index}`;
    const isImage = volume.kind === "image";
    try {
      mountPart(source, subPath, target, isImage ? noPart : madePart);
    } catch (error) {
      if (isImage) throw imagePartError(volume.name, subPath, error);
      const words = `failed to prepare subPath for volumeMount "${volume.name}" of container "${id.name}"`;
      throw new FksError("InvalidInput", words, { cause: error });
    }
    return target;
  });
}

/** Takes them away; never what they show. */
export function removeMountSources(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return;
  for (const entry of readdirSync(folder)) {
    const target = `${folder}/${entry}`;
    unmount(target);
    if (statSync(target).isDirectory()) rmdirSync(target);
    else unlinkSync(target);
  }
  rmdirSync(folder);
}

/** In the words of a container runtime, which the kubelet passes on. */
function imagePartError(volume: string, subPath: string, cause: unknown): FksError {
  const words = `ImageVolumeMountFailed: image volume "${volume}": subpath "${subPath}": ${messageOf(cause)}`;
  return new FksError("NotFound", words, { cause });
}

/** Makes a part that is missing, or refuses to. */
type Make = (root: number, names: readonly string[]) => number;

function mountPart(volume: string, subPath: string, target: string, make: Make): void {
  const part = openPart(volume, subPath, make);
  try {
    mkdirSync(dirname(target), { recursive: true });
    if (fstatSync(part).isDirectory()) mkdirSync(target);
    else writeFileSync(target, "");
    mountOpen(part, target);
  } finally {
    closeSync(part);
  }
}

function openPart(volume: string, subPath: string, make: Make): number {
  const names = subPath.split("/").filter((name) => name !== "" && name !== ".");
  if (subPath.startsWith("/") || names.includes("..")) throw new Error(`${subPath} leads out`);
  const root = openSync(volume, O_PATH | constants.O_DIRECTORY);
  try {
    const path = names.join("/");
    let found = openBeneath(root, path, O_PATH);
    // Files that are being replaced are away for less than a moment.
    if (found === -ENOENT) found = openBeneath(root, path, O_PATH);
    if (found >= 0) return found;
    if (found !== -ENOENT) throw new Error(`cannot open ${subPath}: errno ${-found}`);
    return make(root, names);
  } finally {
    closeSync(root);
  }
}

function noPart(): never {
  throw new Error("no such file or directory");
}

/** Folders that are missing are made, as open as the volume itself. */
function madePart(root: number, names: readonly string[]): number {
  const mode = fstatSync(root).mode & 0o7777;
  let parent = openBeneath(root, ".", O_PATH);
  for (const [index, name] of names.entries()) {
    const path = names.slice(0, index + 1).join("/");
    let next = openBeneath(root, path, O_PATH);
    if (next === -ENOENT) {
      const isNew = makeFolderIn(parent, name);
      next = openBeneath(root, path, O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY);
      if (isNew && next >= 0) chmodSync(`/proc/self/fd/${next}`, mode);
    }
    closeSync(parent);
    if (next < 0) throw new Error(`cannot make ${path}: errno ${-next}`);
    parent = next;
  }
  return parent;
}
