/** What folders take on their disk, found out by walking them at a pace nobody notices. */
import { lstat, readdir } from "node:fs/promises";
import { type Clock, sleep } from "#core/ports/clock.ts";

/** A file system tells its size in these, whatever its blocks are. */
const BLOCK_BYTES = 512;
/** A folder is walked again after this at the earliest… */
const FRESH_MS = 10_000;
/** …and after this many times what the last walk took: large folders are looked at less often. */
const REST_FACTOR = 20;
/** More at once would only wait for the same disk. */
const WALKS_AT_ONCE = 2;
/** After this many files a walk rests for a moment. */
const STRIDE = 2_000;
const STRIDE_REST_MS = 50;
/** How long who asks waits for a number that was never known. */
const FIRST_WAIT_MS = 1_000;
const FORGOTTEN_MS = 600_000;

export interface FolderUsage {
  readonly bytes: number;
  /** Files and folders, the folder itself too. */
  readonly inodes: number;
}

/** The newest known numbers; undefined as long as the first walk goes on. */
export type Measure = (folder: string) => Promise<FolderUsage | undefined>;

interface Known {
  usage: FolderUsage | undefined;
  walk: Promise<void> | undefined;
  nextMs: number;
  askedMs: number;
}

/** Counts each folder once in a while and off everybody's way, until `signal` aborts. */
export function folderMeasure(clock: Clock, signal: AbortSignal): Measure {
  const known = new Map<string, Known>();
  const waiting: (() => void)[] = [];
  let walks = 0;
  let sweptMs = clock.now();

  async function walk(folder: string, entry: Known): Promise<void> {
    if (walks >= WALKS_AT_ONCE) await new Promise<void>((turn) => waiting.push(turn));
    walks += 1;
    const startedMs = clock.now();
    try {
      entry.usage = await usageBelow(folder, clock, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      const tookMs = clock.now() - startedMs;
      entry.nextMs = clock.now() + Math.max(FRESH_MS, tookMs * REST_FACTOR);
      entry.walk = undefined;
      walks -= 1;
      waiting.shift()?.();
    }
  }

  function sweep(nowMs: number): void {
    sweptMs = nowMs;
    for (const [name, { askedMs, walk: busy }] of known) {
      if (busy === undefined && nowMs - askedMs > FORGOTTEN_MS) known.delete(name);
    }
  }

  return async (folder) => {
    const nowMs = clock.now();
    if (nowMs - sweptMs > FORGOTTEN_MS) sweep(nowMs);
    const entry = known.get(folder) ?? { usage: undefined, walk: undefined, nextMs: 0, askedMs: 0 };
    known.set(folder, entry);
    entry.askedMs = nowMs;
    if (entry.nextMs <= nowMs) entry.walk ??= walk(folder, entry);
    if (entry.usage === undefined && entry.walk !== undefined) {
      await atMost(FIRST_WAIT_MS, entry.walk, clock, signal);
    }
    return entry.usage;
  };
}

async function atMost(
  ms: number,
  work: Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const late = sleep(clock, ms, AbortSignal.any([signal, done.signal])).catch(() => {});
  await Promise.race([work, late]);
  done.abort();
}

/** As `du` counts, on one disk; what vanishes meanwhile counts nothing. */
async function usageBelow(folder: string, clock: Clock, signal: AbortSignal): Promise<FolderUsage> {
  const counted = new Set<number>();
  const pending = [folder];
  let bytes = 0;
  let inodes = 0;
  let seen = 0;
  let device: number | undefined;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    seen += 1;
    if (seen % STRIDE === 0) await sleep(clock, STRIDE_REST_MS, signal);
    try {
      const stats = await lstat(path);
      device ??= stats.dev;
      if (stats.dev !== device) continue;
      // A file of many names takes its room once.
      if (stats.nlink > 1 && !stats.isDirectory()) {
        if (counted.has(stats.ino)) continue;
        counted.add(stats.ino);
      }
      bytes += stats.blocks * BLOCK_BYTES;
      inodes += 1;
      if (!stats.isDirectory()) continue;
      for (const name of await readdir(path)) pending.push(`${path}/${name}`);
    } catch {
      // It is gone.
    }
  }
  return { bytes, inodes };
}
