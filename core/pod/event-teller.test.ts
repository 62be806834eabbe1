import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { PodEvent } from "../ports/pods.ts";
import { eventTeller } from "./event-teller.ts";

const STARTED: PodEvent = {
  id: "1",
  type: "Normal",
  reason: "Started",
  message: "Started container web",
  at: "2026-01-01T00:00:00Z",
};

function telling() {
  const clock = fakeClock();
  const told: string[] = [];
  const stop = new AbortController();
  const state = { isBusy: true };
  const teller = eventTeller({
    events: {
      async record(_pod, { reason }) {
        told.push(reason);
      },
    },
    isBusy: () => state.isBusy,
    clock,
    log: memoryLog(),
  });
  const ended = teller.run(stop.signal).catch(() => {});
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  const end = async (): Promise<void> => {
    stop.abort(new Error("the test is over"));
    await ended;
  };
  return { teller, told, state, pass, end };
}

test("Events wait while Pods move, and are told when they rest", async () => {
  const { teller, told, state, pass, end } = telling();
  teller.tell(aPod(), STARTED);
  await pass(1_000);
  expect(told).toEqual([]);

  state.isBusy = false;
  await pass(200);
  expect(told).toEqual(["Started"]);
  await end();
});

test("a cluster that never rests gets its Events all the same", async () => {
  const { teller, told, pass, end } = telling();
  teller.tell(aPod(), STARTED);
  for (let second = 0; second < 11; second += 1) await pass(1_000);

  expect(told).toEqual(["Started"]);
  await end();
});
