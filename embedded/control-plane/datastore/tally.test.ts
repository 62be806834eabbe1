import { expect, test } from "bun:test";
import { activeIn, type Tally, tallyAfter } from "./tally.ts";

const MINUTE_MS = 60_000;

test("each line counts, and the alarm goes on for ten minutes after the last one", () => {
  const first = tallyAfter({}, { told: ["locked", "locked"], holding: [] }, 0);
  const second = tallyAfter(first, { told: ["locked", "slow-sql"], holding: [] }, MINUTE_MS);

  expect(activeIn(second, 2 * MINUTE_MS)).toEqual([
    { kind: "slow-sql", count: 1, lastAtMs: MINUTE_MS },
    { kind: "locked", count: 3, lastAtMs: MINUTE_MS },
  ]);
  expect(activeIn(second, 11 * MINUTE_MS - 1)).toHaveLength(2);
  expect(activeIn(second, 11 * MINUTE_MS)).toEqual([]);
  expect(second.locked?.count).toBe(3);
});

test("what goes on counts once, and anew when it had been over", () => {
  let tally: Tally = {};
  for (const minute of [0, 1, 5, 14]) {
    tally = tallyAfter(tally, { told: [], holding: ["low-space"] }, minute * MINUTE_MS);
  }
  expect(tally["low-space"]).toEqual({ count: 1, lastAtMs: 14 * MINUTE_MS });

  tally = tallyAfter(tally, { told: [], holding: ["low-space"] }, 24 * MINUTE_MS);
  expect(tally["low-space"]?.count).toBe(2);
});
