import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDataDir } from "./data-dir-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a second owner is refused and told who holds the data directory", () => {
  const dataDir = join(folder, "deep/data");
  const lock = lockDataDir(dataDir);

  expect(() => lockDataDir(dataDir)).toThrow(`${dataDir} is in use by process ${process.pid}`);
  lock.release();
  lockDataDir(dataDir).release();
});

test("children do not keep the lock of a parent that is gone", async () => {
  const dataDir = join(folder, "data");
  const lock = lockDataDir(dataDir);
  const child = Bun.spawn(["cat"], { stdin: "pipe", stdout: "pipe" });
  // Once it answers it has become the other program, with only the files it was given.
  await child.stdin.write("x");
  await child.stdin.flush();
  await child.stdout.getReader().read();

  lock.release();
  lockDataDir(dataDir).release();
  child.kill();
  await child.exited;
});
