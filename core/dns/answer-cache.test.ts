import { expect, test } from "bun:test";
import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  option,
  property,
  record,
} from "fast-check";
import { answerCache } from "./answer-cache.ts";
import { decode, encode, type Message } from "./message.ts";
import { type RecordData, TYPE } from "./record.ts";
import { respond } from "./respond.ts";
import type { Basis, Zone } from "./zone.ts";

const basis: Basis = { version: 1 };
const SIZES: Readonly<Record<string, number>> = { one: 1, two: 2, ten: 10, many: 60, none: 0 };

/** Names with so many addresses each. */
const zone: Zone = {
  find(name) {
    const size = SIZES[name.split(".")[0] ?? ""];
    return { records: size === undefined ? undefined : addresses(size), basis };
  },
};

function addresses(count: number): readonly RecordData[] {
  return Array.from({ length: count }, (_, index) => ({
    type: "A",
    address: new Uint8Array([10, 0, 0, index]),
  }));
}

interface Asked {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly wantsRecursion: boolean;
  readonly udpBytes: number | undefined;
  readonly wantsSignatures: boolean;
}

function queryFor({ udpBytes, wantsSignatures, name, type, ...asked }: Asked): Uint8Array {
  const message: Message = {
    ...asked,
    isResponse: false,
    opcode: 0,
    isAuthoritative: false,
    isTruncated: false,
    canRecurse: false,
    rcode: 0,
    questions: [{ name, type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    ...(udpBytes === undefined
      ? {}
      : { edns: { udpBytes, version: 0, upperRcode: 0, wantsSignatures } }),
  };
  return encode(message, 65_535);
}

const asked = record({
  id: integer({ min: 0, max: 0xffff }),
  name: constantFrom(
    "one.internal",
    "ONE.internal",
    "Two.Internal",
    "ten.internal",
    "none.internal",
    "many.internal",
    "gone.internal",
  ),
  type: constantFrom<number>(TYPE.A, TYPE.AAAA, TYPE.ANY),
  wantsRecursion: boolean(),
  udpBytes: option(constantFrom(0, 512, 700, 1232, 4096), { nil: undefined }),
  wantsSignatures: boolean(),
});

function replyTo(query: Uint8Array, turn: number): Uint8Array {
  const response = respond(query, "udp", zone, { turn, searches: () => [] });
  if (response.kind !== "reply") throw new Error("no reply");
  return response.bytes;
}

test("a repeated reply is the very one that would be made anew, but for the order of addresses", () => {
  assert(
    property(array(asked, { minLength: 1, maxLength: 40 }), (questions) => {
      const cache = answerCache();
      const into = new Uint8Array(1_232);
      let turn = 0;
      for (const query of questions.map(queryFor)) {
        turn += 1;
        const length = cache.read(query, turn, into);
        const fresh = replyTo(query, turn);
        if (length > 0) {
          expect(length).toBe(fresh.length);
          expect(sorted(into.slice(0, length))).toEqual(sorted(fresh));
        }
        cache.keep(query, fresh, basis);
      }
    }),
    { numRuns: 300 },
  );
});

/** The message with its addresses in order. */
function sorted(bytes: Uint8Array) {
  const decoded = decode(bytes);
  if (decoded.kind !== "message") throw new Error("malformed");
  const { answers } = decoded.message;
  return { ...decoded.message, answers: answers.map((one) => JSON.stringify(one)).toSorted() };
}

const PLAIN: Asked = {
  id: 1,
  name: "ten.internal",
  type: TYPE.A,
  wantsRecursion: true,
  udpBytes: undefined,
  wantsSignatures: false,
};

test("every address comes first once in a while", () => {
  const cache = answerCache();
  const query = queryFor(PLAIN);
  cache.keep(query, replyTo(query, 0), basis);
  const into = new Uint8Array(1_232);

  const firsts = Array.from({ length: 10 }, (_, turn) => {
    const decoded = decode(into.slice(0, cache.read(query, turn, into)));
    const [first] = decoded.kind === "message" ? decoded.message.answers : [];
    return first?.data.type === "A" ? first.data.address[3] : undefined;
  });

  expect(new Set(firsts).size).toBe(10);
});

test("a reply is forgotten when what it stands on changes", () => {
  const cache = answerCache();
  const query = queryFor(PLAIN);
  const changing = { version: 1 };
  cache.keep(query, replyTo(query, 0), changing);
  const into = new Uint8Array(1_232);

  expect(cache.read(query, 0, into)).toBeGreaterThan(0);
  changing.version += 1;
  expect(cache.read(query, 0, into)).toBe(0);
});

test("bytes that are no plain question are never answered from memory", () => {
  const cache = answerCache();
  const query = queryFor(PLAIN);
  cache.keep(query, replyTo(query, 0), basis);
  const into = new Uint8Array(1_232);
  const changed = (at: number, value: number): Uint8Array => query.with(at, value);

  expect(cache.read(changed(2, 0x80), 0, into)).toBe(0);
  expect(cache.read(changed(2, 0x28), 0, into)).toBe(0);
  expect(cache.read(changed(5, 2), 0, into)).toBe(0);
  expect(cache.read(changed(12, 0xc0), 0, into)).toBe(0);
  expect(cache.read(new Uint8Array([...query, 0]), 0, into)).toBe(0);
  for (let length = 0; length < query.length; length += 1) {
    expect(cache.read(query.subarray(0, length), 0, into)).toBe(0);
  }
});
