import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";

/** What a Node tells of the computer it stands for. */
export interface HostFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the file system that holds `folder`. */
  readonly diskBytes: number;
  readonly machineID: string;
  readonly bootID: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** As Go spells it. */
  readonly architecture: string;
}

/** The host as it is now; what cannot be read is empty. */
export function hostFacts(folder: string): HostFacts {
  const { blocks, bsize } = statfsSync(folder);
  return {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    diskBytes: blocks * bsize,
    machineID: textOf("/etc/machine-id"),
    bootID: textOf("/proc/sys/kernel/random/boot_id"),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(textOf("/etc/os-release"))?.[1] ?? "",
    architecture: process.arch === "x64" ? "amd64" : process.arch,
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
