import { join } from "node:path";
import type { KeyFile } from "#embedded/control-plane/backup/keys.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { CA_NAMES, pkiFilesIn } from "#embedded/control-plane/upstream/files.ts";
import type { DataPaths } from "./paths.ts";

/** Where in a data directory is what a backup holds. */
export interface BackupFiles {
  readonly database: string;
  /** Without them the datastore is of no use. */
  readonly keys: readonly KeyFile[];
  /** What of the keys suffices to be kept apart: a file or a folder. */
  readonly keysPath: string;
  /** Made anew from the datastore and the keys. */
  readonly derived: readonly string[];
}

/**
 * What a backup of this engine's cluster holds beside `cluster.json`. Pure.
 *
 * Not in it: leaf certificates, identities of Nodes and tokens of local APIs. They are of one host,
 * and whoever misses one makes it or has it signed anew.
 */
export function backupFilesOf(engine: EngineName, paths: DataPaths): BackupFiles {
  return engine === "k3s" ? k3sFiles(paths) : upstreamFiles(paths);
}

/** Its authorities are in the datastore, sealed with the token. */
function k3sFiles({ k3s, k3sToken }: DataPaths): BackupFiles {
  const files = k3sFilesIn(k3s);
  return {
    database: files.database,
    keys: [
      { name: "keys/token", path: k3sToken },
      { name: "keys/server-token", path: files.token },
    ],
    keysPath: k3sToken,
    derived: [files.tls, join(files.folder, "server/cred")],
  };
}

function upstreamFiles({ kineDatabase, pki: folder }: DataPaths): BackupFiles {
  const pki = pkiFilesIn(folder);
  const authorities = CA_NAMES.flatMap((name) => [
    { name: `keys/${name}.crt`, path: pki.pair(name).cert },
    { name: `keys/${name}.key`, path: pki.pair(name).key },
  ]);
  return {
    database: kineDatabase,
    keys: [
      ...authorities,
      { name: "keys/service-account.key", path: pki.serviceAccountKey },
      { name: "keys/service-account.pub", path: pki.serviceAccountPublicKey },
    ],
    keysPath: folder,
    derived: [],
  };
}

/** Where backups of upgrades are, and what is written down about one that is going on. */
export interface BackupPaths {
  readonly folder: string;
  /** While files of the data directory are being replaced: how to undo that. */
  readonly journal: string;
  /** While a new version of Kubernetes has not been ready yet. */
  readonly trial: string;
}

export function backupPathsIn({ dataDir }: DataPaths): BackupPaths {
  const folder = join(dataDir, "backups");
  return { folder, journal: join(folder, "restoring.json"), trial: join(folder, "trial.json") };
}

/** `20261122T070102Z`: sorts as time does. Pure. */
export function timeInName(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
}
