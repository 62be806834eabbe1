import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * Digests of the roots that some overlay in any mount namespace of this host stands on, or that are
 * mounted themselves: taking such a root away would break a container that runs. Roots of another
 * folder of images count too, since a mount is told by its path on its own disk.
 */
export function mountedRoots(): ReadonlySet<string> {
  const digests = new Set<string>();
  for (const table of mountTables()) {
    for (const [, hex] of table.matchAll(/roots\/([0-9a-f]{64})/g)) digests.add(`sha256:${hex}`);
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
