import { describe, expect, test } from "bun:test";
import { assert, json, property } from "fast-check";
import { positionOfError } from "./json.ts";

describe("where a text stops being JSON", () => {
  test.each([
    ['{"a": 1,}', "line 1, column 9"],
    ['{"a": tru}', "line 1, column 7"],
    ['{\n  "a": [1, 2\n}', "line 3, column 1"],
    ['{"a" 1}', "line 1, column 6"],
    ['{"a": 1} x', "line 1, column 10"],
    ['{"a": "b', "line 1, column 7"],
    ["{'a': 1}", "line 1, column 2"],
    ["", "line 1, column 1"],
  ])("%s", (text, position) => {
    expect(positionOfError(text)).toBe(position);
  });
});

test("a JSON text with something after it is wrong just there", () => {
  assert(
    property(json(), (text) => {
      const [line] = text.split("\n");
      if (line !== text) return;
      expect(positionOfError(`${text} ?`)).toBe(`line 1, column ${text.trimEnd().length + 2}`);
    }),
  );
});

test("a body that is nothing but brackets is no danger", () => {
  expect(positionOfError("[".repeat(1_000_000))).toStartWith("line 1");
});
