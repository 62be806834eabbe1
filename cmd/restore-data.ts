import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import { keysFingerprint, tokenFingerprint } from "#embedded/control-plane/backup/keys.ts";
import {
  CLUSTER_FILE,
  DATABASE_FILE,
  type Manifest,
} from "#embedded/control-plane/backup/manifest.ts";
import {
  type FileChanges,
  type Replacement,
  replaceFiles,
  undoReplacement,
} from "#embedded/control-plane/backup/replace.ts";
import { unpackBackup } from "#embedded/control-plane/backup/unpack.ts";
import { secretIn } from "#embedded/control-plane/k3s/token.ts";
import { backupFilesOf, backupPathsIn, timeInName } from "./backup-files.ts";
import { type Cluster, clusterIn, clusterOrDamaged } from "./cluster.ts";
import type { DataPaths } from "./paths.ts";

/** A backup that was unpacked into the data directory it is for, and found good. */
export interface StagedBackup {
  readonly manifest: Manifest;
  readonly folder: string;
  /** The cluster of the data directory; undefined when that is empty. */
  readonly known: Cluster | undefined;
  /** Whether a datastore is there that would be replaced. */
  readonly replacesDatastore: boolean;
  /** K3s' token, where it was given by itself. */
  readonly token?: string;
}

interface StageOptions {
  readonly file: string;
  readonly paths: DataPaths;
  readonly tokenFile?: string;
}

const STAGING = ".restore-";
const KEPT = "replaced-";
const KEPT_MAX = 3;

/**
 * Unpacks a backup and checks that it may come into this data directory, which is not touched yet.
 *
 * Throws what `unpackBackup` throws, `Conflict` for another cluster's and another engine's, and
 * `Unauthorized` without the keys it was made with. Call under the data directory's lock.
 */
