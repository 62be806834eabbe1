import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtImage, type LayerSpec, sha256 } from "#scripts/image-archive.ts";
import type { TarEntry } from "#scripts/tar-writer.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { unpack } from "./unpack.ts";
import { DEFAULT_UNPACK_LIMITS, type UnpackLimits } from "./unpack-limits.ts";

const CAPABILITY = new Uint8Array([
  1, 0, 0, 2, 0x80, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
const never = new AbortController().signal;
let folder = "";
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fks-unpack-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Unpacks the layers and gives the root; `outside` is a file that no archive may reach. */
async function unpacked(
  layers: readonly LayerSpec[],
  limits: Partial<UnpackLimits> = {},
): Promise<string> {
  const home = join(folder, String(count++));
  mkdirSync(home);
  writeFileSync(join(home, "outside"), "untouched");
  const image = builtImage({ reference: "x", config: {}, layers });
  const files = image.layers.map(({ bytes, tar }, index) => {
    const file = join(home, `layer-${index}`);
    writeFileSync(file, bytes);
    return { file, diffId: sha256(tar) };
  });
  const root = join(home, "root");
  const all = { ...DEFAULT_UNPACK_LIMITS, ...limits };
  try {
    await unpack({ root, layers: files, limits: all, isDurable: false }, never);
  } finally {
    expect(readFileSync(join(home, "outside"), "utf8")).toBe("untouched");
    expect(readdirSync(home).filter((name) => !/^(layer-\d+|root|outside)$/.test(name))).toEqual(
      [],
    );
  }
  return root;
}

const dir = (path: string, mode = 0o755): TarEntry => ({ path, type: "directory", mode });
const file = (path: string, content = "x", more: Partial<TarEntry> = {}): TarEntry => ({
  path,
  content,
  ...more,
});
const symlink = (path: string, linkname: string): TarEntry => ({ path, type: "symlink", linkname });
const hardlink = (path: string, linkname: string): TarEntry => ({ path, type: "link", linkname });

describe("the torture image", () => {
  let root = "";
  const at = (path: string): string => join(root, "t", path);
  const text = (path: string): string => readFileSync(at(path), "utf8");

  beforeAll(async () => {
    root = await unpacked([
      {
        compression: "gzip",
        entries: [
          ...["t", "t/opq", "t/wh", "t/opq/sub", "t/d2f", "t/perm", "t/realdir"].map((d) => dir(d)),
          file("t/opq/old", "old"),
          file("t/opq/sub/x"),
          file("t/wh/gone", "gone"),
          file("t/wh/keep", "keep"),
          file("t/orig", "orig"),
          file("t/d2f/inner"),
          file("t/f2d", "file"),
          file("t/mode", "m", { mode: 0o600 }),
          file("t/hl-a", "hardlinked"),
          hardlink("t/hl-b", "t/hl-a"),
          file(`t/${"long".repeat(40)}.txt`, "longname"),
          file("t/ünï-文件", "utf8", { pax: { path: "t/ünï-文件" } }),
          { path: "t/fifo", type: "fifo", mode: 0o640 },
          file("t/suid", "#!", { mode: 0o4755 }),
          file("t/owned", "o", { uid: 1234, gid: 5678 }),
          symlink("t/abs", "/etc/passwd"),
          symlink("t/up", "../../../../../../srv/escape"),
          symlink("t/symdir", "realdir"),
          symlink("t/rootdir", "/t/realdir"),
          file("t/cap", "c", {
            mode: 0o755,
            pax: { "SCHILY.xattr.security.capability": CAPABILITY },
          }),
          file("t/overlay", "o", { pax: { "SCHILY.xattr.trusted.overlay.opaque": "y" } }),
          file("t/fraction", "f", { pax: { mtime: "1600000000.5" } }),
          dir("t/dirtime"),
          file("t/dirtime/f"),
        ],
      },
      {
        compression: "zstd",
        entries: [
          file("t/wh/.wh.gone", ""),
          dir("t/opq"),
          file("t/opq/sub/new", "new in an old folder"),
          file("t/opq/.wh..wh..opq", ""),
          file("t/opq/new", "new"),
          file("t/d2f", "now a file"),
          dir("t/f2d"),
          file("t/f2d/in", "in"),
          file("t/mode", "m2", { mode: 0o640 }),
          hardlink("t/hl-c", "/t/hl-a"),
          file("t/symdir/viasym", "through a link"),
          file("t/rootdir/viaroot", "through an absolute link"),
          dir("t/perm", 0o700),
          file("t/newdir/deep/file", "implicit parents"),
          file("./t/dotslash", "ds"),
          file("/t/absolute", "ab"),
          file("t/.wh.never-was", ""),
        ],
      },
      { entries: [dir("t/wh"), file("t/wh/gone", "reborn"), file("t/opq/old", "old again")] },
    ]);
  });

  test("a whiteout hides a file until a later layer brings it back", () => {
    expect(text("wh/gone")).toBe("reborn");
    expect(text("wh/keep")).toBe("keep");
    expect(readdirSync(at("wh")).toSorted()).toEqual(["gone", "keep"]);
    expect(existsSync(at(".wh.never-was"))).toBe(false);
  });

  test("an opaque folder shows only what came with it and later", () => {
    expect(readdirSync(at("opq")).toSorted()).toEqual(["new", "old", "sub"]);
    expect(readdirSync(at("opq/sub"))).toEqual(["new"]);
    expect(text("opq/old")).toBe("old again");
  });

  test("a folder becomes a file and a file a folder", () => {
    expect(text("d2f")).toBe("now a file");
    expect(text("f2d/in")).toBe("in");
  });

  test("hard links share one file, across layers too", () => {
    expect(lstatSync(at("hl-a")).nlink).toBe(3);
    expect(lstatSync(at("hl-c")).ino).toBe(lstatSync(at("hl-a")).ino);
  });

  test("links are stored as they are and followed inside the root only", () => {
    expect(readlinkSync(at("abs"))).toBe("/etc/passwd");
    expect(readlinkSync(at("up"))).toBe("../../../../../../srv/escape");
    expect(text("realdir/viasym")).toBe("through a link");
    expect(text("realdir/viaroot")).toBe("through an absolute link");
  });

  test("modes, owners, capabilities and times arrive", () => {
    expect(lstatSync(at("suid")).mode & 0o7777).toBe(0o4755);
    expect(lstatSync(at("mode")).mode & 0o7777).toBe(0o640);
    expect(lstatSync(at("perm")).mode & 0o7777).toBe(0o700);
    expect(lstatSync(at("fifo")).isFIFO()).toBe(true);
    expect(lstatSync(at("fifo")).mode & 0o7777).toBe(0o640);
    expect([lstatSync(at("owned")).uid, lstatSync(at("owned")).gid]).toEqual([1234, 5678]);
    expect(lstatSync(at("orig")).mtimeMs).toBe(1_700_000_000_000);
    expect(lstatSync(at("dirtime")).mtimeMs).toBe(1_700_000_000_000);
    expect(lstatSync(at("fraction")).mtimeMs).toBe(1_600_000_000_500);
    expect(xattr("cap", "security.capability")).toBe(Buffer.from(CAPABILITY).toString("hex"));
    expect(xattr("overlay", "trusted.overlay.opaque")).toBe("");
  });

  test("names may be long, not ASCII, absolute or start with a dot", () => {
    expect(text(`${"long".repeat(40)}.txt`)).toBe("longname");
    expect(text("ünï-文件")).toBe("utf8");
    expect(text("newdir/deep/file")).toBe("implicit parents");
    expect(text("dotslash")).toBe("ds");
    expect(text("absolute")).toBe("ab");
  });

  function xattr(path: string, name: string): string {
    const script = "import os,sys; print(os.getxattr(sys.argv[1], sys.argv[2]).hex())";
    return Bun.spawnSync(["python3", "-c", script, at(path), name])
      .stdout.toString()
      .trim();
  }
});

describe("a hostile image is refused with one sentence and touches nothing outside", () => {
  test.each<[string, readonly TarEntry[], RegExp]>([
    ["a path that climbs out", [file("../outside", "hit")], /"\.\.\/outside" leads out/],
    ["a path that climbs out late", [file("a/../../outside", "hit")], /leads out/],
    ["an absolute path that climbs out", [file("/../outside", "hit")], /leads out/],
    [
      "a file through a link that climbs out",
      [symlink("evil", "../.."), file("evil/outside", "hit")],
      /leads out/,
    ],
    [
      "a folder over a link that climbs out",
      [symlink("evil", "../outside"), dir("evil/x")],
      /leads out/,
    ],
    ["a hard link to the outside", [hardlink("evil", "../outside")], /leads out/],
    [
      "a hard link through a link",
      [symlink("up", "../"), hardlink("evil", "up/outside")],
      /leads out/,
    ],
    ["a hard link to nothing", [hardlink("evil", "nothing")], /hard link to "nothing"/],
    ["a hard link to a folder", [dir("d"), hardlink("evil", "d")], /which is no file/],
    ["a whiteout of the folder above", [file(".wh...", "")], /whiteout names no file/],
    ["a whiteout of the folder itself", [dir("d"), file("d/.wh..", "")], /whiteout names no file/],
    ["links in a circle", [symlink("a", "b"), symlink("b", "a"), file("a/x")], /too many symbolic/],
    [
      "a character device",
      [{ path: "mem", type: "character-device", device: { major: 1, minor: 1 } }],
      /"mem" is a device node/,
    ],
    [
      "a block device",
      [{ path: "sda", type: "block-device", device: { major: 8, minor: 0 } }],
      /"sda" is a device node/,
    ],
    ["a sparse file", [file("a", "x", { pax: { "GNU.sparse.realsize": "1" } })], /sparse/],
    ["a root that is a file", [file(".", "x")], /root is not a folder/],
    [
      "an owner no host knows",
      [file("a", "x", { pax: { uid: "4294967295" } })],
      /owner 4294967295/,
    ],
  ])("%s", async (_, entries, message) => {
    const failure = await failureOf(unpacked([{ entries }]));
    expect(failure).toStartWith("InvalidInput: the archive is refused");
    expect(failure).toMatch(message);
  });

  test("a link as a file's last part is replaced, not followed", async () => {
    const root = await unpacked([
      { entries: [symlink("evil", "../outside"), file("evil", "mine")] },
      { entries: [symlink("evil", "../outside")] },
      { entries: [file("evil", "mine again")] },
    ]);
    expect(readFileSync(join(root, "evil"), "utf8")).toBe("mine again");
  });

  test("removing a folder does not follow the links in it", async () => {
    const root = await unpacked([
      { entries: [dir("d"), symlink("d/evil", "../.."), symlink("d/abs", folder)] },
      { entries: [file(".wh.d", "")] },
    ]);
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("an image that is too much is refused", () => {
  const zeros = "\0".repeat(4 << 20);

  test.each<[string, Partial<UnpackLimits>, readonly LayerSpec[], RegExp]>([
    [
      "a bomb",
      { totalBytes: 1 << 20 },
      [{ entries: [file("a", zeros)], compression: "gzip" }],
      /unpacks to more than 1048576 bytes/,
    ],
    [
      "a bomb in many layers",
      { totalBytes: 6 << 20 },
      [
        { entries: [file("a", zeros)], compression: "zstd" },
        { entries: [file("b", zeros)], compression: "zstd" },
      ],
      /unpacks to more than/,
    ],
    ["one large file", { fileBytes: 1 << 20 }, [{ entries: [file("a", zeros)] }], /"a" is larger/],
    [
      "many entries",
      { entries: 2 },
      [{ entries: [file("a"), file("b")] }, { entries: [file("c")] }],
      /more than 2 entries/,
    ],
    ["many layers", { layers: 1 }, [{ entries: [] }, { entries: [] }], /more than 1 layers/],
  ])("%s", async (_, limits, layers, message) => {
    expect(await failureOf(unpacked(layers, limits))).toMatch(message);
  });
});

test("a layer whose content is not what the config names is refused", async () => {
  const blob = join(folder, "blob");
  writeFileSync(
    blob,
    builtImage({ reference: "x", config: {}, layers: [{ entries: [file("a")] }] }).layers[0]
      ?.bytes ?? "",
  );
  const layers = [{ file: blob, diffId: sha256(Buffer.from("another")) }];
  const request = {
    root: join(folder, "w"),
    layers,
    limits: DEFAULT_UNPACK_LIMITS,
    isDurable: false,
  };

  expect(await failureOf(unpack(request, never))).toMatch(/not the one its config names/);
});

test("damaged compression is refused", async () => {
  const [layer] = builtImage({
    reference: "x",
    config: {},
    layers: [{ entries: [file("a", "y".repeat(5000))], compression: "gzip" }],
  }).layers;
  const bytes = Buffer.from(layer?.bytes ?? "");
  const blob = join(folder, "damaged");
  for (const broken of [bytes.subarray(0, bytes.length - 20), bytes.fill(0xff, 20, 40)]) {
    writeFileSync(blob, broken);
    const layers = [{ file: blob, diffId: sha256(layer?.tar ?? bytes) }];
    const root = join(folder, `damaged-${count++}`);
    const request = { root, layers, limits: DEFAULT_UNPACK_LIMITS, isDurable: false };
    expect(await failureOf(unpack(request, never))).toMatch(/compression is damaged|archive ends/);
  }
});
