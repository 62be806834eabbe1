import { join } from "node:path";
import { cacheFolder } from "#embedded/control-plane/cache.ts";

/** Redis as Debian packages it, unpacked here where this host has none. */
export const REDIS = {
  folder: join(cacheFolder(process.env), "debian-redis"),
  packages: ["redis-server", "redis-tools"],
} as const;
