import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { boundedSessions } from "./sessions.ts";

const HOUR_MS = 3_600_000;

test("there are never more than the bound, and an ended one makes room once", () => {
  const sessions = boundedSessions({ clock: fakeClock(), max: 2 }, new AbortController().signal);
  const first = sessions.open();
  sessions.open();
  expect(sessions.open()).toBeUndefined();
  first?.end();
  first?.end();
  expect(sessions.count()).toBe(1);
  expect(sessions.open()).toBeDefined();
  expect(sessions.open()).toBeUndefined();
});

test("four hours without a byte end a session, a byte in between does not", () => {
  const clock = fakeClock();
  const session = boundedSessions({ clock }, new AbortController().signal).open();
  clock.advance(3 * HOUR_MS);
  session?.active();
  clock.advance(3 * HOUR_MS);
  expect(session?.signal.aborted).toBe(false);
  clock.advance(HOUR_MS);
  expect(session?.signal.aborted).toBe(true);
});

test("the node's stop ends every session", () => {
  const stop = new AbortController();
  const sessions = boundedSessions({ clock: fakeClock() }, stop.signal);
  const session = sessions.open();
  stop.abort(new Error("the node stops"));
  expect(session?.signal.reason).toEqual(new Error("the node stops"));
  expect(sessions.open()?.signal.aborted).toBe(true);
});
