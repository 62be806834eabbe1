/** Limits of a group that already has processes in it. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import type { ContainerLimits } from "../runtime.ts";
import { cpuOf } from "./oci-config.ts";

/** A group's folder in the hierarchy that has the controller; the same one in version 2. */
export interface GroupFolders {
  readonly memory: string | undefined;
  readonly cpu: string | undefined;
}

/**
 * Gives a container's group these limits at once, never more than the group above it has. Throws
 * FksError `Conflict` for a memory limit below what is in use, `Unavailable` when the kernel refuses.
 */
export async function changeLimits(
  { memory, cpu }: GroupFolders,
  limits: ContainerLimits,
  isUnified: boolean,
): Promise<void> {
  const files = isUnified ? UNIFIED : SPLIT;
  if (memory !== undefined) {
    const bytes = smallest(limits.memoryBytes, limitIn(`${dirname(memory)}/${files.limit}`));
    const used = Number(textOf(`${memory}/${files.used}`));
    if (bytes !== undefined && used > bytes) {
      const words = `attempting to set container memory limit (${bytes}) below current usage (${used})`;
      throw new FksError("Conflict", words);
    }
    const value = bytes === undefined ? files.noLimit : String(bytes);
    // Swap counts in the second limit, which may never be below the first: one order is refused.
    if (isUnified) await put(`${memory}/${files.limit}`, value);
    else await putBoth(`${memory}/${files.limit}`, `${memory}/${SWAP_TOO}`, value);
  }
  if (cpu === undefined) return;
  const wanted = cpuOf(limits, isUnified ? millisIn(cpu) : splitMillisIn(cpu));
  if (wanted === undefined) return;
  const { quota, period, shares } = wanted;
  if (isUnified) {
    await put(`${cpu}/cpu.max`, quota === undefined ? "max" : `${quota} ${period}`);
    await put(`${cpu}/cpu.weight`, String(weightFor(shares)));
  } else {
    await put(`${cpu}/cpu.cfs_quota_us`, String(quota ?? -1));
    await put(`${cpu}/cpu.shares`, String(shares));
  }
}

const UNIFIED = { limit: "memory.max", used: "memory.current", noLimit: "max" };
const SPLIT = { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", noLimit: "-1" };
const SWAP_TOO = "memory.memsw.limit_in_bytes";

async function putBoth(limit: string, swapToo: string, value: string): Promise<void> {
  // A host that does not count swap has no such file.
  const hasSwap = textOf(swapToo) !== "";
  try {
    await put(limit, value);
    if (hasSwap) await put(swapToo, value);
  } catch {
    if (hasSwap) await put(swapToo, value);
    await put(limit, value);
  }
}

/** As OCI runtimes turn version 1 shares into version 2 weights. */
function weightFor(shares: number): number {
  return 1 + Math.floor(((shares - 2) * 9_999) / 262_142);
}

function millisIn(folder: string): number | undefined {
  const [quota = "", period = ""] = textOf(`${dirname(folder)}/cpu.max`)
    .trim()
    .split(" ");
  return /^\d+$/.test(quota) ? Math.round((Number(quota) * 1_000) / Number(period)) : undefined;
}

function splitMillisIn(folder: string): number | undefined {
  const quota = Number(textOf(`${dirname(folder)}/cpu.cfs_quota_us`));
  const period = Number(textOf(`${dirname(folder)}/cpu.cfs_period_us`));
  return quota > 0 && period > 0 ? Math.round((quota * 1_000) / period) : undefined;
}

/** Version 1 writes "no limit" as a number that no memory has. */
function limitIn(file: string): number | undefined {
  const bytes = Number(textOf(file).trim());
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

function smallest(...limits: readonly (number | undefined)[]): number | undefined {
  const given = limits.filter((limit) => limit !== undefined && limit > 0);
  return given.length === 0 ? undefined : Math.min(...given.map(Number));
}

async function put(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value);
  } catch (error) {
    throw new FksError("Unavailable", `the kernel refuses ${value} for ${file}`, { cause: error });
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
