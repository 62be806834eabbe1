import { closeSync, openSync, readSync } from "node:fs";

/** Where the superblock is, and what of it tells the size. Source: the kernel's ext4 document. */
const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const BLOCKS_AT = 0x4;
const FREE_BLOCKS_AT = 0xc;
const LOG_BLOCK_BYTES_AT = 0x18;
const MAGIC_AT = 0x38;
const MAGIC = 0xef53;
const BLOCKS_HIGH_AT = 0x150;
const FREE_BLOCKS_HIGH_AT = 0x158;

export interface FileSystemSize {
  readonly bytesTotal: number;
  /** As of when it was last written: while it is mounted the kernel knows better. */
  readonly bytesFree: number;
}

/** The size of the ext4 file system in a file; undefined when there is none. */
export function fileSystemIn(path: string): FileSystemSize | undefined {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  const file = openSync(path, "r");
  try {
    if (readSync(file, bytes, 0, bytes.length, SUPERBLOCK_AT) < bytes.length) return undefined;
  } finally {
    closeSync(file);
  }
  if (bytes.readUInt16LE(MAGIC_AT) !== MAGIC) return undefined;
  const blockBytes = 1024 * 2 ** bytes.readUInt32LE(LOG_BLOCK_BYTES_AT);
  const count = (low: number, high: number): number =>
    bytes.readUInt32LE(high) * 2 ** 32 + bytes.readUInt32LE(low);
  return {
    bytesTotal: count(BLOCKS_AT, BLOCKS_HIGH_AT) * blockBytes,
    bytesFree: count(FREE_BLOCKS_AT, FREE_BLOCKS_HIGH_AT) * blockBytes,
  };
}
