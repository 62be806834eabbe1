import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { idsFrom, machineName } from "./ids.ts";

test("ULIDs sort in the order they were made, also within a millisecond and when time goes back", () => {
  let nowMs = 1_000_000;
  const ids = idsFrom(randomBytes, () => nowMs);
  const made = Array.from({ length: 200 }, (_, index) => {
    if (index === 100) nowMs -= 50_000;
    if (index === 150) nowMs += 100_000;
    return ids.ulid();
  });

  expect(made).toEqual(made.toSorted());
  expect(new Set(made).size).toBe(200);
  expect(made[0]).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test("a Machine id is 14 hexadecimal characters, a name adjective-noun-number", () => {
  expect(idsFrom(randomBytes, () => 0).hex(14)).toMatch(/^[0-9a-f]{14}$/);
  expect(machineName(randomBytes)).toMatch(/^[a-z]+-[a-z]+-\d+$/);
});
