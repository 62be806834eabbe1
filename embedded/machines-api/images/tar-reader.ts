import { FksError } from "#core/errors.ts";
import { type ByteReader, byteReader } from "./byte-reader.ts";
import { type PaxRecords, paxRecordsOf, paxText } from "./pax.ts";

export type TarType =
  | "file"
  | "link"
  | "symlink"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

export interface TarHeader {
  /** As it stands in the archive: perhaps absolute, perhaps hostile. */
  readonly path: string;
  readonly type: TarType;
  /** Permission bits with set-uid, set-gid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the Unix epoch, perhaps with a fraction. */
  readonly mtimeS: number;
  readonly size: number;
  readonly linkname: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** The content; what is not read is skipped. It ends with the next turn of the loop. */
  readonly body: AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
/** Extended headers hold names and attributes; nothing honest needs more. */
const EXTENDED_MAX_BYTES = 1 << 20;

/** What ext4 can hold; other times count as unknown. */
const TIME_MAX_S = 2 ** 33;

const TYPES: Readonly<Record<string, TarType>> = {
  "\0": "file",
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "character-device",
  "4": "block-device",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};

/** What earlier extended headers say about the entry that follows them. */
interface Extended {
  readonly global: PaxRecords;
  readonly pax: PaxRecords;
  readonly path?: string;
  readonly linkname?: string;
}

const NOTHING: PaxRecords = new Map();

/**
 * The entries of a tar archive (ustar, PAX and GNU long names), one after the other.
 *
 * Own code because extended attributes are bytes, which the packages at hand decode as text, and
 * because every length here comes from a stranger. Reads to the end of the stream, also past the
 * end of the archive. Throws FksError `InvalidInput` with a sentence about what is wrong.
 */
export async function* tarEntries(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = byteReader(chunks);
  let extended: Extended = { global: NOTHING, pax: NOTHING };

  while (!(await reader.isAtEnd())) {
    const block = await reader.exactly(BLOCK);
    if (isZero(block)) break;
    checkSum(block);

    const typeflag = String.fromCharCode(block[156] ?? 0);
    if ("xgLK".includes(typeflag)) {
      extended = await extendedBy(extended, typeflag, block, reader);
      continue;
    }

    const header = headerOf(block, typeflag, extended);
    extended = { global: extended.global, pax: NOTHING };
    const body = { left: header.size };
    yield { header, body: bodyOf(reader, body) };
    await reader.skip(body.left);
    await reader.skip(paddingOf(header.size));
  }

  while (!(await reader.isAtEnd())) await reader.some(1 << 16);
}

async function* bodyOf(reader: ByteReader, body: { left: number }): AsyncGenerator<Uint8Array> {
  while (body.left > 0) {
    const piece = await reader.some(body.left);
    body.left -= piece.length;
    yield piece;
  }
}

async function extendedBy(
  extended: Extended,
  typeflag: string,
  block: Uint8Array,
  reader: ByteReader,
): Promise<Extended> {
  const size = numberAt(block, 124, 12);
  if (size > EXTENDED_MAX_BYTES) throw refused("an extended header is larger than 1 MiB");
  const bytes = await reader.exactly(size);
  await reader.skip(paddingOf(size));

  switch (typeflag) {
    case "L":
      return { ...extended, path: textOf(upToZero(bytes)) };
    case "K":
      return { ...extended, linkname: textOf(upToZero(bytes)) };
    case "g":
      return { ...extended, global: new Map([...extended.global, ...paxRecordsOf(bytes)]) };
    default:
      return { ...extended, pax: paxRecordsOf(bytes) };
  }
}

function headerOf(block: Uint8Array, typeflag: string, extended: Extended): TarHeader {
  const records = new Map([...extended.global, ...extended.pax]);
  const path = paxText(records, "path") ?? extended.path ?? pathAt(block);
  const isOldDirectory = (typeflag === "\0" || typeflag === "0") && path.endsWith("/");
  const type = isOldDirectory ? "directory" : TYPES[typeflag];
  if (typeflag === "S" || [...records.keys()].some((key) => key.startsWith("GNU.sparse."))) {
    throw refused(`"${path}" is a sparse file, which image layers must not hold`);
  }
  if (type === undefined) throw refused(`"${path}" is of an unknown type`);

  const size = type === "file" ? numberOr(records, "size", () => numberAt(block, 124, 12)) : 0;
  return {
    path,
    type,
    mode: numberAt(block, 100, 8) & 0o7777,
    uid: numberOr(records, "uid", () => numberAt(block, 108, 8)),
    gid: numberOr(records, "gid", () => numberAt(block, 116, 8)),
    mtimeS: mtimeOf(records, block),
    size,
    linkname: paxText(records, "linkpath") ?? extended.linkname ?? stringAt(block, 157, 100),
    xattrs: xattrsOf(records),
  };
}

/** POSIX archives keep the front of a long path in a field of its own. */
function pathAt(block: Uint8Array): string {
  const name = stringAt(block, 0, 100);
  const isPosix = latin1(block.subarray(257, 263)) === "ustar\0";
  const prefix = isPosix ? stringAt(block, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function mtimeOf(records: PaxRecords, block: Uint8Array): number {
  const seconds = Number(paxText(records, "mtime") ?? numberAt(block, 136, 12));
  return seconds >= 0 && seconds <= TIME_MAX_S ? seconds : 0;
}

function xattrsOf(records: PaxRecords): ReadonlyMap<string, Uint8Array> {
  const prefix = "SCHILY.xattr.";
  return new Map(
    [...records]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

function numberOr(records: PaxRecords, key: string, otherwise: () => number): number {
  const text = paxText(records, key);
  if (text === undefined) return otherwise();
  if (!/^[0-9]{1,15}$/.test(text)) throw refused(`"${text}" is no ${key}`);
  return Number(text);
}

/** An octal number, or with the highest bit set a big-endian binary one. */
function numberAt(block: Uint8Array, offset: number, width: number): number {
  const field = block.subarray(offset, offset + width);
  if (((field[0] ?? 0) & 0x80) === 0) {
    const text = latin1(field).replaceAll("\0", " ").trim();
    if (!/^[0-7]*$/.test(text)) throw refused("a header holds a number that is none");
    return text === "" ? 0 : Number.parseInt(text, 8);
  }
  const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] ?? 0) & 0x7f);
  if (!Number.isSafeInteger(value)) throw refused("a header holds a number that is too large");
  return value;
}

function checkSum(block: Uint8Array): void {
  const field = latin1(block.subarray(148, 156)).replaceAll("\0", " ").trim();
  const sum = block.reduce(
    (total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte),
    0,
  );
  if (Number.parseInt(field, 8) !== sum)
    throw refused("it is no tar archive, or a damaged one (bad checksum)");
}

function stringAt(block: Uint8Array, offset: number, width: number): string {
  return textOf(upToZero(block.subarray(offset, offset + width)));
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refused(`the name "${latin1(bytes.subarray(0, 200))}" is not UTF-8`);
  }
}

function upToZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function refused(why: string): FksError {
  return new FksError("InvalidInput", `the archive is refused: ${why}`);
}
