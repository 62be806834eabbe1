import { describe, expect, test } from "bun:test";
import { assert, integer, property } from "fast-check";
import { anyBytes, anyMessage } from "#test/fakes/dns-messages.ts";
import { decode, encode, type Message } from "./message.ts";
import type { DnsRecord, RecordData } from "./record.ts";

test("whatever is written is read back", () => {
  assert(
    property(anyMessage, (written) => {
      expect(decode(encode(written, 65_535))).toEqual({ kind: "message", message: written });
    }),
  );
});

test("whatever arrives, decoding gives a message or says that it is none, and never throws", () => {
  assert(
    property(anyBytes, (bytes) => {
      expect(["message", "malformed"]).toContain(decode(bytes).kind);
    }),
    { numRuns: 3_000 },
  );
});

test("a message never is larger than it may be, and says when something is missing", () => {
  assert(
    property(anyMessage, integer({ min: 512, max: 700 }), (written, maxBytes) => {
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
