import type { Name } from "./name.ts";
import type { RecordData } from "./record.ts";

/** `0x3a`, `0x2e`: what stands between the parts of an address. */
const [COLON, DOT] = [":".charCodeAt(0), ".".charCodeAt(0)];

/**
 * The 4 or 16 bytes of an address; `undefined` when it is none. Total. By hand, since names are
 * worked out for each question: fifteen times as fast as ipaddr.js, with which a test compares it.
 */
export function addressBytes(text: string): Uint8Array | undefined {
  return text.includes(":") ? ipv6Bytes(text) : ipv4Bytes(text, 0);
}

/** One spelling of an address, so that the same ones are equal, as RFC 5952 has it. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const { start, length } = longestZeros(bytes);
  if (length < 2) return groups(bytes, 0, 8);
  return `${groups(bytes, 0, start)}::${groups(bytes, start + length, 8)}`;
}

/** The same for what may be no address. */
export function sameAddress(text: string): string | undefined {
  const bytes = addressBytes(text);
  const same = bytes && addressText(bytes);
  // Nearly always it is; the one string then serves for both.
  return same === text ? text : same;
}

/** An A or AAAA record; nothing when the text is no address. */
export function addressRecords(text: string): readonly RecordData[] {
  const address = addressBytes(text);
  if (address === undefined) return [];
  return [{ type: address.length === 4 ? "A" : "AAAA", address }];
}

/** The address that a reverse name in lower case is about; `undefined` when it is about none. */
export function addressInReverse(name: Name): string | undefined {
  if (name.endsWith(IPV6_REVERSE)) {
    const bytes = name.length === 64 + IPV6_REVERSE.length - 1 ? nibbles(name) : undefined;
    return bytes && addressText(bytes);
  }
  if (!name.endsWith(IPV4_REVERSE)) return undefined;
  const parts = name.slice(0, -IPV4_REVERSE.length).split(".");
  return sameAddress(parts.toReversed().join("."));
}

const IPV6_REVERSE = ".ip6.arpa";
const IPV4_REVERSE = ".in-addr.arpa";

/** 32 hexadecimal digits with dots behind them, the last one first. */
function nibbles(name: Name): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  for (let at = 0; at < 32; at += 1) {
    const digit = hexDigit(name.charCodeAt(2 * at));
    if (digit < 0 || name.charCodeAt(2 * at + 1) !== DOT) return undefined;
    bytes[15 - (at >> 1)] = (bytes[15 - (at >> 1)] ?? 0) | (digit << (4 * (at & 1)));
  }
  return bytes;
}

function ipv4Bytes(text: string, from: number): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  let part = 0;
  let value = 0;
  let digits = 0;
  for (let at = from; at <= text.length; at += 1) {
    const code = at === text.length ? DOT : text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0 || value > 255 || part > 3) return undefined;
      bytes[part] = value;
      part += 1;
      value = 0;
      digits = 0;
      continue;
    }
    const digit = code - 48;
    // A leading zero would be octal to some.
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return undefined;
    value = value * 10 + digit;
    digits += 1;
  }
  return part === 4 ? bytes : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  let length = 0;
  /** Where `::` stands, in bytes. */
  let gap = -1;
  let at = 0;
  if (text.startsWith("::")) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    const start = at;
    let value = 0;
    for (; at < text.length && text.charCodeAt(at) !== COLON; at += 1) {
      if (text.charCodeAt(at) === DOT) return withIpv4(bytes, length, gap, text, start);
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0 || at - start === 4) return undefined;
      value = value * 16 + digit;
    }
    if (at === start || length === 16) return undefined;
    bytes[length] = value >>> 8;
    bytes[length + 1] = value & 0xff;
    length += 2;
    if (at === text.length) break;
    at += 1;
    if (at === text.length) return undefined;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap >= 0) return undefined;
    gap = length;
    at += 1;
  }
  return spread(bytes, length, gap);
}

/** `::ffff:10.0.0.1`: the last four bytes in decimal. */
function withIpv4(
  bytes: Uint8Array,
  length: number,
  gap: number,
  text: string,
  start: number,
): Uint8Array | undefined {
  const last = ipv4Bytes(text, start);
  if (last === undefined || length > 12) return undefined;
  bytes.set(last, length);
  return spread(bytes, length + 4, gap);
}

/** Moves what stands behind `::` to the end. */
function spread(bytes: Uint8Array, length: number, gap: number): Uint8Array | undefined {
  if (gap < 0) return length === 16 ? bytes : undefined;
  if (length > 14) return undefined;
  bytes.copyWithin(16 - (length - gap), gap, length);
  bytes.fill(0, gap, 16 - (length - gap));
  return bytes;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function groups(bytes: Uint8Array, from: number, until: number): string {
  let text = "";
  for (let at = from; at < until; at += 1) {
    text += (at === from ? "" : ":") + u16(bytes, 2 * at).toString(16);
  }
  return text;
}

/** Of groups; of equally long ones the first. */
function longestZeros(bytes: Uint8Array): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at < 8; at += 1) {
    if (u16(bytes, 2 * at) !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  }
  return best;
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
