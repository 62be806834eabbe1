import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "#embedded/control-plane/cache.ts";

/** What is checked in for the suite: its module, and what is known of its tests. */
export const CHECKED_IN = "test/conformance";

/** What runs leave behind: results, logs and reports, so that the next one can go on. */
export const RUNS = ".cache/conformance";

/** Where programs and images of exactly these modules are kept, beside those of other versions. */
export function conformanceCache(): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const name of ["go.mod", "go.sum"]) hash.update(readFileSync(join(CHECKED_IN, name)));
  return join(cacheFolder(process.env), `conformance-${hash.digest("hex").slice(0, 16)}`);
}
