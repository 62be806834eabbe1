import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { constants, createDeflate, inflateSync } from "node:zlib";
import { array, assert, asyncProperty, dictionary, property, string, uint8Array } from "fast-check";
import { plainBlock } from "#test/fakes/spdy-peer.ts";
import { SPDY_DICTIONARY } from "./dictionary.ts";
import { headerReader, headerWriter } from "./header-block.ts";

const name = string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" });
const headers = dictionary(
  name.map((text) => text.toLowerCase()),
  string({ maxLength: 60, unit: "grapheme-ascii" }),
  { maxKeys: 8 },
).map((entries) => new Map(Object.entries(entries)));

test("the dictionary is the one that every SPDY/3 peer has", () => {
  expect(SPDY_DICTIONARY).toHaveLength(1_423);
  expect(createHash("sha256").update(SPDY_DICTIONARY).digest("hex")).toBe(
    "51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02",
  );
});

test("block after block is read from one zlib stream of a peer", async () => {
  await assert(
    asyncProperty(array(headers, { minLength: 1, maxLength: 40 }), async (blocks) => {
      const deflated = await deflatedBlocks(blocks.map(plainBlock));
      const reader = headerReader();
      expect(deflated.map((block) => reader.read(block))).toEqual(blocks);
    }),
    { numRuns: 30 },
  );
});

test("what we write is one zlib stream to a peer", () => {
  assert(
    property(array(headers, { minLength: 1, maxLength: 20 }), (blocks) => {
      const writer = headerWriter();
      const stream = Buffer.concat(blocks.map((block) => writer.write(block)));
      const plain = inflateSync(stream, {
        dictionary: SPDY_DICTIONARY,
        finishFlush: constants.Z_SYNC_FLUSH,
      });
      expect(plain.equals(Buffer.concat(blocks.map(plainBlock)))).toBe(true);
    }),
  );
});

test("several values of one name are joined", () => {
  const writer = headerWriter();
  const read = headerReader().read(writer.write(new Map([["Port", "80\u000081"]])));
  expect(read).toEqual(new Map([["port", "80, 81"]]));
});

test("a block that inflates without measure is refused", () => {
  const bomb = new Map([["a", "x".repeat(100_000)]]);
  expect(() => headerReader().read(headerWriter().write(bomb))).toThrow();
});

test("bytes that are no header block are refused, never believed", () => {
  assert(
    property(uint8Array({ maxLength: 100 }), (bytes) => {
      expect(() => headerReader().read(bytes)).toThrow();
    }),
  );
});

/** What Go's and every other peer do: one deflater, flushed after each block. */
async function deflatedBlocks(blocks: readonly Buffer[]): Promise<Buffer[]> {
  const deflate = createDeflate({ dictionary: SPDY_DICTIONARY });
  const out: Buffer[] = [];
  let pieces: Buffer[] = [];
  deflate.on("data", (piece: Buffer) => pieces.push(piece));
  for (const block of blocks) {
    deflate.write(block);
    const { promise, resolve } = Promise.withResolvers<void>();
    deflate.flush(constants.Z_SYNC_FLUSH, () => resolve());
    // oxlint-disable-next-line no-await-in-loop -- each flush ends one block
    await promise;
    out.push(Buffer.concat(pieces));
    pieces = [];
  }
  deflate.close();
  return out;
}
