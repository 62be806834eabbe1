import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { loadConfig } from "#cmd/config.ts";
import { FksError } from "#core/errors.ts";
import { findK3s, type K3sBinary } from "#embedded/control-plane/k3s/find.ts";
import { captured } from "../captured.ts";

interface Looking {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it may unpack itself when it is asked what it is. */
  readonly dataDir: string;
  /** Hears how far a download is. */
  readonly say: (line: string) => void;
}

/**
 * The K3s that `serve` would take here. Throws FksError with one sentence where there is none, and
 * `InvalidInput` when it is the stand-in of our tests.
 */
export async function realK3s(
  { env, dataDir, say }: Looking,
  signal: AbortSignal,
): Promise<K3sBinary> {
  const { FKS_K3S_BIN, FKS_K3S_RELEASES } = env;
  const { k3sBin, k3sReleases } = await loadConfig({
    flags: {},
    env: { FKS_K3S_BIN, FKS_K3S_RELEASES },
  });
  const found = await findK3s(
    { k3sBin, releases: k3sReleases, dataDir, env, clock: hostClock(), onProgress: say },
    signal,
  );
  if (!(await isStandIn(found.path, dataDir))) return found;
  throw new FksError(
    "InvalidInput",
    `${found.path} is the stand-in of our own tests, and proves nothing about K3s`,
  );
}

/** It says so itself, and it finds its shape and its parts beside itself. */
async function isStandIn(path: string, dataDir: string): Promise<boolean> {
  if (existsSync(join(dirname(path), "shape.json"))) return true;
  const { stdout } = await captured([path, "--version"], { K3S_DATA_DIR: dataDir });
  return /^k3s version \S+ \(shaped\)$/m.test(stdout);
}
