import { FksError } from "#core/errors.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { KUBERNETES_VERSION } from "#embedded/control-plane/upstream/source.ts";
import type { Cluster } from "./cluster.ts";
import { type Config, environment } from "./config.ts";
import type { Console } from "./console.ts";

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
  readonly console: Console;
}

/**
 * The engine to use, with its executable found, fetched or built: the cluster's own, else the one
 * asked for. Throws `Conflict` when another one is asked for than the cluster has.
 */
export async function chooseEngine(
  { config, cluster, console }: ChooseOptions,
  signal: AbortSignal,
): Promise<Engine> {
  if (cluster !== undefined && config.engine !== "auto" && config.engine !== cluster.engine) {
    throw new FksError(
      "Conflict",
      `the cluster in ${config.dataDir} has engine ${cluster.engine}, not ${config.engine}: an engine is fixed at the first start, and only fks-node reset makes room for another`,
    );
  }
  return upstream(config, console, signal);
}

async function upstream(config: Config, console: Console, signal: AbortSignal): Promise<Engine> {
  const env = { ...environment(), ...(config.kubeBin && { FKS_KUBE_BIN: config.kubeBin }) };
  const program = await ensureKube({ env, onProgress: (line) => console.progress(line) }, signal);
  return { name: "upstream", program, version: KUBERNETES_VERSION };
}
