import type { FileHandle } from "node:fs/promises";
import { FksError } from "#core/errors.ts";

const BLOCK = 512;
const NAME_MAX_BYTES = 100;
/** What eleven octal digits can say; larger sizes are written as GNU tar does, in binary. */
const OCTAL_MAX = 8 ** 11 - 1;
const CHUNK_BYTES = 1 << 20;

/** A file to be written into an archive. */
export interface TarFile {
  readonly name: string;
  readonly bytes: number;
  content(): AsyncIterable<Uint8Array>;
}

/** A file that is open for writing; it may take less than it is given. */
interface Writable {
  write(bytes: Uint8Array, at: number): Promise<{ readonly bytesWritten: number }>;
}

/** A file found in an archive. */
export interface TarMember {
  readonly name: string;
  readonly bytes: number;
  /** To be read to its end before the next one is asked for. */
  content(): AsyncIterable<Uint8Array>;
}

/** Writes a tar archive of plain files, mode 0600, that any tar can read. */
export async function writeTar(
  handle: Writable,
  files: readonly TarFile[],
  mtimeMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (const file of files) {
    await writeAll(handle, headerFor(file, mtimeMs));
    let written = 0;
    for await (const chunk of file.content()) {
      signal.throwIfAborted();
      await writeAll(handle, chunk);
      written += chunk.length;
    }
    if (written !== file.bytes) {
      throw new FksError("Conflict", `${file.name} changed while it was read`);
    }
    await writeAll(handle, Buffer.alloc(paddingOf(file.bytes)));
  }
  await writeAll(handle, Buffer.alloc(2 * BLOCK));
}

/** A disk that gets full takes a part of what it is given, and says so by the count alone. */
async function writeAll(handle: Writable, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at);
    at += bytesWritten;
  }
}

/**
 * The files of an archive as `writeTar` makes them, one after the other, to its end.
 *
 * Nothing else is accepted: no links, folders, extended headers, nothing after the end. Throws
 * `InvalidInput` with half a sentence about what is wrong: `is damaged: it ends in the middle`.
 */
export async function* tarMembers(handle: FileHandle): AsyncGenerator<TarMember> {
  for (;;) {
    const block = await exactly(handle, BLOCK);
    if (isZero(block)) break;
    const { name, bytes } = memberIn(block);
    yield { name, bytes, content: () => contentOf(handle, bytes) };
    await exactly(handle, paddingOf(bytes));
  }
  // The end is two blocks; who pads an archive writes more of them.
  await exactly(handle, BLOCK);
  for (;;) {
    const rest = await upTo(handle, CHUNK_BYTES);
    if (rest.length === 0) return;
    if (!isZero(rest)) throw refused("is damaged: it goes on after its end");
  }
}

async function* contentOf(handle: FileHandle, bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; ) {
    const chunk = await upTo(handle, Math.min(left, CHUNK_BYTES));
    if (chunk.length === 0) throw refused("is damaged: it ends in the middle");
    left -= chunk.length;
    yield chunk;
  }
}

function headerFor({ name, bytes }: TarFile, mtimeMs: number): Buffer {
  if (Buffer.byteLength(name) > NAME_MAX_BYTES) throw refused(`"${name}" is too long a name`);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(octal(0o600, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  if (bytes <= OCTAL_MAX) block.write(octal(bytes, 12), 124);
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(bytes), 128);
  }
  block.write(octal(Math.floor(mtimeMs / 1_000), 12), 136);
  block.write("0", 156);
  block.write("ustar\u000000", 257);
  block.write(`${octal(sumOf(block), 7)} `, 148);
  return block;
}

function memberIn(block: Buffer): Pick<TarMember, "name" | "bytes"> {
  const isTar = block.toString("latin1", 257, 263) === "ustar\0";
  if (!isTar || numberAt(block, 148, 8) !== sumOf(block)) throw refused("is damaged");
  const name = textAt(block, 0, NAME_MAX_BYTES);
  const type = String.fromCharCode(block[156] ?? 0);
  if (type !== "0") throw refused(`holds ${JSON.stringify(name)}, which is no plain file`);
  return { name, bytes: sizeIn(block) };
}

function sizeIn(block: Buffer): number {
  if (((block[124] ?? 0) & 0x80) === 0) return numberAt(block, 124, 12);
  const bytes = Number(block.readBigUInt64BE(128));
  if (!Number.isSafeInteger(bytes)) throw refused("is damaged");
  return bytes;
}

/** The sum of all bytes, the field that holds it counted as spaces. */
function sumOf(block: Buffer): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

function numberAt(block: Buffer, offset: number, width: number): number {
  const text = textAt(block, offset, width).trim();
  if (!/^[0-7]+$/.test(text)) throw refused("is damaged");
  return Number.parseInt(text, 8);
}

function textAt(block: Buffer, offset: number, width: number): string {
  const [text = ""] = block.toString("utf8", offset, offset + width).split("\0");
  return text;
}

/** `width` counts the zero byte that ends the field. */
function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, "0")}\0`;
}

async function exactly(handle: FileHandle, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const piece = await upTo(handle, left);
    if (piece.length === 0) throw refused("is damaged: it ends in the middle");
    left -= piece.length;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function upTo(handle: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length);
  return buffer.subarray(0, bytesRead);
}

function paddingOf(bytes: number): number {
  return (BLOCK - (bytes % BLOCK)) % BLOCK;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function refused(how: string): FksError {
  return new FksError("InvalidInput", how);
}
