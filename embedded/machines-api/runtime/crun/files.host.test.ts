import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { replaceFiles } from "./atomic-files.ts";
import { insideRoot } from "./inside-root.ts";

const top = mkdtempSync(`${tmpdir()}/fks-files-`);
let folder = top;
let count = 0;

beforeEach(() => {
  count += 1;
  folder = `${top}/${count}`;
  mkdirSync(folder);
});
afterAll(() => rmSync(top, { recursive: true }));

const file = (path: string, text: string, mode = 0o644) => ({
  path,
  mode,
  content: Buffer.from(text),
});

describe("files replaced at once", () => {
  test("show their content, their mode and only their names", async () => {
    await replaceFiles(folder, [file("a", "1"), file("old", "x"), file("sub/b", "2", 0o400)], 0);
    await replaceFiles(folder, [file("a", "3"), file("sub/c", "4")], 1);

    expect(
      readdirSync(folder)
        .filter((name) => !name.startsWith(".."))
        .toSorted(),
    ).toEqual(["a", "sub"]);
    expect(readFileSync(`${folder}/a`, "utf8")).toBe("3");
    expect(readdirSync(`${folder}/sub`)).toEqual(["c"]);
    expect(readdirSync(folder).filter((name) => name.startsWith("..1970"))).toHaveLength(1);
  });

  test("keep a secret's mode", async () => {
    await replaceFiles(folder, [file("token", "t", 0o600)], 0);

    expect(statSync(`${folder}/token`).mode & 0o777).toBe(0o600);
  });

  test("belong to who they are for", async () => {
    await replaceFiles(folder, [{ ...file("token", "t", 0o600), uid: 1000 }, file("ca", "c")], 0);
    const before = statSync(`${folder}/token`).ino;
    await replaceFiles(folder, [{ ...file("token", "t", 0o600), uid: 1000 }, file("ca", "c")], 1);

    expect([statSync(`${folder}/token`).uid, statSync(`${folder}/ca`).uid]).toEqual([1000, 0]);
    expect(statSync(`${folder}/token`).ino).toBe(before);
    await replaceFiles(folder, [file("token", "t", 0o600), file("ca", "c")], 2);
    expect(statSync(`${folder}/token`).uid).toBe(0);
  });

  test("that are the same already are not written again", async () => {
    const files = [file("a", "1"), file("sub/b", "2")];
    await replaceFiles(folder, files, 0);
    const before = statSync(`${folder}/a`).ino;

    await replaceFiles(folder, files, 1);

    expect(statSync(`${folder}/a`).ino).toBe(before);
  });

  test("are the old set or the new one for whoever reads meanwhile", async () => {
    await replaceFiles(folder, pair(0), 0);
    const state = { isDone: false };
    const writing = (async () => {
      for (let value = 1; value <= 100; value += 1) await replaceFiles(folder, pair(value), value);
      state.isDone = true;
    })();
    let reads = 0;
    while (!state.isDone) {
      const seen = pairSeen(folder);
      if (seen !== undefined) {
        expect(seen[0]).toBe(seen[1]);
        reads += 1;
      }
      await new Promise(setImmediate);
    }
    await writing;

    expect(reads).toBeGreaterThan(10);
  });

  test.each(["../up", "/etc/passwd", "a/../../b", "..data", "", "a//b"])(
    "refuse the name %p",
    async (path) => {
      const error = await replaceFiles(folder, [file(path, "x")], 0).catch(
        (reason: unknown) => reason,
      );

      expect(error).toMatchObject({ code: "InvalidInput" });
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe("a path of an image", () => {
  test("follows the image's links and never leaves it", () => {
    mkdirSync(`${folder}/usr/lib`, { recursive: true });
    symlinkSync("/usr", `${folder}/abs`);
    symlinkSync("../../../../../../etc", `${folder}/up`);
    symlinkSync("usr/lib", `${folder}/rel`);
    writeFileSync(`${folder}/usr/lib/x`, "");

    expect(insideRoot(folder, "/abs/lib/x")).toBe(`${folder}/usr/lib/x`);
    expect(insideRoot(folder, "/rel/x")).toBe(`${folder}/usr/lib/x`);
    expect(insideRoot(folder, "/up/passwd")).toBe(`${folder}/etc/passwd`);
    expect(insideRoot(folder, "../../../etc/passwd")).toBe(`${folder}/etc/passwd`);
    expect(insideRoot(folder, "/new/folder/x")).toBe(`${folder}/new/folder/x`);
  });

  test("that goes in circles is refused", () => {
    symlinkSync("b", `${folder}/a`);
    symlinkSync("a", `${folder}/b`);

    expect(() => insideRoot(folder, "/a/x")).toThrow("too many links");
  });
});

function pair(value: number) {
  return [file("a", String(value)), file("b", String(value))];
}

/** Both files through one look at `..data`; undefined when that set was taken away meanwhile. */
function pairSeen(volume: string): readonly string[] | undefined {
  const set = `${volume}/${readlinkSync(`${volume}/..data`)}`;
  try {
    return ["a", "b"].map((name) => readFileSync(`${set}/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}
