import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { readTextIfThere } from "#adapters/host/files.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import { FksError } from "#core/errors.ts";
import { databaseBytes } from "#embedded/control-plane/backup/backup.ts";
import { backUp } from "./backup-data.ts";
import { backupFilesOf, backupPathsIn, timeInName } from "./backup-files.ts";
import { bytesText } from "./bytes-text.ts";
import { readCluster } from "./cluster.ts";
import { startConsole } from "./console.ts";
import { examples } from "./help.ts";

import { type DataPaths, dataPathsFor } from "./paths.ts";
import { configOf, withConfigOptions } from "./role.ts";

/** `fks-node backup`: the cluster's objects and keys in one file, whether `serve` runs or not. */
export function backupCommand(): Command {
  const command = new Command("backup")
    .description(
      "write the cluster's objects and keys into one file, while serve runs or not; Machines, images and volumes are not in it",
    )
    .argument("[file]", "a new file (default: the cluster's name and the time, in this folder)")
    .option("--without-keys", "leave the keys out; they are needed again to restore");
  withConfigOptions(command).action(
    (file: string | undefined, options: { withoutKeys?: boolean }, self: Command) =>
      backup(file, options.withoutKeys !== true, self),
  );
  return examples(command, "fks-node backup", "fks-node backup cluster.tar --without-keys");
}

async function backup(
  wanted: string | undefined,
  withKeys: boolean,
  command: Command,
): Promise<void> {
  const { stop } = stopSignals();
  const clock = hostClock();
  const nowMs = clock.now();
  const console = startConsole(process.stdout, () => clock.now());
  const paths = dataPathsFor((await configOf(command)).dataDir);
  const cluster = await readCluster(paths);
  await requireSettled(paths);
  const { database, keysPath } = backupFilesOf(cluster.engine, paths);
  const file = resolve(wanted ?? `fks-node-${cluster.name}-${timeInName(nowMs)}.tar`);
  console.progress(`copying the datastore (${bytesText(databaseBytes(database))})`);

  const written = await backUp({ paths, cluster, file, withKeys, nowMs }, stop);

  const { engine, kubernetesVersion, objects } = written.manifest;
  console.step(`wrote ${file}`);
  console.facts([
    ["cluster", `${cluster.name}, engine ${engine}, Kubernetes ${kubernetesVersion}`],
    ["objects", `${objects}, Secrets among them`],
    ["size", bytesText(written.bytes)],
    [
      "keys",
      withKeys
        ? "in it: whoever has this file is an administrator of the cluster"
        : `not in it: elsewhere it can be restored with ${keysPath} alone`,
    ],
    ["not in it", "Machines, images and volumes of this host"],
  ]);
}

/** Throws `Conflict` while what is there is neither of one version nor of one time. */
async function requireSettled(paths: DataPaths): Promise<void> {
  const { journal, trial } = backupPathsIn(paths);
  if (existsSync(journal)) {
    throw new FksError(
      "Conflict",
      `a restore of ${paths.dataDir} has not come to its end: start serve or restore once more`,
    );
  }
  if ((await readTextIfThere(trial)) === undefined) return;
  throw new FksError(
    "Conflict",
    `${paths.dataDir} is being upgraded: back it up when the control plane is ready; what was there before is in ${backupPathsIn(paths).folder}`,
  );
}
