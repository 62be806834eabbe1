import { existsSync, mkdirSync, statSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import type { VolumeSpec } from "../runtime.ts";
import { replaceFiles } from "./atomic-files.ts";
import type { MachineFolder } from "./folders.ts";
import { mountTmpfs } from "./libc.ts";

type VolumeFolders = Pick<MachineFolder, "disks" | "memories" | "files">;

const MIB = 1024 * 1024;

/** As Kubernetes makes an `emptyDir`: whoever the container runs as may write. */
const OPEN_MODE = 0o777;

/** Makes the volume when it is not there yet and gives its folder on the host. */
export async function ensureVolume(
  machine: VolumeFolders,
  volume: VolumeSpec,
  nowMs: number,
): Promise<string> {
  const folder = volumeFolder(machine, volume);
  switch (volume.kind) {
    case "disk":
      await mkdir(folder, { recursive: true });
      await chmod(folder, OPEN_MODE);
      break;
    case "memory":
      ensureTmpfs(folder, volume.sizeMb);
      break;
    case "files":
      // Newer files than these may have been put there since the container was planned.
      if (!existsSync(`${folder}/..data`)) await replaceFiles(folder, volume.files, nowMs);
      break;
  }
  return folder;
}

/** Replaces what a volume of kind `files` shows, at once, also under running containers. */
export async function writeFilesVolume(
  machine: VolumeFolders,
  volume: VolumeSpec,
  nowMs: number,
): Promise<void> {
  await replaceFiles(volumeFolder(machine, { ...volume, kind: "files" }), volume.files, nowMs);
}

/** A tmpfs of its own, once: its size is a promise, and it is more than a folder of another. */
export function ensureTmpfs(folder: string, sizeMb: number | undefined, mode = OPEN_MODE): void {
  mkdirSync(folder, { recursive: true });
  if (statSync(folder).dev !== statSync(`${folder}/..`).dev) return;
  mountTmpfs(folder, mode, sizeMb === undefined ? undefined : sizeMb * MIB);
}

function volumeFolder(machine: VolumeFolders, { kind, name }: VolumeSpec): string {
  if (!/^[\w][\w.-]*$/.test(name)) {
    throw new FksError("InvalidInput", `a volume cannot be called ${JSON.stringify(name)}`);
  }
  const parents = { disk: machine.disks, memory: machine.memories, files: machine.files };
  return `${parents[kind]}/${name}`;
}
