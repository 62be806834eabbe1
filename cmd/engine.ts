import { existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { findK3s } from "#embedded/control-plane/k3s/find.ts";
import { requireNoOtherK3s } from "#embedded/control-plane/k3s/folder.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { kubeVersion } from "#embedded/control-plane/upstream/kube-version.ts";
import { KUBERNETES_VERSION } from "#embedded/control-plane/upstream/source.ts";
import type { Cluster } from "./cluster.ts";
import { type Config, environment } from "./config.ts";
import type { Console } from "./console.ts";
import { knownControlPlane } from "./control-plane-record.ts";
import type { DataPaths } from "./paths.ts";

/** An engine of the control plane that can be started here and now. */
export interface Engine {
  readonly name: EngineName;
  /** Its executable. */
  readonly program: string;
  readonly version: string;
}

interface ChooseOptions {
  readonly config: Config;
  /** Undefined before the first start. */
  readonly cluster: Cluster | undefined;
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly console: Pick<Console, "step" | "progress">;
}

/**
 * The engine to use, with its executable found, fetched or built: the cluster's own, else the one
 * asked for, else K3s where it can be had. Throws `Conflict` when another one is asked for than the
 * cluster has, and what finding or building the executable throws.
 */
export async function chooseEngine(options: ChooseOptions, signal: AbortSignal): Promise<Engine> {
  const { config, cluster, console } = options;
  if (cluster !== undefined && config.engine !== "auto" && config.engine !== cluster.engine) {
    throw new FksError(
      "Conflict",
      `the cluster in ${config.dataDir} has engine ${cluster.engine}, not ${config.engine}: an engine is fixed at the first start, and only fks-node reset makes room for another`,
    );
  }
  switch (cluster?.engine ?? config.engine) {
    case "k3s":
      return k3s(options, signal);
    case "upstream":
      return upstream(options, signal);
    case "auto":
      break;
  }
  try {
    return await k3s(options, signal);
  } catch (error) {
    // Whoever names a file wants that one.
    if (!(error instanceof FksError) || config.k3sBin !== undefined) throw error;
    console.step(
      `taking engine upstream, since ${error.message}; to have K3s, run fks-node reset and start with --engine k3s or --k3s-bin FILE`,
    );
    return upstream(options, signal);
  }
}

async function k3s(
  { config, cluster, paths, clock, console }: ChooseOptions,
  signal: AbortSignal,
): Promise<Engine> {
  if (process.getuid?.() === 0) await requireNoOtherK3s();
  const options = {
    k3sBin: config.k3sBin,
    releases: config.k3sReleases,
    dataDir: paths.k3s,
    dataVersion: cluster?.kubernetesVersion,
    env: environment(),
    clock,
    onProgress: (line: string): void => console.progress(line),
  };
  const { path, version, source } = await findK3s(options, signal).catch(async (error: unknown) => {
    // Whoever named a file once need not name it at each start.
    const last = cluster === undefined ? undefined : await knownControlPlane(paths);
    const isGone = last?.engine !== "k3s" || !existsSync(last.program);
    if (!(error instanceof FksError) || config.k3sBin !== undefined || isGone) throw error;
    console.step(`${error.message}; going on with what ran last`);
    return findK3s({ ...options, k3sBin: last.program }, signal);
  });
  console.step(`engine k3s ${version}: ${SOURCE_TEXT[source]} ${path}`);
  return { name: "k3s", program: path, version };
}

const SOURCE_TEXT = {
  named: "asked for by name,",
  path: "found on PATH,",
  cache: "from the cache,",
  download: "fetched into",
} as const;

async function upstream(
  { config, cluster, clock, console }: ChooseOptions,
  signal: AbortSignal,
): Promise<Engine> {
  if (config.k3sBin !== undefined) {
    const why =
      cluster === undefined
        ? "engine upstream is asked for"
        : `the cluster in ${config.dataDir} has engine upstream`;
    console.step(`${config.k3sBin} is not used: ${why}`);
  }
  const env = { ...environment(), ...(config.kubeBin && { FKS_KUBE_BIN: config.kubeBin }) };
  const program = await ensureKube({ env, onProgress: (line) => console.progress(line) }, signal);
  const isOurs = config.kubeBin === undefined;
  const version = isOurs ? KUBERNETES_VERSION : await kubeVersion(program, env, clock, signal);
  return { name: "upstream", program, version };
}
