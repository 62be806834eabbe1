import { nameAt } from "./name.ts";
import { writer } from "./writer.ts";

/**
 * Where names stand in the data of types we do not read ourselves: after so many bytes, so many
 * names. Only in these types may names be shortened; source: RFC 3597, section 4.
 */
const NAMES: Readonly<Record<number, { readonly after: number; readonly count: number }>> = {
  3: { after: 0, count: 1 },
  4: { after: 0, count: 1 },
  7: { after: 0, count: 1 },
  8: { after: 0, count: 1 },
  9: { after: 0, count: 1 },
  14: { after: 0, count: 2 },
  15: { after: 2, count: 1 },
  17: { after: 0, count: 2 },
  18: { after: 2, count: 1 },
  21: { after: 2, count: 1 },
  24: { after: 18, count: 1 },
  26: { after: 2, count: 2 },
  30: { after: 0, count: 1 },
  36: { after: 2, count: 1 },
  39: { after: 0, count: 1 },
};
const NAPTR = 35;

/**
 * The data of a record between two offsets with its names written out, so that it means the same in
 * another message; `undefined` when it is malformed.
 */
export function standaloneData(
  bytes: Uint8Array,
  type: number,
  start: number,
  end: number,
): Uint8Array | undefined {
  const { after, count } = type === NAPTR ? naptr(bytes, start) : (NAMES[type] ?? NO_NAMES);
  if (count === 0) return bytes.slice(start, end);
  let at = start + after;
  if (at > end) return undefined;

  const out = writer();
  out.bytes(bytes.subarray(start, at));
  for (let index = 0; index < count; index += 1) {
    const name = nameAt(bytes, at);
    if (name === undefined || name.end > end) return undefined;
    out.plainName(name.name);
    at = name.end;
  }
  out.bytes(bytes.subarray(at, end));
  return out.result();
}

const NO_NAMES = { after: 0, count: 0 };

/** Two numbers and three texts before the name; source: RFC 3403, section 4.1. */
function naptr(bytes: Uint8Array, start: number): { after: number; count: number } {
  let after = 4;
  for (let text = 0; text < 3; text += 1) after += 1 + (bytes[start + after] ?? 0);
  return { after, count: 1 };
}
