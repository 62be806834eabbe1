import { TYPE } from "./record.ts";
import { UDP_MAX_BYTES, UDP_WITHOUT_EDNS_BYTES } from "./respond.ts";
import type { Basis } from "./zone.ts";

/**
 * Replies by the bytes of their questions: a question that came before is answered by copying, with
 * nothing decoded and nothing allocated. A reply lives as long as what it stands on.
 */
export interface AnswerCache {
  /** Writes the reply into `into` (1 232 bytes or more); its length, 0 when there is none. */
  read(query: Uint8Array, turn: number, into: Uint8Array): number;
  /** Keeps the reply to a query over UDP, if it is one that can be told again. */
  keep(query: Uint8Array, reply: Uint8Array, basis: Basis): void;
}

interface Kept {
  /** The question's name, in lower case, with its type and class. */
  readonly question: Uint8Array;
  readonly variant: number;
  readonly reply: Uint8Array;
  readonly basis: Basis;
  readonly version: number;
  /** Where addresses begin that may change places, how many there are, and the size of each. */
  readonly rotated: { readonly at: number; readonly count: number; readonly size: number };
}

/** A question has some places next to each other to be in, so that few have to give way. */
const SETS = 8_192;
const PLACES_PER_SET = 4;
const HEADER_BYTES = 12;
const EDNS_BYTES = 11;
/** A pointer to the question's name. */
const TO_QUESTION = 0xc00c;
const NOT_PLAIN = -1;

export function answerCache(): AnswerCache {
  const kept = Array.from<Kept | undefined>({ length: SETS * PLACES_PER_SET });
  // Of the query that was looked at last; fields, so that looking allocates nothing.
  let end = 0;
  let hash = 0;
  let room = 0;
  let victim = 0;

  /**
   * Looks at a query: where its question ends, its hash, what fits into the reply. Gives what the
   * reply depends on beside the question, or `NOT_PLAIN` for all but one question with, at most,
   * EDNS behind it.
   */
  function look(query: Uint8Array): number {
    const size = query.length;
    if (size < HEADER_BYTES + 5 || !isPlainHeader(query)) return NOT_PLAIN;
    let at = HEADER_BYTES;
    hash = 0x811c9dc5;
    for (let label = query[at] ?? 0; label !== 0; label = query[at] ?? 0) {
      if (label > 63 || at + label + 6 > size) return NOT_PLAIN;
      for (const last = at + label; at <= last; at += 1) {
        hash = Math.imul(hash ^ lower(query[at] ?? 0), 0x01000193);
      }
    }
    end = at + 5;
    for (at += 1; at < end; at += 1) hash = Math.imul(hash ^ (query[at] ?? 0), 0x01000193);
    const additionals = u16(query, 10);
    room = UDP_WITHOUT_EDNS_BYTES;
    if (additionals === 0) return size === end ? 0 : NOT_PLAIN;
    return additionals === 1 ? lookAtEdns(query) : NOT_PLAIN;
  }

  function lookAtEdns(query: Uint8Array): number {
    const isEdns =
      query.length >= end + EDNS_BYTES &&
      query[end] === 0 &&
      u16(query, end + 1) === TYPE.OPT &&
      query[end + 6] === 0 &&
      u16(query, end + 9) === query.length - end - EDNS_BYTES;
    if (!isEdns) return NOT_PLAIN;
    room = Math.min(Math.max(u16(query, end + 3), UDP_WITHOUT_EDNS_BYTES), UDP_MAX_BYTES);
    const variant = ((query[end + 7] ?? 0) & 0x80) === 0 ? 1 : 2;
    hash = Math.imul(hash ^ variant, 0x01000193);
    return variant;
  }

  function isSame(query: Uint8Array, { question }: Kept): boolean {
    if (question.length !== end - HEADER_BYTES) return false;
    const nameEnd = question.length - 4;
    for (let at = 0; at < question.length; at += 1) {
      const byte = query[HEADER_BYTES + at] ?? 0;
      if ((at < nameEnd ? lower(byte) : byte) !== question[at]) return false;
    }
    return true;
  }

  /** The first of the places where the query that was looked at may be. */
  function firstPlace(): number {
    return (hash & (SETS - 1)) * PLACES_PER_SET;
  }

  /** Where the reply to this query is; -1: nowhere. */
  function placeOf(query: Uint8Array, variant: number): number {
    const first = firstPlace();
    for (let place = first; place < first + PLACES_PER_SET; place += 1) {
      const there = kept[place];
      if (there !== undefined && there.variant === variant && isSame(query, there)) return place;
    }
    return -1;
  }

  /** Where a new one may go: a place that is free or out of date, else each in its turn. */
  function freePlace(): number {
    const first = firstPlace();
    for (let place = first; place < first + PLACES_PER_SET; place += 1) {
      const there = kept[place];
      if (there === undefined || there.version !== there.basis.version) return place;
    }
    victim = (victim + 1) % PLACES_PER_SET;
    return first + victim;
  }

  return {
    read(query, turn, into) {
      const variant = look(query);
      const found = variant === NOT_PLAIN ? undefined : kept[placeOf(query, variant)];
      if (found === undefined || found.reply.length > room) return 0;
      if (found.basis.version !== found.version) return 0;
      const { reply } = found;
      into.set(reply);
      into[0] = query[0] ?? 0;
      into[1] = query[1] ?? 0;
      into[2] = ((reply[2] ?? 0) & 0xfe) | ((query[2] ?? 0) & 1);
      // The name in the case of the one who asks.
      for (let at = HEADER_BYTES; at < end; at += 1) into[at] = query[at] ?? 0;
      if (found.rotated.count > 1) rotate(found, turn, into);
      return reply.length;
    },
    keep(query, reply, basis) {
      const variant = look(query);
      const isCut = ((reply[2] ?? 0) & 2) !== 0;
      if (variant === NOT_PLAIN || isCut || reply.length > UDP_MAX_BYTES) return;
      const question = query.slice(HEADER_BYTES, end);
      for (let at = 0; at < question.length - 4; at += 1) question[at] = lower(question[at] ?? 0);
      const rotated = addressesIn(reply, end);
      const known = placeOf(query, variant);
      const place = known < 0 ? freePlace() : known;
      kept[place] = { question, variant, reply, basis, version: basis.version, rotated };
    },
  };
}

/** A standard query, with recursion or without, and one question. */
function isPlainHeader(query: Uint8Array): boolean {
  return (
    ((query[2] ?? 0) & 0xfe) === 0 &&
    u16(query, 4) === 1 &&
    u16(query, 6) === 0 &&
    u16(query, 8) === 0
  );
}

/** Answers that are all addresses of the question's own name. */
function addressesIn(reply: Uint8Array, start: number): Kept["rotated"] {
  const none = { at: start, count: 0, size: 0 };
  const count = u16(reply, 6);
  const size = 12 + u16(reply, start + 10);
  const type = u16(reply, start + 2);
  if (count < 2 || (type !== TYPE.A && type !== TYPE.AAAA)) return none;
  for (let index = 0; index < count; index += 1) {
    const at = start + index * size;
    if (u16(reply, at) !== TO_QUESTION || u16(reply, at + 2) !== type) return none;
  }
  return { at: start, count, size };
}

function rotate({ reply, rotated }: Kept, turn: number, into: Uint8Array): void {
  const { at, count, size } = rotated;
  const total = count * size;
  const shift = (turn % count) * size;
  for (let index = 0; index < total; index += 1) {
    const from = index + shift;
    into[at + index] = reply[at + (from < total ? from : from - total)] ?? 0;
  }
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
