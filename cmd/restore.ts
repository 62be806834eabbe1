import { resolve } from "node:path";
import { Command } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { lockDataDir } from "#adapters/host/data-dir-lock.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import { FksError } from "#core/errors.ts";
import { type Console, startConsole } from "./console.ts";
import { examples } from "./help.ts";
import { endLeftovers } from "./leftovers.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";
import {
  dropStaged,
  forgetOldReplaced,
  putInPlace,
  type StagedBackup,
  stageBackup,
  undoCutRestore,
} from "./restore-data.ts";
import { configOf, warningsFor, withConfigOptions } from "./role.ts";

interface RestoreOptions {
  readonly yes?: boolean;
  readonly tokenFile?: string;
}

/** `fks-node restore`: a data directory's cluster is again what a backup holds. */
export function restoreCommand(): Command {
  const command = new Command("restore")
    .description(
      "put a backup into the data directory, while serve is stopped; Machines of Pods that it does not know are destroyed when serve starts",
    )
    .argument("<file>", "what fks-node backup wrote")
    .option("--yes", "replace the datastore that is there")
    .option("--token-file <file>", "K3s' token, for a backup without keys");
  withConfigOptions(command).action((file: string, options: RestoreOptions, self: Command) =>
    restore(resolve(file), options, self),
  );
  return examples(
    command,
    "fks-node restore cluster.tar --data-dir ./data",
    "fks-node restore cluster.tar --yes",
  );
}

async function restore(file: string, options: RestoreOptions, command: Command): Promise<void> {
  const { yes = false, tokenFile } = options;
  const config = await configOf(command);
  const paths = dataPathsFor(config.dataDir);
  const { stop } = stopSignals();
  const clock = hostClock();
  const console = startConsole(process.stdout, () => clock.now());
  const log = warningsFor(config, "restore");
  const lock = lockDataDir(paths.dataDir);
  try {
    if (await undoCutRestore(paths)) console.step("undid a restore that was cut off");
    console.progress(`checking ${file}`);
    const staged = await stageBackup(
      { file, paths, ...(tokenFile !== undefined && { tokenFile: resolve(tokenFile) }) },
      stop,
    );
    try {
      if (staged.replacesDatastore && !yes) throw wantsYes(staged, { file, paths });
      const { clusterName, kubernetesVersion, objects, createdAt } = staged.manifest;
      console.step(
        `${file} is good: cluster ${clusterName}, Kubernetes ${kubernetesVersion}, ${objects} objects, of ${createdAt}`,
      );
      await endLeftovers({ paths, clock, log }, stop);
      stop.throwIfAborted();
      const keptIn = await putInPlace(staged, { paths, nowMs: clock.now() });
      await forgetOldReplaced(paths);
      tell(console, staged, { paths, keptIn });
    } finally {
      await dropStaged(staged);
    }
  } finally {
    lock.release();
  }
}

function wantsYes(
  { known, manifest }: StagedBackup,
  { file, paths }: { readonly file: string; readonly paths: DataPaths },
): FksError {
  const name = known?.name ?? manifest.clusterName;
  return new FksError(
    "InvalidInput",
    `this replaces the datastore of cluster ${name} in ${paths.dataDir} with ${file} of ${manifest.createdAt}; say --yes to do it`,
  );
}

function tell(
  console: Console,
  { manifest, known, replacesDatastore }: StagedBackup,
  { paths, keptIn }: { readonly paths: DataPaths; readonly keptIn: string },
): void {
  console.step(`${paths.dataDir} is restored`);
  console.facts([
    ...(replacesDatastore ? [["kept", `what was there before, in ${keptIn}`] as const] : []),
    [
      "start",
      `fks-node serve --data-dir ${paths.dataDir}, with Kubernetes ${manifest.kubernetesVersion} or the next minor`,
    ],
    ["Pods", "a Machine whose Pod is not in the backup is destroyed when serve starts"],
    ...(known === undefined
      ? [["not there", "Machines, images and volumes: Pods get new Machines"] as const]
      : []),
  ]);
}
