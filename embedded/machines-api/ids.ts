const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Random bytes; tests hand in their own. */
export type RandomBytes = (count: number) => Uint8Array;

export interface Ids {
  /** `length` hexadecimal characters. */
  hex(length: number): string;
  /** 26 characters; each one sorts after the one before, also within a millisecond. */
  ulid(): string;
}

/** Makes the ids of the Machines API: Machines, versions, events, leases, requests. */
export function idsFrom(random: RandomBytes, now: () => number): Ids {
  let lastMs = 0;
  let tail = 0;
  return {
    hex: (length) =>
      Buffer.from(random(Math.ceil(length / 2)))
        .toString("hex")
        .slice(0, length),
    ulid() {
      const ms = Math.max(now(), lastMs);
      // 25 random bits to start from leave room to count up within one millisecond.
      tail = ms === lastMs ? tail + 1 : random(4).reduce((sum, byte) => sum * 128 + (byte >> 1), 0);
      lastMs = ms;
      const noise = [...random(9)].map((byte) => CROCKFORD[byte % 32]).join("");
      return `${base32(ms, 10)}${base32(tail, 7)}${noise}`;
    },
  };
}

function base32(value: number, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 32)) {
    text = `${CROCKFORD[rest % 32]}${text}`;
  }
  return text;
}

const ADJECTIVES = ["calm", "bold", "dawn", "green", "quiet", "silent", "wild", "young"];
const NOUNS = ["fog", "river", "leaf", "moon", "pine", "snow", "star", "wind"];

/** A name for a Machine that came without one: adjective-noun-number. */
export function machineName(random: RandomBytes): string {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return `${ADJECTIVES[a % 8]}-${NOUNS[b % 8]}-${(c * 256 + d) % 10_000}`;
}
