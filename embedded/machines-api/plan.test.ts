import { expect, test } from "bun:test";
import { containerSignalled } from "./container-ending.ts";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import { destroyAsked, stopAsked } from "./machine-life.ts";
import { planFor } from "./plan.ts";
import type { Surroundings } from "./plan-types.ts";
import type { MachineRecord } from "./record.ts";
import { at, machine, POD, POD_METADATA, startedMachine } from "./testing/records.ts";

function around(changes: Partial<Surroundings> = {}): Surroundings {
  return {
    nowMs: 0,
    isPrepared: true,
    hasBundle: true,
    conducts: new Map(),
    imageSignals: new Map(),
    ...changes,
  };
}

function running(): MachineRecord {
  return containerStarted(containerStarting(startedMachine(POD), "app", 0), "app", 0);
}

test("a new Machine leaves created, then gets its network, then its containers", () => {
  expect(planFor(machine(POD), around()).steps).toEqual([{ do: "launch-first", key: "" }]);
  const starting: MachineRecord = { ...machine(POD), state: "starting" };
  expect(planFor(starting, around({ isPrepared: false })).steps).toEqual([
    { do: "prepare", key: "" },
  ]);
  expect(planFor(starting, around()).steps).toEqual([{ do: "run", key: "app" }]);
});

test("nothing starts before the bundle came", () => {
  expect(planFor(startedMachine(POD), around({ hasBundle: false })).steps).toEqual([]);
  const plain = startedMachine({ image: "web:1" });
  expect(planFor(plain, around({ hasBundle: false })).steps).toEqual([{ do: "run", key: "app" }]);
});

test("a container waits for what it depends on", () => {
  const record = startedMachine({
    metadata: POD_METADATA,
    containers: [
      { name: "init", image: "x", restart: { policy: "no" } },
      { name: "app", image: "x", depends_on: [{ name: "init", condition: "exited_successfully" }] },
      { name: "log", image: "x", depends_on: [{ name: "init", condition: "started" }] },
    ],
  });
  const keys = (of: MachineRecord): readonly string[] =>
    planFor(of, around()).steps.map(({ key }) => key);
  expect(keys(record)).toEqual(["init"]);

  const started = containerStarted(containerStarting(record, "init", 0), "init", 0);
  expect(keys(started)).toEqual(["log"]);
  const ended = containerExited(started, "init", { exitCode: 0, oomKilled: false, atMs: 1 });
  expect(planFor(ended, around()).steps).toEqual([
    { do: "release", key: "init", attempt: 0 },
    { do: "run", key: "app" },
    { do: "run", key: "log" },
  ]);
});

test("a stop signals once, waits, and then kills", () => {
  const stopping = stopAsked(running(), { timeoutMs: 5_000 }, at(100));
  expect(planFor(stopping, around({ nowMs: 100 })).steps).toEqual([
    { do: "signal", key: "app", signal: "SIGTERM", isKill: false },
  ]);

  const signalled = containerSignalled(stopping, "app", false, 101);
  expect(planFor(signalled, around({ nowMs: 102 }))).toEqual({ steps: [], wakeAtMs: 5_100 });
  expect(planFor(signalled, around({ nowMs: 5_100 })).steps).toEqual([
    { do: "signal", key: "app", signal: "SIGKILL", isKill: true },
  ]);
  expect(
    planFor(containerSignalled(signalled, "app", true, 5_100), around({ nowMs: 9_000 })),
  ).toEqual({
    steps: [],
  });
});

function signalOf(record: MachineRecord): string | undefined {
  const { steps } = planFor(record, around({ imageSignals: new Map([["app", "SIGQUIT"]]) }));
  return steps.flatMap((step) => (step.do === "signal" ? [step.signal] : []))[0];
}

test("the stop signal is what was asked, else the config's, else the image's", () => {
  const config = { ...POD, stop_config: { signal: "SIGINT" } };
  const withConfig: MachineRecord = { ...running(), config };

  expect(signalOf(stopAsked(running(), {}, at(0)))).toBe("SIGQUIT");
  expect(signalOf(stopAsked(withConfig, {}, at(0)))).toBe("SIGINT");
  expect(signalOf(stopAsked(withConfig, { signal: "SIGHUP" }, at(0)))).toBe("SIGHUP");
});

test("destroying is one step, and the last", () => {
  expect(planFor(destroyAsked(running(), at(1)), around()).steps).toEqual([
    { do: "remove", key: "" },
  ]);
});

test("a start nobody waits for any more is looked up", () => {
  const starting = containerStarting(startedMachine(POD), "app", 0);

  expect(planFor(starting, around()).steps).toEqual([{ do: "look", key: "app" }]);
});
