import { afterEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, assert, asyncProperty, integer, stringMatching } from "fast-check";
import { logFollower } from "./log-follower.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function logFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "fks-follower-"));
  folders.push(folder);
  return join(folder, "kine.log");
}

test("only what is new is read, and a line when it is whole", async () => {
  const path = logFile();
  writeFileSync(path, "old\n");
  const follower = logFollower(path);
  expect(await follower.newLines()).toEqual([]);

  appendFileSync(path, "one\ntw");
  expect(await follower.newLines()).toEqual(["one"]);
  appendFileSync(path, "o\n");
  expect(await follower.newLines()).toEqual(["two"]);
});

test("a log that was cut is read from its beginning", async () => {
  const path = logFile();
  writeFileSync(path, "a long line before\n");
  const follower = logFollower(path);
  truncateSync(path);
  appendFileSync(path, "after\n");

  expect(await follower.newLines()).toEqual(["after"]);
});

test("a log that is not there yet has no lines, and loses none", async () => {
  const path = logFile();
  const follower = logFollower(path);
  expect(await follower.newLines()).toEqual([]);

  writeFileSync(path, "first\n");
  expect(await follower.newLines()).toEqual(["first"]);
});

test("a line that is longer than all that is read at a time is left out, the next is not", async () => {
  const path = logFile();
  const follower = logFollower(path, 8);
  writeFileSync(path, `${"x".repeat(20)}\nnext\n`);

  const lines = [];
  for (let pass = 0; pass < 5; pass++) lines.push(...(await follower.newLines()));
  expect(lines.at(-1)).toBe("next");
  expect(lines.filter((line) => line.length > 8)).toEqual([]);
});

test("however it is written and read, every line comes once and in order", async () => {
  const path = logFile();
  await assert(
    asyncProperty(
      array(stringMatching(/^[a-zé]{0,6}$/), { maxLength: 20 }),
      array(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
      async (lines, cuts) => {
        writeFileSync(path, "");
        const follower = logFollower(path, 16);
        const text = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const read: string[] = [];
        let at = 0;
        for (let pass = 0; at < text.length; pass++) {
          const next = at + (cuts[pass % cuts.length] ?? 1);
          appendFileSync(path, text.subarray(at, next));
          at = next;
          read.push(...(await follower.newLines()));
        }
        read.push(...(await follower.newLines()));
        expect(read).toEqual(lines);
      },
    ),
    { numRuns: 50 },
  );
});
