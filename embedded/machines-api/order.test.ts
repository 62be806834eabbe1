import { expect, test } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import { containerSignalled } from "./container-ending.ts";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import { startAsked, stopAsked } from "./machine-life.ts";
import { planFor } from "./plan.ts";
import { type MachineRecord, withContainer } from "./record.ts";
import { settled } from "./settled.ts";
import { at, container, POD_METADATA, startedMachine } from "./testing/records.ts";
import { reportOf } from "./views.ts";

function steps(record: MachineRecord, nowMs = 0): readonly string[] {
  const around = {
    nowMs,
    isPrepared: true,
    hasBundle: true,
    conducts: new Map(),
    imageSignals: new Map(),
  };
  return planFor(record, around).steps.map(
    (step) => `${step.do} ${step.key}${step.do === "signal" && step.isKill ? "!" : ""}`,
  );
}

function up(record: MachineRecord, name: string, nowMs = 1): MachineRecord {
  return settled(containerStarted(containerStarting(record, name, nowMs), name, nowMs), at(nowMs));
}

/** Ends it; what it held on the host is released at once. */
function down(record: MachineRecord, name: string, exitCode = 0, nowMs = 2): MachineRecord {
  const end = { exitCode, oomKilled: false, atMs: nowMs };
  const ended = containerExited(record, name, end);
  return settled(withContainer(ended, { ...container(ended, name), unreleased: [] }), at(nowMs));
}

const after = (name: string, condition: "exited_successfully" | "healthy") =>
  [{ name, condition }] as const;

/** As a Pod becomes: `setup`, the sidecars `mesh` and `logs`, then `app` and `web`. */
function pod(policy: "no" | "on-failure" | "always" = "always"): MachineConfig {
  const restart = { policy } as const;
  const containers: readonly ContainerConfig[] = [
    { name: "setup", image: "x", restart },
    { name: "mesh", image: "x", depends_on: after("setup", "exited_successfully") },
    { name: "logs", image: "x", depends_on: after("mesh", "healthy") },
    { name: "app", image: "x", restart, depends_on: after("logs", "healthy") },
    { name: "web", image: "x", restart, depends_on: after("logs", "healthy") },
  ];
  const metadata = { ...POD_METADATA, fks_init: "setup", fks_sidecars: "mesh,logs" };
  return { metadata, containers, stop_config: { timeout: "10s" } };
}

function allUp(policy: "no" | "on-failure" | "always" = "always"): MachineRecord {
  const ready = down(up(startedMachine(pod(policy)), "setup"), "setup");
  return ["mesh", "logs", "app", "web"].reduce((record, name) => up(record, name), ready);
}

test("init containers end and sidecars start, one after the other, before the rest", () => {
  const first = startedMachine(pod());
  expect(first.containers.map(({ shown }) => shown.waiting?.reason)).toEqual(
    Array.from({ length: 5 }, () => "PodInitializing"),
  );
  expect(steps(first)).toEqual(["run setup"]);
  const initialized = down(up(first, "setup"), "setup");
  expect(steps(initialized)).toEqual(["run mesh"]);
  expect(reportOf(initialized, true).containers[0]).toMatchObject({ ready: true, started: false });
  const meshed = up(initialized, "mesh");
  expect(steps(meshed)).toEqual(["run logs"]);
  expect(steps(up(meshed, "logs"))).toEqual(["run app", "run web"]);
});

test("an init container that fails is tried again, with back-off, also under always", () => {
  const failed = down(up(startedMachine(pod("always")), "setup"), "setup", 1);
  expect(steps(failed, 2)).toEqual(["run setup"]);
  const again = down(up(failed, "setup", 3), "setup", 1, 4);
  expect(container(again, "setup").shown.waiting?.reason).toBe("CrashLoopBackOff");
  expect(again.state).toBe("started");
});

test("an init container that failed for good ends the Machine, and nothing after it starts", () => {
  const config = pod("no");
  const failed = down(up(up(startedMachine(config), "mesh"), "setup"), "setup", 3);
  expect(failed.state).toBe("stopping");
  expect(steps(failed, 3)).toEqual(["signal mesh"]);

  const stopped = down(failed, "mesh", 0, 4);
  expect(stopped.state).toBe("stopped");
  expect(stopped.events[0]?.request?.exit_event).toMatchObject({
    exit_code: 3,
    requested_stop: false,
  });
  expect(container(stopped, "app").shown.waiting?.reason).toBe("PodInitializing");
});

test("a sidecar is started again whenever it ends, also under never", () => {
  const crashed = down(allUp("no"), "mesh", 1);

  expect(steps(crashed, 2)).toEqual(["run mesh"]);
  expect(crashed.state).toBe("started");
});

test("once the containers are done the sidecars are stopped, the last one first", () => {
  const done = down(down(allUp("no"), "app", 0), "web", 1);
  expect(done.state).toBe("stopping");
  expect(steps(done, 2)).toEqual(["signal logs"]);
  expect(steps(containerSignalled(done, "logs", false, 2), 3)).toEqual([]);
  const one = down(containerSignalled(done, "logs", false, 2), "logs", 143, 3);
  expect(steps(one, 3)).toEqual(["signal mesh"]);

  const stopped = down(containerSignalled(one, "mesh", false, 3), "mesh", 0, 4);
  expect(stopped.state).toBe("stopped");
  expect(stopped.events[0]?.request?.exit_event).toMatchObject({ requested_stop: false });
});

test("a stop takes the containers first, all at once, then the sidecars", () => {
  const stopping = stopAsked(allUp(), {}, at(100));
  expect(steps(stopping, 100)).toEqual(["signal app", "signal web"]);
  const one = down(stopping, "app", 0, 200);
  expect(steps(one, 200)).toEqual(["signal web"]);
  expect(steps(down(one, "web", 0, 300), 300)).toEqual(["signal logs"]);
});

test("an init container that still runs is stopped with the containers, before sidecars", () => {
  const config = pod();
  const running = up(up(startedMachine(config), "mesh"), "setup");

  expect(steps(stopAsked(running, {}, at(100)), 100)).toEqual(["signal setup"]);
});

test("the grace is one for all; a sidecar whose turn comes late still gets two seconds", () => {
  const stopping = stopAsked(allUp(), {}, at(0));
  const signalled = ["app", "web"].reduce(
    (record, name) => containerSignalled(record, name, false, 0),
    stopping,
  );
  expect(steps(signalled, 9_999)).toEqual([]);
  expect(steps(signalled, 10_000)).toEqual([
    "signal mesh",
    "signal logs",
    "signal app!",
    "signal web!",
  ]);
  const late = ["mesh", "logs"].reduce(
    (record, name) => containerSignalled(record, name, false, 10_000),
    signalled,
  );
  expect(steps(late, 11_999)).toEqual(["signal app!", "signal web!"]);
  expect(steps(late, 12_000)).toEqual([
    "signal mesh!",
    "signal logs!",
    "signal app!",
    "signal web!",
  ]);
});

test("a stopped Machine that is started anew runs its init containers again", () => {
  const stopping = stopAsked(allUp(), {}, at(0));
  const stopped = ["app", "web", "logs", "mesh"].reduce(
    (record, name) => down(record, name),
    stopping,
  );
  expect(stopped.state).toBe("stopped");
  const starting = startAsked(stopped, at(5));

  expect(steps(starting)).toEqual(["run setup"]);
  expect(container(up(starting, "setup"), "setup")).toMatchObject({ restartCount: 1 });
});
