/** One entry of a tar archive; what is left out gets the value most files have. */
export interface TarEntry {
  readonly path: string;
  readonly type?: keyof typeof TYPEFLAGS;
  readonly content?: Uint8Array | string;
  /** Permission bits, set-uid and friends included. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the Unix epoch. */
  readonly mtime?: number;
  readonly linkname?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  /** Records of a PAX header in front of the entry; values may be any bytes. */
  readonly pax?: Readonly<Record<string, Uint8Array | string>>;
  /** What the header claims instead of the true length of `content`. */
  readonly claimedSize?: number;
}

const TYPEFLAGS = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
  "gnu-sparse": "S",
} as const;

const BLOCK = 512;

/** A POSIX tar archive with these entries in this order, names taken as they are. */
export function tarOf(entries: readonly TarEntry[]): Uint8Array {
  const blocks = entries.flatMap(blocksOf);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function blocksOf(entry: TarEntry): Uint8Array[] {
  const content = Buffer.from(entry.content ?? "");
  const pax: Record<string, Uint8Array | string> = { ...entry.pax };
  if (Buffer.byteLength(entry.path) > 100) pax["path"] = entry.path;
  if (Buffer.byteLength(entry.linkname ?? "") > 100) pax["linkpath"] = entry.linkname ?? "";

  const blocks: Uint8Array[] = [];
  if (Object.keys(pax).length > 0) {
    const records = Buffer.concat(Object.entries(pax).map(paxRecord));
    blocks.push(header({ path: "PaxHeader" }, "x", records.length), padded(records));
  }
  const size = entry.claimedSize ?? content.length;
  blocks.push(header(entry, TYPEFLAGS[entry.type ?? "file"], size), padded(content));
  return blocks;
}

function header(entry: TarEntry, typeflag: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  const modeOfType = entry.type === "directory" ? 0o755 : 0o644;
  Buffer.from(entry.path).copy(block, 0, 0, 100);
  octal(block, 100, 8, entry.mode ?? modeOfType);
  octal(block, 108, 8, entry.uid ?? 0);
  octal(block, 116, 8, entry.gid ?? 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, entry.mtime ?? 1_700_000_000);
  block.write("        ", 148, "latin1");
  block.write(typeflag, 156, "latin1");
  Buffer.from(entry.linkname ?? "").copy(block, 157, 0, 100);
  block.write("ustar\u000000", 257, "latin1");
  octal(block, 329, 8, entry.device?.major ?? 0);
  octal(block, 337, 8, entry.device?.minor ?? 0);
  octal(
    block,
    148,
    8,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return block;
}

function octal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, offset, "latin1");
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord([key, value]: [string, Uint8Array | string]): Uint8Array {
  const tail = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = tail.length + 1;
  while (String(length).length + tail.length !== length)
    length = String(length).length + tail.length;
  return Buffer.concat([Buffer.from(String(length)), tail]);
}

function padded(content: Uint8Array): Uint8Array {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}
