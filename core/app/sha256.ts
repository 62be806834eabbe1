const ROUNDS = roundConstants();

/** SHA-256 of the UTF-8 bytes of `text`, in hexadecimal. For names, never for secrets. */
export function sha256Hex(text: string): string {
  return [...sha256(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of the UTF-8 bytes of `text`. Source: FIPS 180-4. */
export function sha256(text: string): Uint8Array {
  const blocks = padded(new TextEncoder().encode(text));
  const state = Uint32Array.from([2, 3, 5, 7, 11, 13, 17, 19], (prime) =>
    fraction(Math.sqrt(prime)),
  );
  for (let offset = 0; offset < blocks.byteLength; offset += 64)
    absorb(state, new DataView(blocks.buffer, offset, 64));

  const digest = new DataView(new ArrayBuffer(32));
  for (const [index, word] of state.entries()) digest.setUint32(index * 4, word);
  return new Uint8Array(digest.buffer);
}

function absorb(state: Uint32Array, block: DataView): void {
  const w = new Uint32Array(64);
  for (let i = 0; i < 64; i += 1) {
    w[i] =
      i < 16
        ? block.getUint32(i * 4)
        : sigma1(at(w, i - 2)) + at(w, i - 7) + sigma0(at(w, i - 15)) + at(w, i - 16);
  }

  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i += 1) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(ROUNDS, i) + at(w, i)) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = at(state, i) + word;
}

function sigma0(word: number): number {
  return rotate(word, 7) ^ rotate(word, 18) ^ (word >>> 3);
}

function sigma1(word: number): number {
  return rotate(word, 17) ^ rotate(word, 19) ^ (word >>> 10);
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function at(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = new Uint8Array(Math.ceil((bytes.byteLength + 9) / 64) * 64);
  blocks.set(bytes);
  blocks[bytes.byteLength] = 0x80;
  new DataView(blocks.buffer).setBigUint64(blocks.byteLength - 8, BigInt(bytes.byteLength) * 8n);
  return blocks;
}

/** The first 32 bits after the point. */
function fraction(value: number): number {
  return Math.floor((value % 1) * 2 ** 32);
}

function roundConstants(): Uint32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
}
