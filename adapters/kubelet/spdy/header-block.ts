import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { SPDY_DICTIONARY } from "./dictionary.ts";

const ZLIB_WINDOW_BYTES = 32_768;
/** Far above what any Kubernetes peer sends in one block; a larger one is an attack. */
const HEADERS_MAX_BYTES = 65_536;
const HEADERS_MAX_COUNT = 256;
/** zlib's two-byte head with the preset-dictionary bit, then the dictionary's Adler-32. */
const ZLIB_HEAD_BYTES = 6;

export type Headers = ReadonlyMap<string, string>;

export interface HeaderReader {
  /** The block's names in lower case. Throws on bytes that are no header block. */
  read(block: Uint8Array): Headers;
}

export interface HeaderWriter {
  write(headers: Headers): Buffer;
}

/**
 * Reads the blocks of one direction, which are one zlib stream cut at each flush: the first
 * carries zlib's head, and each is inflated with the window that the ones before it left.
 */
export function headerReader(): HeaderReader {
  let window: Buffer = SPDY_DICTIONARY;
  let isFirst = true;

  return {
    read(block) {
      if (isFirst && !hasOurHead(block)) throw new Error("the header stream has no zlib head");
      const deflated = isFirst ? block.subarray(ZLIB_HEAD_BYTES) : block;
      isFirst = false;
      const inflated = inflateRawSync(deflated, {
        dictionary: window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: HEADERS_MAX_BYTES,
      });
      window = Buffer.concat([window, inflated]).subarray(-ZLIB_WINDOW_BYTES);
      return headersIn(inflated);
    },
  };
}

/**
 * Writes the blocks of one direction. They are stored and not compressed: a server's headers are
 * a few bytes, and a stored block needs no window on our side.
 */
export function headerWriter(): HeaderWriter {
  let isFirst = true;

  return {
    write(headers) {
      const stored = deflateRawSync(bytesOf(headers), {
        level: 0,
        finishFlush: constants.Z_SYNC_FLUSH,
      });
      if (!isFirst) return stored;
      isFirst = false;
      return Buffer.concat([ZLIB_HEAD, stored]);
    },
  };
}

/** 0x78bb: deflate with a 32 KiB window and a preset dictionary. */
const ZLIB_HEAD = Buffer.from([0x78, 0xbb, 0, 0, 0, 0]);
ZLIB_HEAD.writeUInt32BE(adler32(SPDY_DICTIONARY), 2);

function hasOurHead(block: Uint8Array): boolean {
  const head = Buffer.from(block.subarray(0, ZLIB_HEAD_BYTES));
  return (
    head.length === ZLIB_HEAD_BYTES &&
    head.readUInt16BE(0) % 31 === 0 &&
    head.subarray(2).equals(ZLIB_HEAD.subarray(2))
  );
}

function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 0x1_0000 + low;
}

/** A count, then names and values, each with its length in front; a name may not come twice. */
function headersIn(block: Buffer): Headers {
  const headers = new Map<string, string>();
  const count = block.readUInt32BE(0);
  if (count > HEADERS_MAX_COUNT) throw new Error(`a block of ${count} headers`);
  let at = 4;
  const text = (): string => {
    const length = block.readUInt32BE(at);
    const end = at + 4 + length;
    if (end > block.length) throw new Error("a header ends beyond its block");
    const value = block.toString("latin1", at + 4, end);
    at = end;
    return value;
  };
  for (let index = 0; index < count; index += 1) {
    const name = text().toLowerCase();
    // Several values of one name are joined by NUL.
    headers.set(name, text().replaceAll("\0", ", "));
  }
  return headers;
}

function bytesOf(headers: Headers): Buffer {
  const parts = [...headers].flat().map((text) => Buffer.from(text, "latin1"));
  return Buffer.concat([uint32(headers.size), ...parts.flatMap((p) => [uint32(p.length), p])]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
