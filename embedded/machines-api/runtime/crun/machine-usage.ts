/** What a Machine uses besides the processor and memory of its containers. */
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { lstat } from "node:fs/promises";
import type { NetworkStats, VolumeStats } from "../runtime.ts";
import type { FolderUsage, Measure } from "./folder-usage.ts";
import type { AttemptFolder, MachineFolder } from "./folders.ts";

/** A file system tells its size in these, whatever its blocks are. */
const BLOCK_BYTES = 512;

/** The Machine's own interface, as one of its processes sees it. */
export function networkUsage(pid: number): NetworkStats | undefined {
  const line = /^\s*eth0:(.*)$/m.exec(textOf(`/proc/${pid}/net/dev`))?.[1];
  if (line === undefined) return undefined;
  const fields = line.trim().split(/\s+/).map(Number);
  return { receivedBytes: fields[0] ?? 0, sentBytes: fields[8] ?? 0 };
}

/** A volume that was not counted yet is left out. */
export async function volumeUsage(
  { disks, memories }: Pick<MachineFolder, "disks" | "memories">,
  measure: Measure,
): Promise<readonly VolumeStats[]> {
  const onDisk = namesIn(disks).map(async (name) => {
    const usage = await measure(`${disks}/${name}`);
    if (usage === undefined) return [];
    return [{ name, usedBytes: usage.bytes, usedInodes: usage.inodes }];
  });
  const inMemory = namesIn(memories).map((name) => {
    const { blocks, bfree, bsize, files, ffree } = statfsSync(`${memories}/${name}`);
    return {
      name,
      usedBytes: (blocks - bfree) * bsize,
      usedInodes: files - ffree,
      capacityBytes: blocks * bsize,
    };
  });
  return [...(await Promise.all(onDisk)).flat(), ...inMemory];
}

/** Its logs, those of earlier starts too. */
export async function logUsage(attempts: readonly AttemptFolder[]): Promise<FolderUsage> {
  const files = attempts.flatMap(({ log, rotatedLog }) => [log, rotatedLog]);
  const sizes = await Promise.all(files.map(sizeOf));
  const found = sizes.filter((size) => size !== undefined);
  return { bytes: found.reduce((sum, bytes) => sum + bytes, 0), inodes: found.length };
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await lstat(file)).blocks * BLOCK_BYTES;
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !name.startsWith("."));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
