import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { FksError } from "#core/errors.ts";

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const MAGIC_BYTES = 4;

/**
 * A tar archive out of what may be gzip, zstd or plain: the first bytes tell, because media types
 * and file names lie. Throws FksError `InvalidInput` when the compressed data is damaged.
 */
export async function* decompressed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const head = await headOf(iterator);
  const whole = joined(head, iterator);

  const decoder = startsWith(head, GZIP)
    ? createGunzip()
    : startsWith(head, ZSTD)
      ? createZstdDecompress()
      : undefined;
  if (decoder === undefined) {
    yield* whole;
    return;
  }

  const source = Readable.from(whole, { objectMode: false });
  // What goes wrong in the source is told to whoever reads the decoder.
  source.on("error", (error) => decoder.destroy(error));
  source.pipe(decoder);
  try {
    for await (const piece of decoder) yield bytesOf(piece);
  } catch (error) {
    if (error instanceof FksError) throw error;
    throw new FksError("InvalidInput", "the archive is refused: its compression is damaged", {
      cause: error,
    });
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

/** Enough of the beginning to know the compression. */
async function headOf(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return head;
}

async function* joined(
  head: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    yield next.value;
  }
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}

function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  throw new TypeError("a decoder gave something that is not bytes");
}
