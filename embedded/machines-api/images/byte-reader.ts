import { FksError } from "#core/errors.ts";

/** Reads a stream of chunks by the piece, without ever holding more than one piece and one chunk. */
export interface ByteReader {
  /** Exactly `length` bytes. Throws `InvalidInput` when the stream ends before. */
  exactly(length: number): Promise<Uint8Array>;
  /** Between 1 and `atMost` bytes, as they come. Throws `InvalidInput` at the end of the stream. */
  some(atMost: number): Promise<Uint8Array>;
  skip(length: number): Promise<void>;
  /** True when nothing is left. */
  isAtEnd(): Promise<boolean>;
}

export function byteReader(chunks: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = chunks[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);

  const isAtEnd = async (): Promise<boolean> => {
    while (rest.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return true;
      rest = next.value;
    }
    return false;
  };

  const some = async (atMost: number): Promise<Uint8Array> => {
    if (rest.length === 0 && (await isAtEnd())) {
      throw new FksError("InvalidInput", "the archive ends in the middle of an entry");
    }
    const piece = rest.subarray(0, atMost);
    rest = rest.subarray(piece.length);
    return piece;
  };

  return {
    isAtEnd,
    some,
    async exactly(length) {
      if (rest.length >= length) return some(length);
      const bytes = new Uint8Array(length);
      for (let filled = 0; filled < length; ) {
        const piece = await some(length - filled);
        bytes.set(piece, filled);
        filled += piece.length;
      }
      return bytes;
    },
    async skip(length) {
      for (let left = length; left > 0; ) left -= (await some(left)).length;
    },
  };
}
