/** What a Machine uses besides the processor and memory of its containers. */
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import type { Clock } from "#core/ports/clock.ts";
import type { NetworkStats, VolumeStats } from "../runtime.ts";
import type { MachineFolder } from "./folders.ts";

/** A file system tells its size in these, whatever its blocks are. */
const BLOCK_BYTES = 512;

const FRESH_MS = 15_000;

/** The Machine's own interface, as one of its processes sees it. */
export function networkUsage(pid: number): NetworkStats | undefined {
  const line = /^\s*eth0:(.*)$/m.exec(textOf(`/proc/${pid}/net/dev`))?.[1];
  if (line === undefined) return undefined;
  const fields = line.trim().split(/\s+/).map(Number);
  return { receivedBytes: fields[0] ?? 0, sentBytes: fields[8] ?? 0 };
}

export async function volumeUsage(
  { disks, memories }: Pick<MachineFolder, "disks" | "memories">,
  measure: Measure,
): Promise<readonly VolumeStats[]> {
  const onDisk = namesIn(disks).map(async (name) => ({
    name,
    usedBytes: await measure(`${disks}/${name}`),
  }));
  const inMemory = namesIn(memories).map((name) => {
    const { blocks, bfree, bsize } = statfsSync(`${memories}/${name}`);
    return { name, usedBytes: (blocks - bfree) * bsize, capacityBytes: blocks * bsize };
  });
  return [...(await Promise.all(onDisk)), ...inMemory];
}

/** What a folder takes on its disk, as of a moment ago. */
export type Measure = (folder: string) => Promise<number>;

/** Counts each folder once in a while: who asks often need not walk every file each time. */
export function folderMeasure(clock: Clock): Measure {
  const known = new Map<string, { readonly atMs: number; readonly bytes: Promise<number> }>();
  return async (folder) => {
    const nowMs = clock.now();
    for (const [name, { atMs }] of known) if (nowMs - atMs > FRESH_MS) known.delete(name);
    const entry = known.get(folder) ?? { atMs: nowMs, bytes: bytesBelow(folder) };
    known.set(folder, entry);
    return entry.bytes;
  };
}

/** What a folder takes on its disk, as `du` counts; what vanishes meanwhile counts nothing. */
async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  const counted = new Set<number>();
  const pending = [folder];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    try {
      const stats = await lstat(path);
      // A file of many names takes its room once.
      if (stats.nlink > 1 && !stats.isDirectory()) {
        if (counted.has(stats.ino)) continue;
        counted.add(stats.ino);
      }
      bytes += stats.blocks * BLOCK_BYTES;
      if (!stats.isDirectory()) continue;
      for (const name of await readdir(path)) pending.push(`${path}/${name}`);
    } catch {
      // It is gone.
    }
  }
  return bytes;
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
