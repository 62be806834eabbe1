import { existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import {
  type BackupSource,
  type WrittenBackup,
  writeBackup,
} from "#embedded/control-plane/backup/backup.ts";
import { keysFingerprint } from "#embedded/control-plane/backup/keys.ts";
import packageJson from "../package.json";
import { backupFilesOf } from "./backup-files.ts";
import type { Cluster } from "./cluster.ts";
import type { DataPaths } from "./paths.ts";

interface BackupOptions {
  readonly paths: DataPaths;
  readonly cluster: Cluster;
  /** New; where the backup goes. */
  readonly file: string;
  readonly withKeys: boolean;
  readonly nowMs: number;
}

/** Writes a backup of a data directory's cluster. Throws as `writeBackup` does. */
export async function backUp(options: BackupOptions, signal: AbortSignal): Promise<WrittenBackup> {
  return writeBackup(options.file, await sourceOf(options), signal);
}

async function sourceOf({ paths, cluster, withKeys, nowMs }: BackupOptions): Promise<BackupSource> {
  const { engine, kubernetesVersion, name, clusterUid, networkId } = cluster;
  if (kubernetesVersion === undefined) {
    throw new FksError(
      "NotFound",
      `the control plane in ${paths.dataDir} has never been ready: there is nothing to back up yet`,
    );
  }
  const { database, keys } = backupFilesOf(engine, paths);
  const missing = keys.find(({ path }) => !existsSync(path));
  const fingerprint = await keysFingerprint(engine, keys);
  if (missing !== undefined || fingerprint === undefined) {
    const path = missing?.path ?? keys[0]?.path;
    throw new FksError("NotFound", `${path} is missing: the datastore is of no use without it`);
  }
  return {
    about: {
      fksNodeVersion: packageJson.version,
      engine,
      kubernetesVersion,
      clusterName: name,
      ...(clusterUid !== undefined && { clusterUid }),
      networkId,
      keysFingerprint: fingerprint,
    },
    clusterFile: paths.clusterFile,
    database,
    keys: withKeys ? keys : [],
    nowMs,
  };
}
