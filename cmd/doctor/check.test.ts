import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { type Check, failed, type Observation, ok, runChecks, skipped } from "./check.ts";

const forever = new AbortController().signal;

function check(id: string, look: () => Promise<Observation>): Check {
  return { id, expected: "good", remedy: "make it good", look };
}

test("every check is told of, whatever becomes of the others", async () => {
  const results = await runChecks(
    [
      check("a", async () => ok("fine")),
      check("b", async () => failed("bad")),
      check("c", async () => failed("worse", "do this")),
      check("d", async () => skipped("not running")),
      check("e", async () => {
        throw new Error("cannot look");
      }),
    ],
    fakeClock(),
    forever,
  );

  expect(
    results.map(({ id, outcome, observed, remedy }) => [id, outcome, observed, remedy]),
  ).toEqual([
    ["a", "ok", "fine", undefined],
    ["b", "failed", "bad", "make it good"],
    ["c", "failed", "worse", "do this"],
    ["d", "skipped", "not running", undefined],
    ["e", "failed", "cannot look", "make it good"],
  ]);
});

test("a check that never ends has failed after ten seconds, the others are there at once", async () => {
  const clock = fakeClock();
  const results = runChecks([check("slow", () => new Promise(() => {}))], clock, forever);
  clock.advance(10_000);

  expect(await results).toMatchObject([
    { id: "slow", outcome: "failed", observed: "no answer within 10 s", tookMs: 10_000 },
  ]);
});
