import { describe, expect, test } from "bun:test";
import { assert, asyncProperty, integer, string, uint8Array } from "fast-check";
import { FksError } from "#core/errors.ts";
import { tarOf, type TarEntry as Written } from "#scripts/tar-writer.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { type TarHeader, tarEntries } from "./tar-reader.ts";

async function* inPiecesOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(
  bytes: Uint8Array,
  pieceSize = 1000,
): Promise<{ header: TarHeader; text: string }[]> {
  const entries: { header: TarHeader; text: string }[] = [];
  for await (const { header, body } of tarEntries(inPiecesOf(bytes, pieceSize))) {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    entries.push({ header, text: Buffer.concat(pieces).toString() });
  }
  return entries;
}

test("whatever was written is read back, however the stream is cut", async () => {
  await assert(
    asyncProperty(
      string({ minLength: 1, maxLength: 200 }).filter(
        (name) => !/\0|\/$|[\ud800-\udfff]/.test(name),
      ),
      uint8Array({ maxLength: 2000 }),
      integer({ min: 1, max: 1500 }),
      async (path, content, pieceSize) => {
        const mode = 0o4751;
        const [entry] = await read(
          tarOf([{ path, content, mode, uid: 1234, gid: 5678 }]),
          pieceSize,
        );
        expect(entry?.header).toMatchObject({ path, mode, uid: 1234, gid: 5678, type: "file" });
        expect(entry?.text).toBe(Buffer.from(content).toString());
      },
    ),
    { numRuns: 60 },
  );
});

test("whatever arrives, reading gives entries or InvalidInput", async () => {
  await assert(
    asyncProperty(
      uint8Array({ maxLength: 2048 }),
      integer({ min: 0, max: 1023 }),
      async (noise, at) => {
        const bytes = Buffer.from(tarOf([{ path: "a", content: "x", pax: { "a.b": "c" } }]));
        bytes.set(noise.subarray(0, bytes.length - at), at);
        try {
          await read(bytes);
        } catch (error) {
          expect(FksError.is(error, "InvalidInput")).toBe(true);
        }
      },
    ),
  );
});

test("extended attributes keep every byte", async () => {
  const value = new Uint8Array([1, 0, 0, 2, 0x80, 0x20, 0xff, 0x0a, 0x3d, 0]);
  const pax = { "SCHILY.xattr.security.capability": value };

  const [entry] = await read(tarOf([{ path: "ping", content: "x", pax }]));

  expect(entry?.header.xattrs.get("security.capability")).toEqual(value);
});

test("GNU's long names are read", async () => {
  const name = `deep/${"x".repeat(150)}`;
  const link = `././@LongLink`;
  const long = Buffer.from(tarOf([{ path: link, content: `${name}\0` }])).subarray(0, 1024);
  long.write("L", 156);
  long.write("        ", 148);
  const sum = long.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  long.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);

  const [entry] = await read(Buffer.concat([long, tarOf([{ path: "cut", content: "hi" }])]));

  expect(entry).toMatchObject({ header: { path: name }, text: "hi" });
});

describe("an archive that cannot be trusted is refused", () => {
  test.each<[string, readonly Written[], RegExp]>([
    ["old sparse", [{ path: "a", type: "gnu-sparse", content: "x" }], /sparse/],
    ["PAX sparse", [{ path: "a", pax: { "GNU.sparse.major": "1" } }], /sparse/],
    ["a size that is none", [{ path: "a", pax: { size: "-1" } }], /no size/],
    ["a name that is not UTF-8", [{ path: "a", pax: { path: new Uint8Array([0xff]) } }], /UTF-8/],
    [
      "more content claimed",
      [{ path: "a", content: "x", claimedSize: 9999 }],
      /ends in the middle/,
    ],
    [
      "a huge extended header",
      [{ path: "a", pax: { comment: "x".repeat(2 << 20) } }],
      /larger than 1 MiB/,
    ],
  ])("%s", async (_, entries, message) => {
    expect(await failureOf(read(tarOf(entries)))).toMatch(message);
  });

  test("a wrong checksum", async () => {
    const bytes = Buffer.from(tarOf([{ path: "a", content: "x" }]));
    bytes[0] = 0x62;
    expect(await failureOf(read(bytes))).toMatch(/checksum/);
  });

  test("an archive that is cut", async () => {
    const bytes = tarOf([{ path: "a", content: "x".repeat(2000) }]).subarray(0, 1500);
    expect(await failureOf(read(bytes))).toMatch(/ends in the middle/);
  });
});
