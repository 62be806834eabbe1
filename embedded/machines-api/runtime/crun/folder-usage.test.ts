import { afterEach, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { folderMeasure } from "./folder-usage.ts";

const folders: string[] = [];
afterEach(() => {
  for (const one of folders.splice(0)) rmSync(one, { recursive: true });
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "fks-usage-"));
  folders.push(made);
  return made;
}

const forever = new AbortController().signal;

describe("what a folder takes on its disk", () => {
  test("is counted as du does: files of many names once, links and holes for what they take", async () => {
    const path = folder();
    mkdirSync(join(path, "inner"));
    writeFileSync(join(path, "inner/file"), new Uint8Array(100_000));
    linkSync(join(path, "inner/file"), join(path, "again"));
    symlinkSync("/usr", join(path, "elsewhere"));
    await Bun.$`truncate -s 1G ${join(path, "hole")}`.quiet();
    const usage = await folderMeasure(fakeClock(), forever)(path);

    const du = Number((await Bun.$`du -s --block-size=1 ${path}`.text()).split("\t")[0]);
    expect(usage).toEqual({ bytes: du, inodes: 5 });
  });

  test("is counted again only after a while, and meanwhile the last number is given", async () => {
    const path = folder();
    const clock = fakeClock();
    const measure = folderMeasure(clock, forever);
    expect((await measure(path))?.inodes).toBe(1);
    writeFileSync(join(path, "new"), "");
    clock.advance(9_999);
    expect((await measure(path))?.inodes).toBe(1);
    clock.advance(1);
    await measure(path);

    await until(async () => (await measure(path))?.inodes === 2);
  });

  test("nobody waits for a large folder: it is unknown until it was counted once", async () => {
    const path = folder();
    for (let index = 0; index < 2_000; index += 1) writeFileSync(join(path, `${index}`), "");
    const clock = fakeClock();
    const measure = folderMeasure(clock, forever);
    const asked = measure(path);
    clock.advance(1_000);
    expect(await asked).toBeUndefined();

    await until(async () => {
      const known = measure(path);
      clock.advance(1_000);
      return (await known)?.inodes === 2_001;
    });
  });

  test("what is not there takes nothing", async () => {
    const usage = await folderMeasure(fakeClock(), forever)("/nowhere/at/all");
    expect(usage).toEqual({ bytes: 0, inodes: 0 });
  });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}
