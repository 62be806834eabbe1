import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { k3sFilesIn } from "./files.ts";
import { pruneUnpacked } from "./unpacked.ts";

const root = mkdtempSync(join(tmpdir(), "fks-k3s-unpacked-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [OLD, OLDER, PREVIOUS, CURRENT] = ["1", "2", "3", "4"].map((digit) => digit.repeat(64));

function unpackedIn(folder: string, links: Readonly<Record<string, string | undefined>>) {
  const files = k3sFilesIn(join(root, folder));
  for (const name of [OLD, OLDER, PREVIOUS, CURRENT, "cni", `${OLD}-tmp`]) {
    mkdirSync(join(files.unpacked, name ?? "", "bin"), { recursive: true });
  }
  writeFileSync(join(files.unpacked, ".lock"), "");
  for (const [name, target = ""] of Object.entries(links)) {
    symlinkSync(target, join(files.unpacked, name));
  }
  return files;
}

test("of what K3s unpacked of itself, the current and the previous release stay", async () => {
  const files = unpackedIn("all", {
    current: join(root, "all/data", CURRENT ?? ""),
    previous: PREVIOUS,
  });

  expect(await pruneUnpacked(files)).toEqual([OLD ?? "", OLDER ?? ""]);
  expect(readdirSync(files.unpacked).toSorted()).toEqual(
    [".lock", `${OLD}-tmp`, PREVIOUS ?? "", CURRENT ?? "", "cni", "current", "previous"].toSorted(),
  );
  expect(readdirSync(join(files.unpacked, CURRENT ?? ""))).toEqual(["bin"]);
  expect(await pruneUnpacked(files)).toEqual([]);
});

test("while it is not known which release is current, none is removed", async () => {
  expect(await pruneUnpacked(unpackedIn("none", { previous: PREVIOUS }))).toEqual([]);
  expect(await pruneUnpacked(k3sFilesIn(join(root, "nothing")))).toEqual([]);
});
