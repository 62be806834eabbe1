import { readdirSync, readFileSync } from "node:fs";

/** Proportional memory of processes by kind, in MiB: shared pages count once over all of them. */
export interface MemoryUse {
  readonly ours: Readonly<Record<string, number>>;
  readonly controlPlane: number;
}

const PARTS = ["kine", "apiserver", "controller-manager", "scheduler"];

/** Of the tree below `pid`, that process included. */
export function memoryOf(pid: number): MemoryUse {
  const ours: Record<string, number> = {};
  let controlPlane = 0;
  for (const member of treeOf(pid)) {
    const words = readFileSync(`/proc/${member}/cmdline`, "utf8").split("\0");
    const mebibytes = pssOf(member);
    if (PARTS.includes(words[1] ?? "")) controlPlane += mebibytes;
    else ours[words[1] ?? "?"] = (ours[words[1] ?? "?"] ?? 0) + mebibytes;
  }
  return { ours, controlPlane };
}

function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (member: number): number[] => [
    member,
    ...(children.get(member) ?? []).flatMap(below),
  ];
  return below(pid);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

/** Proportional memory of one process, in MiB. */
export function pssOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s*(\d+) kB/m.exec(text)?.[1] ?? 0) / 1_024;
}
