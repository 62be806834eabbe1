import { FksError } from "#core/errors.ts";

/** Values are bytes: an extended attribute need not be text. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

/** The `<length> <key>=<value>\n` records of a PAX header. Throws FksError `InvalidInput`. */
export function paxRecordsOf(bytes: Uint8Array): PaxRecords {
  const records = new Map<string, Uint8Array>();

  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? "" : asciiOf(bytes.subarray(at, Math.min(space, at + 10)));
    const end = at + Number(digits);
    const isRecord = /^[1-9][0-9]{0,8}$/.test(digits) && end <= bytes.length && end > space;
    const equals = isRecord ? bytes.indexOf(0x3d, space) : -1;
    if (equals < 0 || equals >= end || bytes[end - 1] !== 0x0a) {
      throw new FksError("InvalidInput", "the archive is refused: a PAX header is malformed");
    }
    records.set(asciiOf(bytes.subarray(space + 1, equals)), bytes.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** A record's value as text; an empty value means that there is none. */
export function paxText(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new FksError("InvalidInput", `the archive is refused: its "${key}" is not UTF-8`);
  }
}

function asciiOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
