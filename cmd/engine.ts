import type { EngineName } from "#embedded/control-plane/engine.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { KUBERNETES_VERSION } from "#embedded/control-plane/upstream/source.ts";
import { type Config, environment } from "./config.ts";
import type { Console } from "./console.ts";

/** An engine of the control plane that can be started here and now. */
export interface Engine {
  readonly name: EngineName;
  /** Its executable. */
  readonly program: string;
  readonly version: string;
}

/** The engine to use, with its executable found, fetched or built. */
export async function chooseEngine(
  { config, console }: { readonly config: Config; readonly console: Console },
  signal: AbortSignal,
): Promise<Engine> {
  const env = { ...environment(), ...(config.kubeBin && { FKS_KUBE_BIN: config.kubeBin }) };
  const program = await ensureKube({ env, onProgress: (line) => console.progress(line) }, signal);
  return { name: "upstream", program, version: KUBERNETES_VERSION };
}
