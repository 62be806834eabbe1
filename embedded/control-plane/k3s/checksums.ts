import { createReadStream } from "node:fs";
import { FksError } from "#core/errors.ts";
import { persistently } from "./persistence.ts";
import { get, refusalOf, type Web } from "./web.ts";

/** A release has four files for a processor; a hundred would fit. */
const BYTES_MAX = 16 * 1_024;

/** `HASH  NAME`, as `sha256sum` writes it; the asterisk marks a binary file. */
const LINE = /^([0-9a-fA-F]{64})\s+\*?(\S+)$/;

export interface Checksums {
  /** The published file as it came. */
  readonly text: string;
  /** What it says of the one file that was asked for. */
  readonly sha256: string;
}

/**
 * Fetches a release's checksum file and looks `file` up in it.
 * Throws FksError with a sentence that names host and file: see `get`, and `InvalidInput` when what
 * came is no list of checksums with that file in it.
 */
export async function publishedChecksums(
  web: Web,
  { url, file }: { readonly url: URL; readonly file: string },
  signal: AbortSignal,
): Promise<Checksums> {
  const name = decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
  const attempt = async (): Promise<Checksums> => {
    await using answer = await get(web, { url }, signal);
    if (answer.status !== 200) throw refusalOf(answer, name, web);
    const bytes: Uint8Array[] = [];
    let length = 0;
    for await (const piece of answer.pieces) {
      length += piece.length;
      if (length > BYTES_MAX) {
        throw new FksError("InvalidInput", `${name} from ${answer.host} is far too long`);
      }
      bytes.push(piece);
    }
    const text = Buffer.concat(bytes).toString();
    return { text, sha256: checksumIn(text, file, `${name} from ${answer.host}`) };
  };
  return persistently(web, attempt, () => 0, signal);
}

/** The sha256 of `file` in the text of a checksum file; `InvalidInput`, naming `source`, without. Pure. */
export function checksumIn(text: string, file: string, source: string): string {
  if (/^\s*</.test(text)) {
    throw new FksError("InvalidInput", `${source} is a web page, not a list of checksums`);
  }
  const sums = text.split("\n").flatMap((line) => {
    const [, sum, name] = LINE.exec(line.trim()) ?? [];
    return sum !== undefined && name === file ? [sum.toLowerCase()] : [];
  });
  const [sum] = sums;
  if (sum === undefined) throw new FksError("InvalidInput", `${source} does not name ${file}`);
  if (sums.some((other) => other !== sum)) {
    throw new FksError("InvalidInput", `${source} has more than one sha256 for ${file}`);
  }
  return sum;
}

/** Of a whole file: 60 ms for a K3s. Throws the platform's error when it cannot be read. */
export async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1_024 ** 2 })) {
    hasher.update(piece);
    signal.throwIfAborted();
  }
  return hasher.digest("hex");
}
