import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Digests of the roots below `folder` that some overlay in any mount namespace of this host stands
 * on: taking such a root away would break a container that runs.
 */
export function mountedRoots(folder: string): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const table of mountTables()) {
    for (const line of table.split("\n")) {
      if (!line.includes(folder)) continue;
      for (const [, hex] of line.matchAll(/roots\/([0-9a-f]{64})/g)) digests.add(`sha256:${hex}`);
    }
  }
  return digests;
}

/** One mount table for each mount namespace. */
function* mountTables(): Generator<string> {
  const seen = new Set<string>();
  for (const pid of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/mnt`);
      if (seen.has(namespace)) continue;
      seen.add(namespace);
      yield readFileSync(`/proc/${pid}/mountinfo`, "utf8");
    } catch {
      // The process ended meanwhile.
    }
  }
}
