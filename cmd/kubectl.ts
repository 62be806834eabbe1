import { existsSync } from "node:fs";
import { Command } from "commander";
import { FksError } from "#core/errors.ts";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { type Config, environment, loadConfig } from "./config.ts";
import { knownControlPlane } from "./control-plane-record.ts";
import { examples } from "./help.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { dataPathsFor } from "./paths.ts";

export function kubectlCommand(): Command {
  const command = new Command("kubectl")
    .description("kubectl with this cluster's kubeconfig; needs no kubectl on this host")
    .option("--data-dir <dir>", "which cluster (FKS_DATA_DIR); before kubectl's own arguments")
    .argument("[args...]", "everything else is kubectl's")
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: string[], flags: { dataDir?: string }) => {
      const config = await loadConfig({ flags, env: environment() });
      process.exitCode = await runKubectl(config, args);
    });
  return examples(
    command,
    "fks-node kubectl get pods -A",
    "fks-node kubectl --data-dir ./data exec -it web -- sh",
  );
}

/** Runs kubectl on our terminal and returns its exit code. Throws when there is no cluster to ask. */
async function runKubectl(config: Config, args: readonly string[]): Promise<number> {
  const env = environment();
  // Without it kubectl asks whatever listens on localhost:8080.
  if (!needsNoCluster(args)) await readKubeconfig(dataPathsFor(config.dataDir));
  const paths = dataPathsFor(config.dataDir);
  const child = Bun.spawn([...(await kubectlOf(config)), ...args], {
    // K3s unpacks itself wherever this names, also to be a kubectl only.
    env: { ...env, KUBECONFIG: paths.kubeconfig, K3S_DATA_DIR: paths.k3s },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  // The terminal sends Ctrl-C to both of us; what it means is for kubectl to decide.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return child.exited;
}

function needsNoCluster(args: readonly string[]): boolean {
  return (
    ["help", "completion", "options"].includes(args[0] ?? "help") ||
    args.some((arg) => ["--help", "-h", "--client"].includes(arg))
  );
}

/** PATH's own, else the one inside the control plane's executable. Throws `Unsupported`. */
async function kubectlOf(config: Config): Promise<readonly string[]> {
  const installed = Bun.which("kubectl");
  if (installed !== null) return [installed];
  const known = await knownControlPlane(dataPathsFor(config.dataDir));
  const carriers = [known?.program, config.kubeBin, cachedKubePath(environment())];
  const carrier = carriers.find((path) => path !== undefined && existsSync(path));
  if (carrier !== undefined) return [carrier, "kubectl"];
  throw new FksError("Unsupported", "there is no kubectl yet: fks-node serve brings one");
}
