/**
 * Keeps `bun.lockb` free of registry addresses: every tarball URL's pointer is zeroed and its text
 * blanked, and Bun builds the URL again from whatever registry is configured.
 * The file's string buffer has no recorded start; the right guess is the one that explains all URLs.
 *
 * `bun scripts/scrub-lock.ts` rewrites, `--check` only says whether an address is left.
 */
const FILE = "bun.lockb";

interface Text {
  readonly at: number;
  readonly length: number;
}

/** The eight bytes that point to a string: offset, then length with the top bit set. */
function pointerTo(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(offset, 0);
  bytes.writeUInt32LE((length | 0x8000_0000) >>> 0, 4);
  return bytes;
}

function urlsIn(lock: Buffer): Text[] {
  return [...lock.toString("latin1").matchAll(/https?:\/\/[^\0]*?\.tgz/g)].map((match) => ({
    at: match.index,
    length: match[0].length,
  }));
}

function baseFor(lock: Buffer, urls: readonly Text[]): number {
  const first = urls[0]?.at ?? 0;
  for (let base = 0; base <= first; base += 1) {
    if (urls.every(({ at, length }) => lock.includes(pointerTo(at - base, length)))) return base;
  }
  throw new Error(`${FILE}: no start of the string buffer explains every address in it`);
}

/** Blanks every address in `lock`, in place, and tells how many there were. */
export function scrub(lock: Buffer): number {
  const urls = urlsIn(lock);
  if (urls.length === 0) return 0;
  const base = baseFor(lock, urls);
  for (const { at, length } of urls) {
    const pointer = pointerTo(at - base, length);
    for (let found = lock.indexOf(pointer); found >= 0; found = lock.indexOf(pointer)) {
      lock.fill(0, found, found + pointer.length);
    }
    lock.fill(0x20, at, at + length);
  }
  return urls.length;
}

if (import.meta.main) {
  const lock = Buffer.from(await Bun.file(FILE).arrayBuffer());
  if (process.argv.includes("--check")) {
    if (lock.includes("://")) {
      console.error(`${FILE} holds addresses: run scripts/bun scripts/scrub-lock.ts`);
      process.exit(1);
    }
  } else {
    const count = scrub(lock);
    if (count > 0) await Bun.write(FILE, lock);
    console.log(`${FILE}: ${count} addresses removed`);
  }
}
