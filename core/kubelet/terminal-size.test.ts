import { expect, test } from "bun:test";
import { array, assert, integer, property, record, string } from "fast-check";
import { terminalSizesIn } from "./terminal-size.ts";

test("sizes come one after another, cut anywhere", () => {
  const size = record({ cols: integer({ min: 1, max: 500 }), rows: integer({ min: 1, max: 500 }) });
  assert(
    property(array(size), integer({ min: 1, max: 40 }), (sizes, step) => {
      const text = sizes
        .map(({ cols, rows }) => `${JSON.stringify({ Width: cols, Height: rows })}\n`)
        .join("");
      const seen = [];
      let rest = "";
      for (let at = 0; at < text.length; at += step) {
        const found = terminalSizesIn(rest + text.slice(at, at + step));
        seen.push(...found.sizes);
        ({ rest } = found);
      }
      expect(seen).toEqual(sizes);
    }),
  );
});

test("what is no size is left out", () => {
  const text = '{"Width":0,"Height":5}{"Width":80}[]}{"Width":80,"Height":24}';
  expect(terminalSizesIn(text).sizes).toEqual([{ cols: 80, rows: 24 }]);
});

test("whatever arrives, what is kept stays small", () => {
  assert(
    property(string({ maxLength: 2_000 }), (text) => {
      expect(terminalSizesIn(text).rest.length).toBeLessThanOrEqual(256);
    }),
  );
});
