import { Command } from "commander";
import { readTextIfThere } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import { readCluster } from "./cluster.ts";
import { environment } from "./config.ts";
import { examples } from "./help.ts";
import { replaceKubeconfig, userKubeconfig } from "./kubeconfig-files.ts";
import { mergeKubeconfig, removeFromKubeconfig } from "./kubeconfig-merge.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";
import { configOf, withConfigOptions } from "./role.ts";

export function kubeconfigCommand(): Command {
  const command = new Command("kubeconfig").description(
    "print the cluster's kubeconfig, or keep it in your own",
  );
  withConfigOptions(
    command.command("print").description("print the administrator's kubeconfig"),
  ).action(async (_, self: Command) => {
    process.stdout.write(await readKubeconfig(await pathsOf(self)));
  });
  withConfigOptions(
    command
      .command("merge")
      .description("add the cluster to your kubeconfig (KUBECONFIG, else ~/.kube/config)")
      .option("--switch", "make it the current context"),
  ).action(merge);
  withConfigOptions(
    command.command("remove").description("take the cluster out of your kubeconfig again"),
  ).action(remove);
  return examples(
    command,
    "fks-node kubeconfig merge --switch",
    "fks-node kubeconfig print --data-dir ./data > demo.yaml",
  );
}

async function merge(options: { switch?: boolean }, self: Command): Promise<void> {
  const paths = await pathsOf(self);
  const addition = await readKubeconfig(paths);
  const { files, newEntriesIn } = await userKubeconfig(environment());
  const switchContext = options.switch === true;
  const changed = mergeKubeconfig({ files, newEntriesIn, addition, switchContext });
  for (const { path, text } of changed) await replaceKubeconfig(path, text);

  const name = contextNameFor((await readCluster(paths)).name);
  const where = changed.map(({ path }) => path).join(", ");
  const news = where === "" ? "is in your kubeconfig already" : `is in ${where}`;
  process.stdout.write(
    `context ${name} ${news}; use it with: kubectl --context ${name} get nodes\n`,
  );
}

async function remove(_: unknown, self: Command): Promise<void> {
  const name = contextNameFor((await readCluster(await pathsOf(self))).name);
  const { files } = await userKubeconfig(environment());
  const changed = removeFromKubeconfig(files, name);
  for (const { path, text } of changed) await replaceKubeconfig(path, text);
  const where = changed.map(({ path }) => path).join(", ");
  process.stdout.write(
    where === "" ? `no context ${name} in your kubeconfig\n` : `${name} is gone from ${where}\n`,
  );
}

/** Context, cluster and user of a cluster bear one name. */
export function contextNameFor(clusterName: string): string {
  return `fks-${clusterName}`;
}

async function pathsOf(command: Command): Promise<DataPaths> {
  return dataPathsFor((await configOf(command)).dataDir);
}

/** The administrator's kubeconfig. Throws `NotFound` without a cluster, `Unavailable` before its first start is done. */
export async function readKubeconfig(paths: DataPaths): Promise<string> {
  const text = await readTextIfThere(paths.kubeconfig);
  if (text !== undefined) return text;
  await readCluster(paths);
  throw new FksError(
    "Unavailable",
    `${paths.kubeconfig} is not there yet: fks-node serve writes it once the API server is ready`,
  );
}
