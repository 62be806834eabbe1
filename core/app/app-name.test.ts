import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { assert, property, string } from "fast-check";
import { appNameFor } from "./app-name.ts";
import { sha256Hex } from "./sha256.ts";

test("a namespace's App is named after it and both UIDs", () => {
  const name = appNameFor({ name: "default", uid: "n1" }, "c1");

  expect(name).toMatch(/^fks-default-[a-z2-7]{16}$/);
  expect(appNameFor({ name: "default", uid: "n1" }, "c1")).toBe(name);
  expect(appNameFor({ name: "default", uid: "n2" }, "c1")).not.toBe(name);
  expect(appNameFor({ name: "default", uid: "n1" }, "c2")).not.toBe(name);
});

test("the longest namespace gives a name that fits a DNS label", () => {
  expect(appNameFor({ name: "n".repeat(63), uid: "u" }, "c")).toHaveLength(63);
});

test("the hash is the one everybody else computes", () => {
  assert(
    property(string({ maxLength: 200 }), (text) => {
      expect(sha256Hex(text)).toBe(createHash("sha256").update(text).digest("hex"));
    }),
  );
});
