import { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";

/**
 * Why SQLite cannot work with this file, as far as its first pages tell; undefined when it can, and
 * where no file is there yet. Reads only, whoever else has it open.
 */
export function damageOf(database: string): string | undefined {
  // An empty file is a database without tables.
  if (!existsSync(database) || statSync(database).size === 0) return undefined;
  try {
    using opened = new Database(database, { readonly: true });
    opened.query("SELECT count(*) FROM sqlite_schema").get();
    return undefined;
  } catch (error) {
    if (isPassing(error)) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Another process is at it, or it was closed in the middle of work: no damage. */
function isPassing(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_READONLY");
}
