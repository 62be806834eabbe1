import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { changes } from "./changes.ts";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import type { MachineRecord } from "./record.ts";
import { settled } from "./settled.ts";
import { at, startedMachine } from "./testing/records.ts";
import { verdictFor, type WaitAsked, waitFor } from "./wait.ts";

const running = startedMachine({
  metadata: { fks_awaits: "bundle" },
  containers: [{ name: "app", image: "x", restart: { policy: "no" } }],
});
const ended = settled(
  containerExited(containerStarted(containerStarting(running, "app", 1), "app", 1), "app", {
    exitCode: 0,
    oomKilled: false,
    atMs: 2,
  }),
  at(2),
);

function asked(more: Partial<WaitAsked>): WaitAsked {
  return { states: ["started"], version: undefined, fromEventId: undefined, ...more };
}

test("a wait is over when the Machine is in one of the states", () => {
  expect(verdictFor(running, asked({}))).toMatchObject({ is: "reached", state: "started" });
  expect(verdictFor(running, asked({ states: ["stopped"] })).is).toBe("waiting");
  expect(verdictFor(ended, asked({ states: ["failed", "stopped"] }))).toMatchObject({
    state: "stopped",
  });
  expect(verdictFor(ended, asked({ states: ["settled"] }))).toMatchObject({ state: "stopped" });
});

test("an older version is replaced", () => {
  expect(verdictFor(running, asked({ version: "other" })).is).toBe("replaced");
});

test("from an event on only what came after it counts, also a state that has passed", () => {
  const newest = running.events[0]?.id;
  expect(verdictFor(running, asked({ fromEventId: newest })).is).toBe("waiting");

  const launch = running.events.find(({ type }) => type === "launch")?.id;
  expect(verdictFor(ended, asked({ fromEventId: launch }))).toMatchObject({ state: "started" });
});

test("who waits hears of a state that passed in one change", async () => {
  const all = changes();
  const events = running.events.filter(({ type }) => type === "launch");
  const before: MachineRecord = { ...running, state: "starting", events };
  const waiting = waitFor(
    {
      keeper: { get: () => before },
      changes: all,
      clock: fakeClock(),
    },
    before.id,
    { ...asked({}), timeoutMs: 30_000 },
    new AbortController().signal,
  );
  all.tell(ended);

  expect(await waiting).toMatchObject({ is: "reached", state: "started" });
});

test("a destroyed Machine reaches nothing but destroyed", () => {
  const destroyed = { ...ended, state: "destroyed" } as const;

  expect(verdictFor(destroyed, asked({})).is).toBe("gone");
  expect(verdictFor(destroyed, asked({ states: ["destroyed"] })).is).toBe("reached");
});
