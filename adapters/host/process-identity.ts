import { readFileSync } from "node:fs";
import type { ProcessIdentity } from "#core/ports/processes.ts";

/** The process with this number as it is now; undefined when there is none or it is a zombie. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets and may hold anything, spaces included.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    // The boot, and clock ticks since then.
    return { pid, startedAt: `${bootId()}/${fields[19]}` };
  } catch {
    return undefined;
  }
}

/** The command line of a process for a person to read; empty when it is not ours to see. */
export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
