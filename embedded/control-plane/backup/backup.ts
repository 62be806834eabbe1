import { createReadStream, existsSync, statSync } from "node:fs";
import { mkdtemp, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FksError } from "#core/errors.ts";
import { sha256Of } from "../k3s/checksums.ts";
import { copyDatabase, objectsIn } from "./database-copy.ts";
import { requireSpace, syncFolder } from "./folders.ts";
import type { KeyFile } from "./keys.ts";
import {
  CLUSTER_FILE,
  DATABASE_FILE,
  FORMAT_VERSION,
  MANIFEST_FILE,
  MANIFEST_SUM_FILE,
  type Manifest,
  type ManifestFile,
} from "./manifest.ts";
import { sha256OfText } from "./sha256.ts";
import { type TarFile, writeTar } from "./tar.ts";

/** What goes into a backup. */
export interface BackupSource {
  readonly about: Omit<Manifest, "formatVersion" | "createdAt" | "objects" | "files">;
  readonly clusterFile: string;
  readonly database: string;
  /** Empty when they are kept apart. */
  readonly keys: readonly KeyFile[];
  readonly nowMs: number;
}

export interface WrittenBackup {
  readonly manifest: Manifest;
  readonly bytes: number;
}

/**
 * Writes a backup of a cluster's datastore into the new file `file`, whole or not at all, for its
 * owner's eyes. The control plane may run.
 *
 * Throws `Conflict` when the file is there, `NotFound` when its folder, the datastore or a key is
 * not, `Unavailable` when it does not fit, and what `copyDatabase` throws.
 */
export async function writeBackup(
  file: string,
  source: BackupSource,
  signal: AbortSignal,
): Promise<WrittenBackup> {
  const folder = dirname(file);
  requireNew(file);
  if (!existsSync(folder)) throw new FksError("NotFound", `there is no folder ${folder}`);
  // The copy and the archive made of it.
  requireSpace(folder, 2 * databaseBytes(source.database));
  const work = await mkdtemp(join(folder, ".fks-backup-"));
  try {
    const archive = join(work, "archive");
    const manifest = await writeArchive(archive, join(work, DATABASE_FILE), source, signal);
    const { size } = await stat(archive);
    requireNew(file);
    await rename(archive, file);
    await syncFolder(folder);
    return { manifest, bytes: size };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** How much a database takes, with what was not yet taken into its file. */
export function databaseBytes(database: string): number {
  return [database, `${database}-wal`]
    .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, bytes) => sum + bytes, 0);
}

async function writeArchive(
  archive: string,
  copy: string,
  source: BackupSource,
  signal: AbortSignal,
): Promise<Manifest> {
  const { about, clusterFile, database, keys, nowMs } = source;
  copyDatabase(database, copy);
  const objects = objectsIn(copy, database);
  const small = [{ name: CLUSTER_FILE, path: clusterFile }, ...keys];
  const texts = await Promise.all(small.map(({ name, path }) => smallFile(name, path)));
  const { size } = await stat(copy);
  const files: readonly (TarFile & { readonly sha256: string })[] = [
    ...texts,
    {
      name: DATABASE_FILE,
      bytes: size,
      sha256: await sha256Of(copy, signal),
      content: () => createReadStream(copy),
    },
  ];

  const manifest: Manifest = {
    formatVersion: FORMAT_VERSION,
    ...about,
    createdAt: new Date(nowMs).toISOString().replace(/\.\d+/, ""),
    objects,
    files: files.map(({ name, bytes, sha256 }): ManifestFile => ({ path: name, bytes, sha256 })),
  };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  const head = [
    textFile(MANIFEST_FILE, text),
    textFile(MANIFEST_SUM_FILE, `${sha256OfText(text)}  ${MANIFEST_FILE}\n`),
  ];
  const handle = await open(archive, "wx", 0o600);
  try {
    await writeTar(handle, [...head, ...files], nowMs, signal);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return manifest;
}

async function smallFile(name: string, path: string): Promise<TarFile & { sha256: string }> {
  return textFile(name, await readFile(path));
}

function textFile(name: string, content: string | Buffer): TarFile & { sha256: string } {
  const bytes = Buffer.from(content);
  return {
    name,
    bytes: bytes.length,
    sha256: sha256OfText(bytes),
    content: async function* () {
      yield bytes;
    },
  };
}

function requireNew(file: string): void {
  if (!existsSync(file)) return;
  throw new FksError("Conflict", `${file} is there already: name another file`);
}
