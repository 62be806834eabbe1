import { existsSync, mkdirSync, statSync } from "node:fs";
import { chmod, chown, mkdir, rename } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import { runProgram } from "../../network/run-program.ts";
import type { VolumeSpec } from "../runtime.ts";
import { replaceFiles } from "./atomic-files.ts";
import type { MachineFolder } from "./folders.ts";
import { mountTmpfs } from "./libc.ts";

type VolumeFolders = Pick<MachineFolder, "disks" | "memories" | "files">;

const MIB = 1024 * 1024;

/** As Kubernetes makes an `emptyDir`: whoever the container runs as may write. */
const OPEN_MODE = 0o777;
const FILES_MODE = 0o755;
const SET_GID = 0o2000;

/** What a Machine promises of its volumes. */
export interface VolumeRules {
  /** Owns the volumes, and may write to those that are not files. */
  readonly fsGroup: number | undefined;
  /** What a volume in memory without a size may hold. */
  readonly memoryBytes: number;
}

/** Makes the volume when it is not there yet and gives its folder on the host. */
export async function ensureVolume(
  machine: VolumeFolders,
  volume: VolumeSpec,
  { fsGroup, memoryBytes }: VolumeRules,
  nowMs: number,
): Promise<string> {
  const folder = volumeFolder(machine, volume);
  switch (volume.kind) {
    case "disk":
      if (!existsSync(folder)) await makeDisk(folder, fsGroup);
      break;
    case "memory": {
      const bytes = volume.sizeMb === undefined ? memoryBytes : volume.sizeMb * MIB;
      const limit = memoryBytes > 0 ? Math.min(bytes, memoryBytes) : bytes;
      if (ensureTmpfs(folder, limit)) await giveTo(folder, fsGroup, OPEN_MODE);
      break;
    }
    case "files":
      // Newer files than these may have been put there since the container was planned.
      if (existsSync(`${folder}/..data`)) break;
      await mkdir(folder, { recursive: true });
      await giveTo(folder, fsGroup, FILES_MODE);
      await replaceFiles(folder, volume.files, nowMs);
      break;
    case "image":
      break;
    case "persistent":
      if (fsGroup !== undefined) await giveAllTo(folder, fsGroup);
      break;
  }
  return folder;
}

/** Whole or not at all: who it belongs to is the container's business once it is there. */
async function makeDisk(folder: string, fsGroup: number | undefined): Promise<void> {
  const unfinished = `${dirname(folder)}/.${basename(folder)}`;
  await mkdir(unfinished, { recursive: true });
  await giveTo(unfinished, fsGroup, OPEN_MODE);
  await rename(unfinished, folder);
}

/**
 * As the kubelet gives a claim's files to the Pod's group: all of them, once. The folder itself is
 * last, so that an unfinished change is done again.
 */
async function giveAllTo(folder: string, group: number): Promise<void> {
  const wanted = 0o770 | SET_GID;
  const { uid, gid, mode } = statSync(folder);
  if (gid === group && (mode & wanted) === wanted) return;
  const below = ["find", folder, "-mindepth", "1"];
  const never = new AbortController().signal;
  await runProgram([...below, "-exec", "chgrp", "-h", String(group), "{}", "+"], never);
  await runProgram([...below, "-type", "d", "-exec", "chmod", "ug+rwx,g+s", "{}", "+"], never);
  await runProgram([...below, "-type", "f", "-exec", "chmod", "ug+rw", "{}", "+"], never);
  await chown(folder, uid, group);
  await chmod(folder, (mode & 0o7777) | wanted);
}

async function giveTo(folder: string, fsGroup: number | undefined, mode: number): Promise<void> {
  if (fsGroup !== undefined) await chown(folder, 0, fsGroup);
  await chmod(folder, fsGroup === undefined ? mode : mode | SET_GID);
}

/** Replaces what a volume of kind `files` shows, at once, also under running containers. */
export async function writeFilesVolume(
  machine: VolumeFolders,
  volume: VolumeSpec,
  nowMs: number,
): Promise<void> {
  await replaceFiles(volumeFolder(machine, { ...volume, kind: "files" }), volume.files, nowMs);
}

/**
 * A tmpfs of its own, once: its size is a promise, and it is more than a folder of another. Tells
 * whether it is new.
 */
export function ensureTmpfs(folder: string, bytes: number, mode = OPEN_MODE): boolean {
  mkdirSync(folder, { recursive: true });
  if (statSync(folder).dev !== statSync(`${folder}/..`).dev) return false;
  mountTmpfs(folder, mode, bytes > 0 ? bytes : undefined);
  return true;
}

function volumeFolder(machine: VolumeFolders, volume: VolumeSpec): string {
  const { kind, name, imageRoot, folder } = volume;
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new FksError("InvalidInput", `a volume cannot be called ${JSON.stringify(name)}`);
  }
  if (kind === "image") return imageRoot ?? "";
  if (kind === "persistent") return folder ?? "";
  const parents = { disk: machine.disks, memory: machine.memories, files: machine.files };
  return `${parents[kind]}/${name}`;
}
