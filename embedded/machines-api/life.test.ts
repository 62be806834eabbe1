import { expect, test } from "bun:test";
import { MACHINE_STATES, type MachineState } from "#core/fly/machine.ts";
import { isPossible, isResting, type LifeEvent, nextState } from "./life.ts";

function after(start: MachineState, ...events: readonly LifeEvent[]): MachineState {
  return events.reduce(nextState, start);
}

test("a Machine is created, starts, is stopped, starts again and is destroyed", () => {
  expect(after("created", "start", "ready")).toBe("started");
  expect(after("started", "stop", "ended")).toBe("stopped");
  expect(after("stopped", "start", "ready")).toBe("started");
  expect(after("started", "destroy", "removed")).toBe("destroyed");
});

test("with skip_launch a new Machine comes to rest without having run", () => {
  expect(after("created", "park")).toBe("stopped");
});

test("a restart and an update end what runs and start it again", () => {
  expect(after("started", "restart", "ended", "ready")).toBe("started");
  expect(after("started", "replace", "ended", "ready")).toBe("started");
});

test("an event with no arrow leaves the Machine where it is", () => {
  expect(after("stopped", "ended")).toBe("stopped");
  expect(after("destroyed", "start")).toBe("destroyed");
});

test("from every state that is not the end there is a way to be destroyed", () => {
  const ends: readonly MachineState[] = ["destroyed", "destroying", "replaced", "migrated"];
  const others = MACHINE_STATES.filter((state) => !ends.includes(state));

  expect(others.filter((state) => !isPossible(state, "destroy"))).toEqual([]);
});

test("settled means a state that stays until something is asked", () => {
  expect(MACHINE_STATES.filter(isResting)).toEqual([
    "started",
    "stopped",
    "suspended",
    "failed",
    "destroyed",
  ]);
});
