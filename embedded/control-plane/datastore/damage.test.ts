import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { damageOf } from "./damage.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-damage-"));
afterAll(() => rmSync(folder, { recursive: true }));

function database(name: string): string {
  const path = join(folder, name);
  using made = new Database(path);
  made.run("PRAGMA journal_mode = WAL");
  made.run("CREATE TABLE kine (id INTEGER PRIMARY KEY)");
  return path;
}

test("a database, an empty file and none are sound", () => {
  expect(damageOf(database("good"))).toBeUndefined();
  writeFileSync(join(folder, "empty"), "");
  expect(damageOf(join(folder, "empty"))).toBeUndefined();
  expect(damageOf(join(folder, "none"))).toBeUndefined();
});

test("one that another process writes to is sound", () => {
  using writer = new Database(database("busy"));
  writer.run("BEGIN EXCLUSIVE");
  expect(damageOf(join(folder, "busy"))).toBeUndefined();
});

test("what is no database, and one whose first pages are lost, are named", () => {
  writeFileSync(join(folder, "text"), "hello ".repeat(1_000));
  expect(damageOf(join(folder, "text"))).toContain("not a database");
  const bytes = readFileSync(database("lost"));
  bytes.fill(0xaa, 100, 4_096);
  writeFileSync(join(folder, "lost"), bytes);
  expect(damageOf(join(folder, "lost"))).toContain("malformed");
});
