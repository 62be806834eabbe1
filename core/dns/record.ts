import { type Name, nameAt } from "./name.ts";
import { standaloneData } from "./other-data.ts";
import type { Writer } from "./writer.ts";

/** Numbers of the record types we know, and of what only questions ask for. */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;

export interface DnsRecord {
  readonly name: Name;
  readonly ttlS: number;
  readonly data: RecordData;
}

export type RecordData =
  | { readonly type: "A" | "AAAA"; readonly address: Uint8Array }
  | { readonly type: "CNAME" | "NS" | "PTR"; readonly target: Name }
  | ({ readonly type: "SRV" } & Srv)
  /** Each text is at most 255 bytes of Latin-1. */
  | { readonly type: "TXT"; readonly texts: readonly string[] }
  | ({ readonly type: "SOA" } & Soa)
  /** Names within it are written out. */
  | { readonly type: "other"; readonly number: number; readonly bytes: Uint8Array };

export interface Srv {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: Name;
}

export interface Soa {
  readonly primary: Name;
  readonly mailbox: Name;
  readonly serial: number;
  readonly refreshS: number;
  readonly retryS: number;
  readonly expireS: number;
  /** How long an answer "there is none" may be kept. */
  readonly minimumS: number;
}

export function typeOf(data: RecordData): number {
  return data.type === "other" ? data.number : TYPE[data.type];
}

/** Writes the data, without its length. */
export function writeData(writer: Writer, data: RecordData): void {
  switch (data.type) {
    case "A":
    case "AAAA":
      return writer.bytes(data.address);
    case "CNAME":
    case "NS":
    case "PTR":
      return writer.name(data.target);
    case "SRV":
      for (const number of [data.priority, data.weight, data.port]) writer.u16(number);
      return writer.plainName(data.target);
    case "TXT":
      for (const text of data.texts) {
        writer.u8(Math.min(text.length, 255));
        for (let at = 0; at < text.length && at < 255; at += 1)
          writer.u8(text.charCodeAt(at) & 0xff);
      }
      return;
    case "SOA":
      writer.name(data.primary);
      writer.name(data.mailbox);
      for (const number of numbersOf(data)) writer.u32(number);
      return;
    case "other":
      writer.bytes(data.bytes);
  }
}

/** The data of a record of this type between two offsets; `undefined` when it is malformed. */
export function dataAt(
  bytes: Uint8Array,
  type: number,
  start: number,
  end: number,
): RecordData | undefined {
  const length = end - start;
  switch (type) {
    case TYPE.A:
      return length === 4 ? { type: "A", address: bytes.slice(start, end) } : undefined;
    case TYPE.AAAA:
      return length === 16 ? { type: "AAAA", address: bytes.slice(start, end) } : undefined;
    case TYPE.CNAME:
    case TYPE.NS:
    case TYPE.PTR: {
      const target = nameAt(bytes, start);
      if (target?.end !== end) return undefined;
      return { type: NAME_TYPES[type], target: target.name };
    }
    case TYPE.SRV:
      return srvAt(bytes, start, end);
    case TYPE.TXT:
      return textsAt(bytes, start, end);
    case TYPE.SOA:
      return soaAt(bytes, start, end);
    default: {
      const data = standaloneData(bytes, type, start, end);
      return data && { type: "other", number: type, bytes: data };
    }
  }
}

const NAME_TYPES = { [TYPE.CNAME]: "CNAME", [TYPE.NS]: "NS", [TYPE.PTR]: "PTR" } as const;

function srvAt(bytes: Uint8Array, start: number, end: number): RecordData | undefined {
  const target = nameAt(bytes, start + 6);
  if (target?.end !== end) return undefined;
  const number = (at: number): number =>
    ((bytes[start + at] ?? 0) << 8) | (bytes[start + at + 1] ?? 0);
  return {
    type: "SRV",
    priority: number(0),
    weight: number(2),
    port: number(4),
    target: target.name,
  };
}

function textsAt(bytes: Uint8Array, start: number, end: number): RecordData | undefined {
  const texts: string[] = [];
  for (let at = start; at < end; ) {
    const size = bytes[at] ?? 0;
    if (at + 1 + size > end) return undefined;
    texts.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + size)));
    at += 1 + size;
  }
  return { type: "TXT", texts };
}

function soaAt(bytes: Uint8Array, start: number, end: number): RecordData | undefined {
  const primary = nameAt(bytes, start);
  const mailbox = primary === undefined ? undefined : nameAt(bytes, primary.end);
  if (primary === undefined || mailbox === undefined || mailbox.end + 20 !== end) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = (index: number): number => view.getUint32(mailbox.end + 4 * index);
  return {
    type: "SOA",
    primary: primary.name,
    mailbox: mailbox.name,
    serial: number(0),
    refreshS: number(1),
    retryS: number(2),
    expireS: number(3),
    minimumS: number(4),
  };
}

function numbersOf(soa: Soa): readonly number[] {
  return [soa.serial, soa.refreshS, soa.retryS, soa.expireS, soa.minimumS];
}
