import { homedir } from "node:os";
import { join } from "node:path";

/** Where executables that were fetched or built are kept for every cluster of a host's user. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  const cache = env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache");
  return join(cache, "fks-node");
}
