import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB } from "./alarms.ts";
import { alarmsOf, sizesOf } from "./sizes.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const PLENTY = { sizeBytes: 10 * MIB, walBytes: 4 * MIB, freeBytes: 10_000 * MIB };

test("a write-ahead log is told of while it grows beyond its limit, not for its past", () => {
  const large = { ...PLENTY, walBytes: 257 * MIB };

  expect(alarmsOf(large, PLENTY)).toEqual(["wal-size"]);
  expect(alarmsOf(large, large)).toEqual([]);
  expect(alarmsOf(large, undefined)).toEqual([]);
  expect(alarmsOf({ ...PLENTY, walBytes: 256 * MIB }, PLENTY)).toEqual([]);
});

test("little space is told of at once", () => {
  expect(alarmsOf({ ...PLENTY, freeBytes: 255 * MIB }, undefined)).toEqual(["low-space"]);
  expect(alarmsOf({ ...PLENTY, freeBytes: 256 * MIB }, PLENTY)).toEqual([]);
});

test("files are measured, those that are not there have no bytes", () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-sizes-"));
  folders.push(folder);
  const database = join(folder, "db/state.db");
  expect(sizesOf(database)).toMatchObject({ sizeBytes: 0, walBytes: 0 });

  const here = join(folder, "state.db");
  writeFileSync(here, "12345");
  writeFileSync(`${here}-wal`, "123");
  expect(sizesOf(here)).toMatchObject({ sizeBytes: 5, walBytes: 3 });
  expect(sizesOf(here).freeBytes).toBeGreaterThan(0);
});
