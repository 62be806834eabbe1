import { Database, SQLiteError } from "bun:sqlite";
import { existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";

/** A checkpoint or a compaction of the writer may take that long. */
const BUSY_TIMEOUT_MS = 30_000;

/**
 * Copies kine's database in one piece into a new file, whether somebody writes meanwhile or not.
 *
 * SQLite makes the copy from one read transaction; the files themselves are never copied, because
 * what was written last is in the `-wal` beside them. Blocks until it is done. Throws `NotFound`
 * when there is no database, `InvalidInput` when it is damaged, `Unavailable` when it cannot be
 * read now or the copy does not fit.
 */
export function copyDatabase(from: string, to: string): void {
  if (!existsSync(from)) throw new FksError("NotFound", `there is no datastore in ${from} yet`);
  try {
    // Not read-only: that could not take in the `-wal` of a writer that was killed.
    using db = new Database(from, { readwrite: true, create: false, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.run("VACUUM INTO ?", [to]);
  } catch (error) {
    throw databaseError(from, error);
  }
}

/**
 * Reads a database to its end and counts the Kubernetes objects in it.
 *
 * Throws `InvalidInput`, calling it `name`, when anything is wrong with it or it is not kine's.
 */
export function objectsIn(path: string, name: string): number {
  try {
    using db = new Database(path, { readonly: true, strict: true });
    const found = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check(1)").all();
    const [first] = found;
    if (first?.integrity_check !== "ok") {
      throw new FksError("InvalidInput", `${name} is damaged: ${first?.integrity_check}`);
    }
    return db.query<{ count: number }, []>(LIVE_OBJECTS).get()?.count ?? 0;
  } catch (error) {
    throw databaseError(name, error);
  }
}

/** The newest row of a key tells whether it is still there. */
const LIVE_OBJECTS = `SELECT COUNT(*) AS count FROM (
    SELECT MAX(id), deleted FROM kine WHERE name LIKE '/registry/%' GROUP BY name
  ) WHERE deleted = 0`;

function databaseError(name: string, error: unknown): unknown {
  if (!(error instanceof SQLiteError)) return error;
  const { message, code = "" } = error;
  if (code === "SQLITE_FULL") {
    return new FksError("Unavailable", `no space left to copy ${name}`, { cause: error });
  }
  if (/^SQLITE_(CORRUPT|NOTADB|ERROR)/.test(code)) {
    return new FksError("InvalidInput", `${name} is damaged: ${message}`, { cause: error });
  }
  return new FksError("Unavailable", `${name} cannot be read: ${message}`, { cause: error });
}
