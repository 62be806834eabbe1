import { describe, expect, test } from "bun:test";
import { assert, dictionary, property, string } from "fast-check";
import { expand } from "./expansion.ts";

const VARIABLES = new Map([
  ["A", "1"],
  ["REF", "$(A)"],
  ["EMPTY", ""],
]);

describe("expand", () => {
  test.each([
    ["$(A)", "1"],
    ["x$(A)y$(A)", "x1y1"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$$$$(A)", "$$(A)"],
    ["$(MISSING)", "$(MISSING)"],
    ["$(EMPTY)", ""],
    ["$(REF)", "$(A)"],
    ["$A", "$A"],
    ["$(A", "$(A"],
    ["$($(A))", "$($(A))"],
    ["$()", "$()"],
    ["100$", "100$"],
    ["$-", "$-"],
  ])("%s becomes %s", (text, expanded) => {
    expect(expand(text, VARIABLES)).toBe(expanded);
  });

  test("text without a dollar sign is never touched", () => {
    assert(
      property(string(), dictionary(string(), string()), (text, variables) => {
        const plain = text.replaceAll("$", "");
        expect(expand(plain, new Map(Object.entries(variables)))).toBe(plain);
      }),
    );
  });
});
