import { answerFor } from "./answer.ts";
import { decode, encode, type Message, type Question, RCODE } from "./message.ts";
import { canonical } from "./name.ts";
import type { Zone } from "./zone.ts";

export type Response =
  | { readonly kind: "reply"; readonly bytes: Uint8Array }
  /** The query is somebody else's to answer; `fitted` and `failure` make a reply of it. */
  | { readonly kind: "forward"; readonly query: Message }
  /** Not a query: an answer to it could start an endless exchange. */
  | { readonly kind: "silence" };

export type Transport = "udp" | "tcp";

/** What fits into one packet on every path; larger answers are fetched over TCP. */
const UDP_MAX_BYTES = 1232;
const UDP_WITHOUT_EDNS_BYTES = 512;
const TCP_MAX_BYTES = 65_535;

/** What to do about bytes that came in. Pure and total. */
export function respond(
  bytes: Uint8Array,
  transport: Transport,
  zone: Zone,
  turn: number,
): Response {
  const decoded = decode(bytes);
  if (decoded.kind === "malformed") {
    if (decoded.isResponse || decoded.id === undefined) return { kind: "silence" };
    return { kind: "reply", bytes: encode(bare(decoded.id, RCODE.formErr), TCP_MAX_BYTES) };
  }
  const query = decoded.message;
  if (query.isResponse) return { kind: "silence" };

  const [question, ...more] = query.questions;
  if (query.opcode !== 0) return reply(query, transport, { rcode: RCODE.notImp });
  if (question === undefined || more.length > 0) {
    return reply(query, transport, { rcode: RCODE.formErr });
  }
  // BADVERS needs a field we do not write; refusing says enough to those who come from the future.
  if ((query.edns?.version ?? 0) !== 0) return reply(query, transport, { rcode: RCODE.refused });

  const answer = answerFor(question, zone, turn);
  if (answer.kind === "forward") return { kind: "forward", query };
  const { rcode, answers, authorities } = answer;
  const isAuthoritative = rcode !== RCODE.refused;
  return reply(query, transport, { rcode, answers, authorities, isAuthoritative });
}

/** The reply to a forwarded query that nobody answered. */
export function failure(query: Message, transport: Transport): Uint8Array {
  return encodeReply(query, transport, { rcode: RCODE.servFail });
}

/**
 * An upstream's answer as the asker gets it: under the asker's id, and when it is too large only
 * the question and the mark that there is more over TCP.
 */
export function fitted(upstream: Uint8Array, query: Message, transport: Transport): Uint8Array {
  if (upstream.length > maxBytesFor(query, transport)) {
    return encodeReply(query, transport, { isTruncated: true });
  }
  return withId(upstream, query.id);
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

function reply(query: Message, transport: Transport, parts: Partial<Message>): Response {
  return { kind: "reply", bytes: encodeReply(query, transport, parts) };
}

function encodeReply(query: Message, transport: Transport, parts: Partial<Message>): Uint8Array {
  const message: Message = {
    ...bare(query.id, RCODE.noError),
    opcode: query.opcode,
    wantsRecursion: query.wantsRecursion,
    questions: query.questions,
    ...(query.edns === undefined ? {} : { edns: { udpBytes: UDP_MAX_BYTES, version: 0 } }),
    ...parts,
  };
  return encode(message, maxBytesFor(query, transport));
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
