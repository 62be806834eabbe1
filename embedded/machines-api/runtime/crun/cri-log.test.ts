import { describe, expect, test } from "bun:test";
import { lineCount, logFormatter, tailStart } from "./cri-log.ts";

const LINES = `2026-01-02T03:04:05.000000001+00:00 stdout F one
2026-01-02T03:04:06.000000001+00:00 stdout P tw
2026-01-02T03:04:06.000000002+00:00 stdout F o
2026-01-02T03:04:07.000000001+00:00 stderr F three words here
2026-01-02T03:04:08.000000001+00:00 stdout P end`;
const bytes = Buffer.from(`${LINES}\n`);
const plain = { timestamps: false, sinceMs: undefined, limitBytes: undefined };

const formatted = (format: Partial<typeof plain> | object) =>
  Buffer.from(logFormatter({ ...plain, ...format }).push(bytes)).toString();

test("a log shows what was written, parts joined", () => {
  expect(formatted({})).toBe("one\ntwo\nthree words here\nend");
});

test("a log is the same however its bytes arrive", () => {
  const formatter = logFormatter(plain);
  const parts = [...bytes].map((byte) =>
    Buffer.from(formatter.push(Uint8Array.of(byte))).toString(),
  );

  expect(parts.join("")).toBe(formatted({}));
});

test("a time stands before each line, not before its parts", () => {
  expect(formatted({ timestamps: true }).split("\n").slice(0, 2)).toEqual([
    "2026-01-02T03:04:05.000000001Z one",
    "2026-01-02T03:04:06.000000001Z two",
  ]);
});

test("lines before an instant are left out", () => {
  expect(formatted({ sinceMs: Date.parse("2026-01-02T03:04:07Z") })).toBe("three words here\nend");
});

test("a limit in bytes cuts anywhere, and says when it is reached", () => {
  const formatter = logFormatter({ ...plain, limitBytes: 5 });

  expect(Buffer.from(formatter.push(bytes)).toString()).toBe("one\nt");
  expect(formatter.isFull()).toBe(true);
});

test("lines of another making are left out", () => {
  const formatter = logFormatter(plain);

  expect(formatter.push(Buffer.from("nonsense\n\n"))).toHaveLength(0);
});

function lastOf(lines: number): string {
  return bytes.subarray(tailStart(bytes, lines, true)).toString();
}

describe("the tail", () => {
  test.each([
    [1, "end"],
    [2, "here"],
    [3, "stdout P tw"],
    [4, "F one"],
  ])("of %d lines begins where a line begins", (lines, first) => {
    expect(lastOf(lines).split("\n")[0]).toEndWith(first);
  });

  test("of no lines is empty; of more than there are, it starts before", () => {
    expect(lastOf(0)).toBe("");
    expect(tailStart(bytes, 5, true)).toBeUndefined();
  });

  test("does not count a line whose beginning is not there", () => {
    const cut = bytes.subarray(10);

    expect(tailStart(cut, 2, false)).toBeDefined();
    expect(tailStart(cut, 3, false)).toBeUndefined();
  });

  test("an open last line counts", () => {
    expect(lineCount(bytes)).toBe(4);
    expect(lineCount(Buffer.from(""))).toBe(0);
  });
});
