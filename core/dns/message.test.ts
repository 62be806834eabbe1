import { describe, expect, test } from "bun:test";
import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  oneof,
  option,
  property,
  record,
  stringMatching,
  uint8Array,
} from "fast-check";
import { decode, encode, type Message, RCODE } from "./message.ts";
import type { DnsRecord, RecordData } from "./record.ts";

const u16 = integer({ min: 0, max: 0xffff });
const u32 = integer({ min: 0, max: 0xffff_ffff });
const name = array(stringMatching(/^[a-zA-Z0-9_-]{1,12}$/), { maxLength: 5 }).map((labels) =>
  labels.join("."),
);
const data = oneof<[ReturnType<typeof anyData>, ...ReturnType<typeof anyData>[]]>(
  uint8Array({ minLength: 4, maxLength: 4 }).map((address): RecordData => ({ type: "A", address })),
  uint8Array({ minLength: 16, maxLength: 16 }).map(
    (address): RecordData => ({ type: "AAAA", address }),
  ),
  name.map((target): RecordData => ({ type: "PTR", target })),
  name.map((target): RecordData => ({ type: "CNAME", target })),
  name.map((target): RecordData => ({ type: "NS", target })),
  record({ priority: u16, weight: u16, port: u16, target: name }).map(
    (srv): RecordData => ({ type: "SRV", ...srv }),
  ),
  array(stringMatching(/^[ -~]{0,40}$/), { minLength: 1, maxLength: 3 }).map(
    (texts): RecordData => ({ type: "TXT", texts }),
  ),
  record({ primary: name, mailbox: name, numbers: array(u32, { minLength: 5, maxLength: 5 }) }).map(
    ({ primary, mailbox, numbers: [a = 0, b = 0, c = 0, d = 0, e = 0] }): RecordData => ({
      type: "SOA",
      primary,
      mailbox,
      serial: a,
      refreshS: b,
      retryS: c,
      expireS: d,
      minimumS: e,
    }),
  ),
  uint8Array({ maxLength: 30 }).map((bytes): RecordData => ({ type: "other", number: 65, bytes })),
);
const records = array(record({ name, ttlS: u32, data }), { maxLength: 4 });
const message = record({
  id: u16,
  isResponse: boolean(),
  opcode: constantFrom(0, 4),
  isAuthoritative: boolean(),
  isTruncated: boolean(),
  wantsRecursion: boolean(),
  canRecurse: boolean(),
  rcode: constantFrom(...Object.values(RCODE)),
  questions: array(record({ name, type: u16, class: u16 }), { maxLength: 2 }),
  answers: records,
  authorities: records,
  additionals: records,
  edns: option(
    record({
      udpBytes: u16,
      version: constantFrom(0, 1),
      upperRcode: constantFrom(0, 1),
      wantsSignatures: boolean(),
    }),
    { nil: undefined },
  ),
}).map(({ edns, ...rest }): Message => (edns === undefined ? rest : { ...rest, edns }));

function anyData() {
  return uint8Array().map((address): RecordData => ({ type: "A", address }));
}

test("whatever is written is read back", () => {
  assert(
    property(message, (written) => {
      expect(decode(encode(written, 65_535))).toEqual({ kind: "message", message: written });
    }),
  );
});

test("whatever arrives, decoding gives a message or says that it is none, and never throws", () => {
  assert(
    property(uint8Array({ maxLength: 600 }), (bytes) => {
      expect(["message", "malformed"]).toContain(decode(bytes).kind);
    }),
    { numRuns: 2000 },
  );
});

test("a message with any of its bytes changed is decoded or refused, and never throws", () => {
  assert(
    property(
      message,
      array(record({ at: u16, value: u16 }), { maxLength: 8 }),
      (written, changes) => {
        const bytes = encode(written, 65_535);
        for (const { at, value } of changes) bytes[at % bytes.length] = value & 0xff;
        decode(bytes);
      },
    ),
    { numRuns: 1000 },
  );
});

test("a message never is larger than it may be, and says when something is missing", () => {
  assert(
    property(message, integer({ min: 512, max: 700 }), (written, maxBytes) => {
      const bytes = encode({ ...written, isTruncated: false }, maxBytes);
      expect(bytes.length).toBeLessThanOrEqual(maxBytes);
      const decoded = decode(bytes);
      if (decoded.kind !== "message") throw new Error("cannot be read back");
      const isWhole =
        decoded.message.answers.length === written.answers.length &&
        decoded.message.authorities.length === written.authorities.length &&
        decoded.message.questions.length === written.questions.length;
      expect(decoded.message.isTruncated).toBe(!isWhole);
    }),
  );
});

test("names that come again are pointed to", () => {
  const one = encode(query([answer(1)]), 65_535).length;
  const two = encode(query([answer(1), answer(2)]), 65_535).length;

  expect(two - one).toBe(2 + 10 + 4);
});

test("a name that came before in another case keeps its own", () => {
  const target: RecordData = { type: "PTR", target: "WEB.app.internal" };
  const written = query([{ name: "web.app.internal", ttlS: 5, data: target }]);

  expect(decode(encode(written, 65_535))).toEqual({ kind: "message", message: written });
});

describe("pointers that lead nowhere good are refused", () => {
  const header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const tail = [0, 1, 0, 1];

  test.each<[string, readonly number[]]>([
    ["to itself", [0xc0, 12]],
    ["forward", [0xc0, 14]],
    ["beyond the end", [0xff, 0xff]],
    ["cut in the middle", [0xc0]],
    ["in a circle", [1, 97, 0xc0, 12]],
    ["into a label that is too long", [0x40, 97]],
    ["to a name that has no end", [63, 97, 97]],
  ])("%s", (_, name_) => {
    const bytes = new Uint8Array([...header, ...name_, ...(name_.length === 1 ? [] : tail)]);
    expect(decode(bytes)).toEqual({ kind: "malformed", id: 1, isResponse: false });
  });

  test("a name longer than 255 bytes made of pointers", () => {
    const label = [63, ...Array.from({ length: 63 }, () => 97)];
    const two = header.with(5, 2);
    const first = [...label, ...label, ...label, 0, ...tail];
    const bytes = [two, first, label, [0xc0, 12], tail].flat();
    expect(decode(new Uint8Array(bytes)).kind).toBe("malformed");
  });
});

test("a dot within a label does not make two labels of it", () => {
  const header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const bytes = new Uint8Array([header, [3, 97, 0x2e, 98, 0, 0, 1, 0, 1]].flat());
  const decoded = decode(bytes);

  if (decoded.kind !== "message") throw new Error("cannot be read");
  expect(decoded.message.questions[0]?.name).toBe("a\\.b");
  expect(encode(decoded.message, 512)).toEqual(bytes);
});

function answer(last: number): DnsRecord {
  const address = new Uint8Array([10, 0, 0, last]);
  return { name: "Web.App.internal", ttlS: 5, data: { type: "A", address } };
}

function query(answers: readonly DnsRecord[]): Message {
  return {
    id: 1,
    isResponse: true,
    opcode: 0,
    isAuthoritative: true,
    isTruncated: false,
    wantsRecursion: true,
    canRecurse: true,
    rcode: 0,
    questions: [{ name: "web.app.internal", type: 1, class: 1 }],
    answers,
    authorities: [],
    additionals: [],
  };
}
