import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { failingChanges } from "#test/fakes/file-changes.ts";
import { type FileChanges, replaceFiles, undoReplacement } from "./replace.ts";

const root = mkdtempSync(join(tmpdir(), "fks-replace-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface World {
  readonly dataDir: string;
  readonly journal: string;
  replace(changes?: FileChanges): Promise<void>;
  /** Every file of the data directory with its content, the new ones that wait left out. */
  files(): Record<string, string>;
}

/** A data directory with a database, its `-wal`, a token and a folder to be dropped; no key yet. */
function world(): World {
  const dataDir = mkdtempSync(join(root, "d-"));
  const put = (path: string, text: string): string => {
    const whole = join(dataDir, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
    return whole;
  };
  for (const path of ["db/state.db", "db/state.db-wal", "token", "tls/ca.crt"]) {
    put(path, `old ${path}`);
  }
  put("machines/m", "untouched");
  mkdirSync(join(dataDir, "backups"));
  const journal = join(dataDir, "backups/restoring.json");
  return {
    dataDir,
    journal,
    replace: (changes) =>
      replaceFiles({
        dataDir,
        journal,
        keptIn: "backups/replaced",
        replacements: [
          { path: "db/state.db", by: put("backups/new/state.db", "new db/state.db") },
          { path: "db/state.db-wal" },
          { path: "db/state.db-shm" },
          { path: "token", by: put("backups/new/token", "new token") },
          { path: "keys/ca.key", by: put("backups/new/ca.key", "new keys/ca.key") },
          { path: "tls" },
        ],
        ...(changes && { changes }),
      }),
    files: () =>
      Object.fromEntries(
        readdirSync(dataDir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("backups/new"))
          .map((entry) => join(entry.parentPath, entry.name))
          .map((path) => [path.slice(dataDir.length + 1), readFileSync(path, "utf8")]),
      ),
  };
}

const REPLACED = {
  "db/state.db": "new db/state.db",
  token: "new token",
  "keys/ca.key": "new keys/ca.key",
  "machines/m": "untouched",
  "backups/replaced/db/state.db": "old db/state.db",
  "backups/replaced/db/state.db-wal": "old db/state.db-wal",
  "backups/replaced/token": "old token",
  "backups/replaced/tls/ca.crt": "old tls/ca.crt",
};

/** Journal, four moves away, three moves in, the journal's end. */
const STEPS = [...Array(9).keys()];

test("everything is replaced, and what was there is kept", async () => {
  const it = world();
  const changes = failingChanges(-1, "failure");
  await it.replace(changes);

  expect(it.files()).toEqual(REPLACED);
  expect(changes.count()).toBe(STEPS.length);
  expect(await undoReplacement(it)).toBe(false);
  expect(it.files()).toEqual(REPLACED);
});

describe.each(STEPS)("cut at change %i", (at) => {
  test("by a failure, everything is as it was", async () => {
    const it = world();
    const before = it.files();

    expect(await it.replace(failingChanges(at, "failure")).catch(String)).toContain("disk is gone");
    expect(it.files()).toEqual(before);
    expect(existsSync(it.journal)).toBe(false);
  });

  test("by death, the next start undoes it, itself cut anywhere", async () => {
    for (let undoneTo = 0; ; undoneTo++) {
      const it = world();
      const before = it.files();
      expect(await it.replace(failingChanges(at, "death")).catch(String)).toContain("disk is gone");

      const changes = failingChanges(undoneTo, "death");
      const first = await undoReplacement({ ...it, changes }).catch(String);
      await undoReplacement(it);
      expect(it.files()).toEqual(before);
      // Nothing of it was cut: there are no more points to try.
      if (typeof first === "boolean") break;
    }
  });
});

test("a journal that cannot be read stops everything, in one sentence", async () => {
  const it = world();
  writeFileSync(it.journal, "{");

  expect(await undoReplacement(it).catch(String)).toContain(`${it.journal} is damaged`);
});
