import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { textIfThere, writePrivate } from "../text-file.ts";
import { syncFolder } from "./folders.ts";

/** A path below the data directory, and what comes in its place. */
export interface Replacement {
  readonly path: string;
  /** A file on the same file system; without one the path is gone afterwards. */
  readonly by?: string;
}

/** What is done to files; tests let it fail. */
export interface FileChanges {
  /** Folders that are missing on the way to `to` are made. */
  move(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  write(path: string, text: string): Promise<void>;
}

interface ReplaceOptions {
  readonly dataDir: string;
  readonly journal: string;
  /** New folder below the data directory, where everything that was there is moved to. */
  readonly keptIn: string;
  readonly replacements: readonly Replacement[];
  readonly changes?: FileChanges;
}

const journalSchema = z.object({
  keptIn: z.string(),
  entries: z.array(z.object({ path: z.string(), wasThere: z.boolean() })),
});

type Journal = z.infer<typeof journalSchema>;

/**
 * Puts all replacements in place, or none: what fails in the middle is undone before it is thrown,
 * and what is killed in the middle is undone by `undoReplacement`, which the journal tells how.
 *
 * The old files are in the folder `keptIn` afterwards. Nobody may use any of them meanwhile.
 */
export async function replaceFiles(options: ReplaceOptions): Promise<void> {
  const { dataDir, journal, keptIn, replacements, changes = hostChanges } = options;
  const entries = replacements.map(({ path }) => ({
    path,
    wasThere: existsSync(join(dataDir, path)),
  }));
  const record: Journal = { keptIn, entries };
  await changes.write(journal, `${JSON.stringify(record)}\n`);
  await syncFolder(dirname(journal));
  try {
    // Every old file is away before the first new one comes: a new database beside the `-wal` of
    // an old one would be neither.
    for (const { path, wasThere } of entries) {
      if (wasThere) await changes.move(join(dataDir, path), join(dataDir, keptIn, path));
    }
    for (const { path, by } of replacements) {
      if (by !== undefined) await changes.move(by, join(dataDir, path));
    }
    await syncFolders(dataDir, entries);
    await changes.remove(journal);
  } catch (error) {
    await undoReplacement({ dataDir, journal, changes });
    throw error;
  }
  await syncFolder(dirname(journal));
}

/**
 * Undoes a replacement that did not come to its end: everything is as it was before. May itself
 * be cut and repeated. False when there is none.
 */
export async function undoReplacement(
  options: Pick<ReplaceOptions, "dataDir" | "journal" | "changes">,
): Promise<boolean> {
  const { dataDir, journal, changes = hostChanges } = options;
  const record = journalIn(journal, await textIfThere(journal));
  if (record === undefined) return false;
  const { keptIn, entries } = record;
  for (const { path, wasThere } of entries) {
    const [place, kept] = [join(dataDir, path), join(dataDir, keptIn, path)];
    if (existsSync(kept)) {
      await changes.remove(place);
      await changes.move(kept, place);
    } else if (!wasThere) {
      await changes.remove(place);
    }
  }
  await syncFolders(dataDir, entries);
  await changes.remove(join(dataDir, keptIn));
  await changes.remove(journal);
  await syncFolder(dirname(journal));
  return true;
}

const hostChanges: FileChanges = {
  async move(from, to) {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await rename(from, to);
  },
  remove: (path) => rm(path, { recursive: true, force: true }),
  write: writePrivate,
};

function journalIn(path: string, text: string | undefined): Journal | undefined {
  if (text === undefined) return undefined;
  try {
    return journalSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FksError("InvalidInput", `${path} is damaged: it tells of a restore that was cut`, {
      cause,
    });
  }
}

async function syncFolders(dataDir: string, entries: Journal["entries"]): Promise<void> {
  const folders = new Set(entries.map(({ path }) => dirname(join(dataDir, path))));
  for (const folder of folders) if (existsSync(folder)) await syncFolder(folder);
}
