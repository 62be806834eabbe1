import { expect, test } from "bun:test";
import { nextState, PROCESS_EVENTS, PROCESS_STATES } from "./process-state.ts";

test.each(PROCESS_STATES)("every event leads somewhere from %s", (state) => {
  for (const event of PROCESS_EVENTS) expect(PROCESS_STATES).toContain(nextState(state, event));
});

test("a child that is told to stop never starts again by itself", () => {
  for (const state of PROCESS_STATES) {
    const told = nextState(nextState(state, "stop"), "exit");
    expect(nextState(nextState(told, "elapsed"), "ready")).toBe("stopped");
  }
});