export async function stageBackup(
  { file, paths, tokenFile }: StageOptions,
  signal: AbortSignal,
): Promise<StagedBackup> {
  const { folder: backups } = backupPathsIn(paths);
  await mkdir(backups, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(backups, STAGING));
  try {
    const manifest = await unpackBackup(file, folder, signal);
    const found = await clusterOrDamaged(paths);
    const known = found === "damaged" ? undefined : found;
    if (known !== undefined) requireSameCluster(manifest, known, { file, paths });
    const token = await tokenFor(manifest, { file, paths, ...(tokenFile && { tokenFile }) });
    const { database } = backupFilesOf(manifest.engine, paths);
    const replacesDatastore = found === "damaged" || existsSync(database);
    return { manifest, folder, known, replacesDatastore, ...(token && { token }) };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Puts a staged backup into its data directory, whole or not at all, and returns the folder where
 * what was there before is kept. Nothing of the control plane may run.
 */
export async function putInPlace(
  { manifest, folder, known, token }: StagedBackup,
  { paths, nowMs, changes }: { paths: DataPaths; nowMs: number; changes?: FileChanges },
): Promise<string> {
  const { database, keys, keysPath, derived } = backupFilesOf(manifest.engine, paths);
  const { folder: backups, journal, trial } = backupPathsIn(paths);
  const restored = await clusterIn({ ...paths, clusterFile: join(folder, CLUSTER_FILE) });
  if (restored === undefined) throw new FksError("NotFound", `${folder} has no ${CLUSTER_FILE}`);
  const clusterFile = join(folder, "merged.json");
  await writeFile(clusterFile, `${JSON.stringify(mergedCluster(known, restored), undefined, 2)}\n`);
  const given = join(folder, "given-token");
  if (token !== undefined) await writeFile(given, token);

  const newKeys = keys.flatMap(({ name, path }): Replacement[] => {
    const staged = join(folder, name);
    if (existsSync(staged)) return [{ path, by: staged }];
    return path === keysPath && token !== undefined ? [{ path, by: given }] : [];
  });
  const all: readonly Replacement[] = [
    { path: database, by: join(folder, DATABASE_FILE) },
    { path: `${database}-wal` },
    { path: `${database}-shm` },
    ...newKeys,
    ...derived.map((path) => ({ path })),
    // An upgrade that was being tried is over: its data is gone.
    { path: trial },
    { path: paths.clusterFile, by: clusterFile },
  ];
  const keptIn = newFolder(join(backups, `${KEPT}${timeInName(nowMs)}`));
  await replaceFiles({
    dataDir: paths.dataDir,
    journal,
    keptIn: relative(paths.dataDir, keptIn),
    replacements: all.map((it) => ({ ...it, path: relative(paths.dataDir, it.path) })),
    ...(changes && { changes }),
  });
  await dropStaged({ folder });
  return keptIn;
}

/** Two in one second are two. */
function newFolder(path: string): string {
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? path : `${path}-${count}`;
    if (!existsSync(candidate)) return candidate;
  }
}

export async function dropStaged({ folder }: Pick<StagedBackup, "folder">): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/**
 * Undoes a restore that was killed in the middle and clears what any left; true when there was one
 * to undo. Call under the data directory's lock, before anything is read of it.
 */
export async function undoCutRestore(paths: DataPaths): Promise<boolean> {
  const { folder, journal } = backupPathsIn(paths);
  const isUndone = await undoReplacement({ dataDir: paths.dataDir, journal });
  const names = existsSync(folder) ? await readdir(folder) : [];
  for (const name of names) {
    if (name.startsWith(STAGING) || name.startsWith(".fks-backup-")) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
  return isUndone;
}

/** Keeps the last three folders of what restores replaced. */
export async function forgetOldReplaced(paths: DataPaths): Promise<void> {
  const { folder } = backupPathsIn(paths);
  const names = (await readdir(folder)).filter((name) => name.startsWith(KEPT));
  const madeMs = new Map(names.map((name) => [name, statSync(join(folder, name)).ctimeMs]));
  const byTime = names.toSorted((a, b) => (madeMs.get(a) ?? 0) - (madeMs.get(b) ?? 0));
  for (const name of byTime.slice(0, -KEPT_MAX)) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * The restored cluster in a data directory whose cluster is `known`. Pure.
 *
 * Running Machines know the address of the API, and each region its place: what was added since
 * the backup stays.
 */
export function mergedCluster(known: Cluster | undefined, restored: Cluster): Cluster {
  if (known === undefined) return restored;
  const added = known.regions.filter((region) => !restored.regions.includes(region));
  return {
    ...restored,
    ...(known.clusterUid !== undefined && { clusterUid: known.clusterUid }),
    apiPort: known.apiPort,
    regions: [...restored.regions, ...added],
  };
}

interface Names {
  readonly file: string;
  readonly paths: DataPaths;
  readonly tokenFile?: string;
}

function requireSameCluster(manifest: Manifest, known: Cluster, { file, paths }: Names): void {
  if (manifest.engine !== known.engine) {
    throw new FksError(
      "Conflict",
      `${file} is of a cluster with engine ${manifest.engine}, the cluster in ${paths.dataDir} has engine ${known.engine}`,
    );
  }
  const [theirs, ours] = [manifest.clusterUid, known.clusterUid];
  const isOther = theirs !== undefined && ours !== undefined && theirs !== ours;
  if (manifest.networkId === known.networkId && !isOther) return;
  throw new FksError(
    "Conflict",
    `${file} is of cluster ${manifest.clusterName} (${theirs ?? manifest.networkId}), in ${paths.dataDir} is cluster ${known.name} (${ours ?? known.networkId}): restore it into an empty data directory`,
  );
}

/** The token that was given by itself, once it is clear that the right keys will be there. */
async function tokenFor(manifest: Manifest, names: Names): Promise<string | undefined> {
  const { file, paths, tokenFile } = names;
  const { engine, keysFingerprint: expected } = manifest;
  const token = tokenFile === undefined ? undefined : await givenToken(manifest, names);
  const { keys } = backupFilesOf(engine, paths);
  const there = await keysFingerprint(engine, keys);
  if (there !== undefined && there !== expected) {
    const what = engine === "k3s" ? "the token" : "the keys";
    throw new FksError(
      "Unauthorized",
      `${file} was made with other keys than ${paths.dataDir} has: ${what} there cannot open it`,
    );
  }
  const holdsKeys = manifest.files.some(({ path }) => path.startsWith("keys/"));
  if (holdsKeys || there !== undefined || token !== undefined) return token;
  const remedy =
    engine === "k3s"
      ? "give the file with K3s' token by --token-file"
      : `copy the cluster's own pki folder to ${paths.pki} first`;
  throw new FksError("Unauthorized", `${file} holds no keys, nor does ${paths.dataDir}: ${remedy}`);
}

async function givenToken(manifest: Manifest, names: Names): Promise<string> {
  const { file, tokenFile = "" } = names;
  if (manifest.engine !== "k3s") {
    throw new FksError("InvalidInput", `--token-file is for engine k3s; ${file} is of upstream`);
  }
  const text = await readTextIfThere(tokenFile);
  if (text === undefined) throw new FksError("NotFound", `there is no file ${tokenFile}`);
  const secret = secretIn(text);
  if (secret !== undefined && tokenFingerprint(secret) === manifest.keysFingerprint) return secret;
  throw new FksError(
    "Unauthorized",
    `the token in ${tokenFile} is not the one ${file} was made with`,
  );
}
