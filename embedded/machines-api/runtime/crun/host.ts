import { readFileSync, statSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { PROGRAM_PATH } from "../../program-path.ts";
import { capabilitiesIn } from "./capabilities.ts";
import { type CgroupLayout, cgroupLayoutFor, ociRuntimesFor } from "./cgroup-layout.ts";
import type { OciDevice } from "./oci-config.ts";

export interface HostPrograms {
  readonly ociRuntime: string;
  readonly conmon: string;
  /** PID 1 of every container: forwards signals, reaps, ends with its child's code. */
  readonly init: string;
}

export function hostCgroupLayout(): CgroupLayout {
  return cgroupLayoutFor(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Looks for the programs once. Throws FksError `Unsupported` naming what is missing. */
export function findPrograms(layout: CgroupLayout, ociRuntime: string | undefined): HostPrograms {
  const wanted = ociRuntime === undefined ? ociRuntimesFor(layout) : [ociRuntime];
  return {
    ociRuntime: firstOf(wanted),
    conmon: firstOf(["conmon"]),
    init: firstOf(["catatonit", "tini-static"]),
  };
}

function firstOf(names: readonly string[]): string {
  for (const name of names) {
    const path = name.startsWith("/") ? name : Bun.which(name, { PATH: PROGRAM_PATH });
    if (path !== null) return path;
  }
  throw new FksError("Unsupported", `missing on this host: ${names.join(" or ")}`);
}

/** The hard limit of open files; what a container may get at most. */
export function openFilesMax(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === undefined || hard === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(hard);
}

/** What this process may hand on to a container. */
export function ownCapabilities(): ReadonlySet<string> {
  const status = readFileSync("/proc/self/status", "utf8");
  return capabilitiesIn(/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "");
}

/** Devices that belong to whoever opens them; those this host has. */
export function harmlessDevices(): readonly OciDevice[] {
  return ["/dev/net/tun", "/dev/fuse"].flatMap((path) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isCharacterDevice() !== true) return [];
    const { rdev } = stats;
    const major = (rdev >>> 8) & 0xfff;
    const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xf_ff00);
    return [{ path, type: "c" as const, major, minor, fileMode: 0o666, uid: 0, gid: 0 }];
  });
}

export function ownOomScoreAdj(): number {
  return Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
}
