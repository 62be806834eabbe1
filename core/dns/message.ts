import { type Name, nameAt } from "./name.ts";
import { type DnsRecord, dataAt, TYPE, typeOf, writeData } from "./record.ts";
import { type Writer, writer } from "./writer.ts";

export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
} as const;

export interface Message {
  readonly id: number;
  readonly isResponse: boolean;
  /** 0 is a query. */
  readonly opcode: number;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly wantsRecursion: boolean;
  readonly canRecurse: boolean;
  /** Without the upper bits that EDNS adds. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** When the sender speaks EDNS. */
  readonly edns?: Edns;
}

export interface Edns {
  /** What the sender takes over UDP. */
  readonly udpBytes: number;
  readonly version: number;
  /** The upper bits of the return code. */
  readonly upperRcode: number;
  /** The sender wants signatures (`DO`). */
  readonly wantsSignatures: boolean;
}

export interface Question {
  /** In the case of the one who asks. */
  readonly name: Name;
  readonly type: number;
  /** 1 is the Internet. */
  readonly class: number;
}

export type Decoded =
  | { readonly kind: "message"; readonly message: Message }
  /** `id` when there was at least a header, so that FORMERR can be told to a query. */
  | { readonly kind: "malformed"; readonly id?: number; readonly isResponse: boolean };

const HEADER_BYTES = 12;
const CLASS_INTERNET = 1;
/** An OPT record without options. */
const EDNS_BYTES = 11;
const SIGNATURES_BIT = 0x8000;
const UDP_MIN_BYTES = 512;

/** What the bytes say. Total: whatever arrives gives a message or `malformed`, never a throw. */
export function decode(bytes: Uint8Array): Decoded {
  if (bytes.length < HEADER_BYTES) return { kind: "malformed", isResponse: true };
  const id = u16(bytes, 0);
  const flags = u16(bytes, 2);
  const isResponse = (flags & 0x8000) !== 0;
  const malformed: Decoded = { kind: "malformed", id, isResponse };

  const questions = questionsAt(bytes, u16(bytes, 4));
  if (questions === undefined) return malformed;
  const answers = recordsAt(bytes, questions.end, u16(bytes, 6));
  const authorities = answers && recordsAt(bytes, answers.end, u16(bytes, 8));
  const additionals = authorities && recordsAt(bytes, authorities.end, u16(bytes, 10));
  if (additionals === undefined || answers === undefined || authorities === undefined) {
    return malformed;
  }

  const edns = [...answers.edns, ...authorities.edns, ...additionals.edns];
  const [only] = edns;
  if (edns.length > 1) return malformed;
  return {
    kind: "message",
    message: {
      id,
      isResponse,
      opcode: (flags >>> 11) & 0xf,
      isAuthoritative: (flags & 0x400) !== 0,
      isTruncated: (flags & 0x200) !== 0,
      wantsRecursion: (flags & 0x100) !== 0,
      canRecurse: (flags & 0x80) !== 0,
      rcode: flags & 0xf,
      questions: questions.questions,
      answers: answers.records,
      authorities: authorities.records,
      additionals: additionals.records,
      ...(only === undefined ? {} : { edns: only }),
    },
  };
}

/**
 * The message in at most `maxBytes` (512 at least): records that do not fit are left out and the
 * message says that it is truncated.
 */
export function encode(message: Message, maxBytes: number): Uint8Array {
  const { edns } = message;
  const limit = Math.max(maxBytes, UDP_MIN_BYTES) - (edns === undefined ? 0 : EDNS_BYTES);
  const out = writer();
  for (let at = 0; at < HEADER_BYTES; at += 2) out.u16(0);

  const questions = written(out, message.questions, limit, writeQuestion);
  const answers = written(out, message.answers, limit, writeRecord);
  const authorities = written(out, message.authorities, limit, writeRecord);
  const additionals = written(out, message.additionals, limit, writeRecord);
  const isCut =
    questions + answers + authorities <
    message.questions.length + message.answers.length + message.authorities.length;
  if (edns !== undefined) writeEdns(out, edns);

  out.setU16(0, message.id);
  out.setU16(2, flagsOf(message, isCut || message.isTruncated));
  out.setU16(4, questions);
  out.setU16(6, answers);
  out.setU16(8, authorities);
  out.setU16(10, additionals + (edns === undefined ? 0 : 1));
  return out.result();
}

