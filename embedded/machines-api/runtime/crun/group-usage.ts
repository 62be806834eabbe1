/** What a group used so far, from the kernel's files of either version. */
import { existsSync, readFileSync } from "node:fs";
import type { ContainerStats } from "../runtime.ts";
import type { GroupFolders } from "./group-limits.ts";

export type GroupUsage = Omit<
  ContainerStats,
  "name" | "startedAtMs" | "rootBytes" | "rootInodes" | "logBytes" | "logInodes"
>;

interface UsageFolders extends GroupFolders {
  readonly accounting: string | undefined;
  readonly pids: string | undefined;
}

/** Undefined when there is no such group. */
export function usageOf(folders: UsageFolders, isUnified: boolean): GroupUsage | undefined {
  const { memory = "", pids } = folders;
  if (!existsSync(memory)) return undefined;
  const stat = textOf(`${memory}/memory.stat`);
  const words = isUnified ? UNIFIED : SPLIT;
  const usageBytes = Number(textOf(`${memory}/${words.usage}`));
  return {
    cpuNanoseconds: cpuOf(folders, isUnified),
    memoryBytes: Math.max(0, usageBytes - valueIn(stat, words.idle)),
    usageBytes,
    rssBytes: valueIn(stat, words.rss),
    pageFaults: valueIn(stat, words.faults),
    majorPageFaults: valueIn(stat, words.majorFaults),
    processes: pids === undefined ? 0 : Number(textOf(`${pids}/pids.current`)),
  };
}

const UNIFIED = {
  usage: "memory.current",
  idle: "inactive_file",
  rss: "anon",
  faults: "pgfault",
  majorFaults: "pgmajfault",
};

const SPLIT = {
  usage: "memory.usage_in_bytes",
  idle: "total_inactive_file",
  rss: "total_rss",
  faults: "total_pgfault",
  majorFaults: "total_pgmajfault",
};

function cpuOf({ accounting }: UsageFolders, isUnified: boolean): number {
  if (accounting === undefined) return 0;
  return isUnified
    ? valueIn(textOf(`${accounting}/cpu.stat`), "usage_usec") * 1_000
    : Number(textOf(`${accounting}/cpuacct.usage`));
}

function valueIn(stat: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(stat)?.[1] ?? 0);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
