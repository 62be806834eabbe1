import { expect, test } from "bun:test";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import type { MachineRecord } from "./record.ts";
import { container, POD, startedMachine } from "./testing/records.ts";

function run(
  record: MachineRecord,
  startMs: number,
  endMs: number,
  exitCode: number,
): MachineRecord {
  const started = containerStarted(containerStarting(record, "app", startMs), "app", startMs);
  return containerExited(started, "app", { exitCode, oomKilled: false, atMs: endMs });
}

test("the first crash is restarted at once, the later ones wait in the kubelet's words", () => {
  const first = run(startedMachine(POD), 1_000, 2_000, 1);
  expect(container(first)).toMatchObject({ phase: "pending", notBeforeMs: 2_000 });
  expect(container(first).shown.terminated).toMatchObject({ exitCode: 1, reason: "Error" });

  const second = run(first, 2_000, 3_000, 1);
  expect(container(second)).toMatchObject({ restartCount: 1, notBeforeMs: 13_000 });
  expect(container(second).shown.waiting).toEqual({
    reason: "CrashLoopBackOff",
    message: "back-off 10s restarting failed container=app pod=web_shop(uid-1)",
  });
  expect(container(second).lastState?.terminated).toMatchObject({ exitCode: 1 });
  expect(second.containerEvents.at(-1)).toMatchObject({
    type: "Warning",
    reason: "BackOff",
    message: "Back-off restarting failed container app in pod web_shop(uid-1)",
  });

  const third = run(second, 13_000, 14_000, 1);
  expect(container(third)).toMatchObject({ restartCount: 2, notBeforeMs: 34_000 });
});

test("ten minutes of running make the next crash a first one again", () => {
  const crashed = run(run(run(startedMachine(POD), 0, 1, 1), 1, 2, 1), 20_000, 21_000, 1);
  const ranLong = run(crashed, 60_000, 60_000 + 600_001, 1);

  expect(container(ranLong)).toMatchObject({ crashBackOffMs: 0, notBeforeMs: 660_001 });
  expect(container(run(ranLong, 660_001, 660_002, 1)).notBeforeMs).toBe(670_002);
});

function restarted(policy: "on-failure" | "no"): MachineRecord {
  return startedMachine({
    ...POD,
    containers: [{ name: "app", image: "web:1", restart: { policy } }],
  });
}

test("restart policies: on-failure stops at success, no at the first end", () => {
  expect(container(run(restarted("on-failure"), 0, 1, 1)).phase).toBe("pending");
  expect(container(run(restarted("on-failure"), 0, 1, 0)).phase).toBe("done");
  expect(container(run(restarted("no"), 0, 1, 1)).phase).toBe("done");
});

test("a plain Machine gives up after ten restarts", () => {
  let record = startedMachine({ image: "web:1" });
  let starts = 0;
  while (container(record).phase === "pending") {
    const nowMs = container(record).notBeforeMs;
    record = run(record, nowMs, nowMs, 1);
    starts += 1;
  }

  expect(starts).toBe(11);
});

test("killed for memory is OOMKilled", () => {
  const started = containerStarted(containerStarting(startedMachine(POD), "app", 0), "app", 0);
  const end = { exitCode: 137, signal: 9, oomKilled: true, atMs: 5 };

  expect(container(containerExited(started, "app", end)).shown.terminated).toMatchObject({
    exitCode: 137,
    signal: 9,
    reason: "OOMKilled",
  });
});