function flagsOf(message: Message, isTruncated: boolean): number {
  return (
    bit(message.isResponse, 0x8000) |
    ((message.opcode & 0xf) << 11) |
    bit(message.isAuthoritative, 0x400) |
    bit(isTruncated, 0x200) |
    bit(message.wantsRecursion, 0x100) |
    bit(message.canRecurse, 0x80) |
    (message.rcode & 0xf)
  );
}

function bit(isSet: boolean, value: number): number {
  return isSet ? value : 0;
}

/** Writes items as long as they fit; how many did. */
function written<T>(
  out: Writer,
  items: readonly T[],
  limit: number,
  write: (out: Writer, item: T) => void,
): number {
  for (const [index, item] of items.entries()) {
    const before = out.length;
    write(out, item);
    if (out.length > limit) {
      out.cut(before);
      return index;
    }
  }
  return items.length;
}

function writeQuestion(out: Writer, question: Question): void {
  out.name(question.name);
  out.u16(question.type);
  out.u16(question.class);
}

function writeRecord(out: Writer, { name, ttlS, data }: DnsRecord): void {
  out.name(name);
  out.u16(typeOf(data));
  out.u16(CLASS_INTERNET);
  out.u32(ttlS);
  const lengthAt = out.length;
  out.u16(0);
  writeData(out, data);
  out.setU16(lengthAt, out.length - lengthAt - 2);
}

function writeEdns(out: Writer, edns: Edns): void {
  out.u8(0);
  out.u16(TYPE.OPT);
  out.u16(edns.udpBytes);
  out.u8(edns.upperRcode);
  out.u8(edns.version);
  out.u16(edns.wantsSignatures ? SIGNATURES_BIT : 0);
  out.u16(0);
}

function questionsAt(
  bytes: Uint8Array,
  count: number,
): { readonly questions: readonly Question[]; readonly end: number } | undefined {
  const questions: Question[] = [];
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index += 1) {
    const name = nameAt(bytes, at);
    if (name === undefined || name.end + 4 > bytes.length) return undefined;
    questions.push({
      name: name.name,
      type: u16(bytes, name.end),
      class: u16(bytes, name.end + 2),
    });
    at = name.end + 4;
  }
  return { questions, end: at };
}

interface Records {
  readonly records: readonly DnsRecord[];
  readonly edns: readonly Edns[];
  readonly end: number;
}

function recordsAt(bytes: Uint8Array, start: number, count: number): Records | undefined {
  const records: DnsRecord[] = [];
  const edns: Edns[] = [];
  let at = start;
  for (let index = 0; index < count; index += 1) {
    const name = nameAt(bytes, at);
    if (name === undefined || name.end + 10 > bytes.length) return undefined;
    const type = u16(bytes, name.end);
    const dataStart = name.end + 10;
    const dataEnd = dataStart + u16(bytes, name.end + 8);
    if (dataEnd > bytes.length) return undefined;
    if (type === TYPE.OPT) {
      edns.push({
        udpBytes: u16(bytes, name.end + 2),
        upperRcode: bytes[name.end + 4] ?? 0,
        version: bytes[name.end + 5] ?? 0,
        wantsSignatures: (u16(bytes, name.end + 6) & SIGNATURES_BIT) !== 0,
      });
    } else {
      const data = dataAt(bytes, type, dataStart, dataEnd);
      if (data === undefined) return undefined;
      const ttlS = u16(bytes, name.end + 4) * 0x1_0000 + u16(bytes, name.end + 6);
      records.push({ name: name.name, ttlS, data });
    }
    at = dataEnd;
  }
  return { records, edns, end: at };
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
