import { type Asking, answerFor } from "./answer.ts";
import { decode, type Edns, encode, type Message, type Question, RCODE } from "./message.ts";
import { canonical } from "./name.ts";
import type { DnsRecord } from "./record.ts";
import type { Basis, Zone } from "./zone.ts";

export type Response =
  | {
      readonly kind: "reply";
      readonly bytes: Uint8Array;
      /** What the reply stands on; absent: it is good for this once. */
      readonly basis?: Basis | undefined;
    }
  /** Somebody else must be asked: for `target`, whose answer comes behind `answers`. */
  | {
      readonly kind: "ask";
      readonly query: Message;
      readonly target: Question;
      readonly answers: readonly DnsRecord[];
      /** The reply when there is no such name, or nobody to be asked. */
      readonly otherwise?: Uint8Array;
    }
  /** Not a query: an answer to it could start an endless exchange. */
  | { readonly kind: "silence" };

export type Transport = "udp" | "tcp";

/** What fits into one packet on every path; larger answers are fetched over TCP. */
export const UDP_MAX_BYTES = 1232;
export const UDP_WITHOUT_EDNS_BYTES = 512;
export const TCP_MAX_BYTES = 65_535;
/** 16 in its upper bits: a version of EDNS that we do not know. Source: RFC 6891, section 9. */
const BAD_VERSION = { udpBytes: UDP_MAX_BYTES, version: 0, upperRcode: 1, wantsSignatures: false };

/** What to do about bytes that came in. Total. */
export function respond(
  bytes: Uint8Array,
  transport: Transport,
  zone: Zone,
  asking: Asking,
): Response {
  const decoded = decode(bytes);
  if (decoded.kind === "malformed") {
    if (decoded.isResponse || decoded.id === undefined) return { kind: "silence" };
    return { kind: "reply", bytes: encode(bare(decoded.id, RCODE.formErr), TCP_MAX_BYTES) };
  }
  const query = decoded.message;
  if (query.isResponse) return { kind: "silence" };
  const reply = (parts: Partial<Message>): Uint8Array => encodeReply(query, transport, parts);

  const [question, ...more] = query.questions;
  if (query.opcode !== 0) return { kind: "reply", bytes: reply({ rcode: RCODE.notImp }) };
  if (question === undefined || more.length > 0) {
    return { kind: "reply", bytes: reply({ rcode: RCODE.formErr }) };
  }
  if ((query.edns?.version ?? 0) !== 0) {
    return { kind: "reply", bytes: reply({ edns: BAD_VERSION }) };
  }

  const answer = answerFor(question, zone, asking);
  switch (answer.kind) {
    case "forward":
      return { kind: "ask", query, target: question, answers: [] };
    case "follow": {
      const { answers, target, otherwise } = answer;
      const fallback = otherwise && reply({ ...otherwise, isAuthoritative: true });
      return {
        kind: "ask",
        query,
        target: { ...question, name: target },
        answers,
        ...(fallback === undefined ? {} : { otherwise: fallback }),
      };
    }
    case "answer": {
      const { rcode, answers, authorities, additionals, basis } = answer;
      const isAuthoritative = rcode === RCODE.noError || rcode === RCODE.nxDomain;
      const parts = { rcode, answers, authorities, additionals, isAuthoritative };
      return { kind: "reply", bytes: reply(parts), basis };
    }
  }
}

/** The reply to a query that nobody answered. */
export function failure(query: Message, transport: Transport): Uint8Array {
  return encodeReply(query, transport, { rcode: RCODE.servFail });
}

/** Somebody else's answer as a reply to the one who asked. */
export function passedOn(
  ask: Extract<Response, { kind: "ask" }>,
  theirs: Message,
  transport: Transport,
): Uint8Array {
  if (theirs.rcode === RCODE.nxDomain && ask.otherwise !== undefined) return ask.otherwise;
  const asked = canonical(ask.target.name);
  // In the case of the one who asks: many compare it, and the name can then be pointed to.
  const cased = (record: DnsRecord): DnsRecord =>
    canonical(record.name) === asked ? { ...record, name: ask.target.name } : record;
  return encodeReply(ask.query, transport, {
    rcode: theirs.rcode,
    answers: [...ask.answers, ...theirs.answers.map(cased)],
    authorities: theirs.authorities,
    additionals: theirs.additionals,
  });
}

/** A query for others, under the id 0. */
export function queryFor(question: Question, edns: Message["edns"]): Uint8Array {
  const message: Message = {
    ...bare(0, RCODE.noError),
    isResponse: false,
    canRecurse: false,
    wantsRecursion: true,
    questions: [question],
    ...(edns === undefined ? {} : { edns }),
  };
  return encode(message, TCP_MAX_BYTES);
}

/** What came back from an upstream: the answer, one that is only whole over TCP, or something else. */
export function judged(answer: Uint8Array, query: Uint8Array): "answer" | "truncated" | "foreign" {
  const [came, asked] = [decode(answer), decode(query)];
  if (came.kind === "malformed" || asked.kind === "malformed") return "foreign";
  const [cameFor] = came.message.questions;
  const [question] = asked.message.questions;
  const isOurs =
    came.message.isResponse &&
    came.message.id === asked.message.id &&
    isSameQuestion(cameFor, question);
  if (!isOurs) return "foreign";
  return came.message.isTruncated ? "truncated" : "answer";
}

/** The return code in a message's header. */
export function rcodeOf(message: Uint8Array): number {
  return (message[3] ?? 0) & 0xf;
}

/** The same message under another id. */
export function withId(bytes: Uint8Array, id: number): Uint8Array {
  const copy = bytes.slice();
  copy[0] = id >>> 8;
  copy[1] = id & 0xff;
  return copy;
}

function isSameQuestion(one: Question | undefined, other: Question | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  const isSameName = canonical(one.name) === canonical(other.name);
  return isSameName && one.type === other.type && one.class === other.class;
}

function encodeReply(query: Message, transport: Transport, parts: Partial<Message>): Uint8Array {
  const message: Message = {
    ...bare(query.id, RCODE.noError),
    opcode: query.opcode,
    wantsRecursion: query.wantsRecursion,
    questions: query.questions,
    ...(query.edns === undefined ? {} : { edns: ednsFor(query.edns) }),
    ...parts,
  };
  return encode(message, maxBytesFor(query, transport));
}

function ednsFor({ wantsSignatures }: Edns): Edns {
  return { udpBytes: UDP_MAX_BYTES, version: 0, upperRcode: 0, wantsSignatures };
}

function maxBytesFor(query: Message, transport: Transport): number {
  if (transport === "tcp") return TCP_MAX_BYTES;
  if (query.edns === undefined) return UDP_WITHOUT_EDNS_BYTES;
  return Math.min(Math.max(query.edns.udpBytes, UDP_WITHOUT_EDNS_BYTES), UDP_MAX_BYTES);
}

function bare(id: number, rcode: number): Message {
  return {
    id,
    rcode,
    isResponse: true,
    opcode: 0,
    isAuthoritative: false,
    isTruncated: false,
    wantsRecursion: false,
    canRecurse: true,
    questions: [],
    answers: [],
    authorities: [],
    additionals: [],
  };
}
