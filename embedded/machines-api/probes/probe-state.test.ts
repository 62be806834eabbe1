import { expect, test } from "bun:test";
import type { ProbeSpec } from "#core/fly/machine-protocol.ts";
import { containerExited, containerStarted, containerStarting } from "../container-life.ts";
import { stopAsked } from "../machine-life.ts";
import type { MachineRecord } from "../record.ts";
import { at, container, POD, startedMachine } from "../testing/records.ts";
import {
  firstProbeMs,
  isProbed,
  judged,
  NO_STREAK,
  PROBE_KINDS,
  probed,
  type Streak,
  type Verdict,
} from "./probe-state.ts";

const SPEC: ProbeSpec = {
  handler: { kind: "tcp", port: 80 },
  initialDelaySeconds: 0,
  periodSeconds: 10,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 3,
};

function verdicts(spec: ProbeSpec, results: string): string {
  let streak: Streak = NO_STREAK;
  return results
    .split("")
    .map((letter) => {
      const next = probed(streak, spec, letter === "s" ? "success" : "failure");
      ({ streak } = next);
      return next.verdict?.[0] ?? "-";
    })
    .join("");
}

test("a verdict needs its threshold of equal results in a row", () => {
  expect(verdicts(SPEC, "sffsfffs")).toBe("s--s--fs");
  expect(verdicts({ ...SPEC, successThreshold: 2, failureThreshold: 1 }, "sfssf")).toBe("-f-sf");
});

const ALL = { startup: SPEC, readiness: SPEC, liveness: SPEC };

function up(probes: Partial<typeof ALL>): MachineRecord {
  return containerStarted(containerStarting(startedMachine(POD), "app", 0), "app", 5_000, {
    probes,
  });
}

test("before the first result a container is started unless it has a startup probe, and not ready", () => {
  expect(container(up({}))).toMatchObject({ isStarted: true, isReady: true });
  expect(container(up({ liveness: SPEC }))).toMatchObject({ isStarted: true, isReady: true });
  expect(container(up({ readiness: SPEC }))).toMatchObject({ isStarted: true, isReady: false });
  expect(container(up(ALL))).toMatchObject({ isStarted: false, isReady: false, hasStarted: false });
});

const kinds = (record: MachineRecord): readonly string[] =>
  PROBE_KINDS.filter((kind) => isProbed(record, container(record), kind));

test("liveness and readiness wait for the startup probe; while stopping only readiness goes on", () => {
  const starting = up(ALL);
  expect(kinds(starting)).toEqual(["startup"]);
  const how = { kind: "startup", verdict: "success", nowMs: 9, isRestarted: true } as const;
  const started = judged(container(starting), { probes: ALL }, how);
  expect(started).toMatchObject({ isStarted: true, hasStarted: true, isReady: false });
  const record = { ...starting, containers: [started] };
  expect(kinds(record)).toEqual(["liveness", "readiness"]);

  expect(kinds(stopAsked(record, {}, at(10)))).toEqual(["readiness"]);
  expect(kinds(stopAsked(starting, {}, at(10)))).toEqual([]);
  const ended = containerExited(record, "app", { exitCode: 1, oomKilled: false, atMs: 11 });
  expect(kinds(ended)).toEqual([]);
  expect(container(ended)).toMatchObject({ isStarted: false, isReady: false });
});

test("a startup probe alone makes ready what it found started", () => {
  const probes = { startup: SPEC };
  const how = { kind: "startup", verdict: "success", nowMs: 9, isRestarted: true } as const;

  expect(judged(container(up(probes)), { probes }, how)).toMatchObject({ isReady: true });
});

function condemned(kind: "liveness" | "startup", isRestarted: boolean) {
  const probes = { ...ALL, liveness: { ...SPEC, terminationGracePeriodSeconds: 3 } };
  const verdict: Verdict = "failure";
  return judged(container(up(probes)), { probes }, { kind, verdict, nowMs: 9, isRestarted });
}

test("a liveness or startup probe that failed ends the container, with a grace of its own", () => {
  expect(condemned("liveness", true).ending).toEqual({
    by: "liveness",
    killing: "Container app failed liveness probe, will be restarted",
    sinceMs: 9,
    timeoutMs: 3_000,
  });
  expect(condemned("startup", false).ending).toEqual({
    by: "startup",
    killing: "Container app failed startup probe",
    sinceMs: 9,
  });
});

test("readiness comes and goes, and a result that changes nothing is no change", () => {
  const running = container(up(ALL));
  const ready = judged(
    running,
    {},
    {
      kind: "readiness",
      verdict: "success",
      nowMs: 9,
      isRestarted: true,
    },
  );
  expect(ready.isReady).toBe(true);
  const again = { kind: "readiness", verdict: "success", nowMs: 10, isRestarted: true } as const;
  expect(judged(ready, {}, again)).toBe(ready);
  expect(judged(ready, {}, { ...again, verdict: "failure" }).isReady).toBe(false);
});

test("the first probe comes after its delay; after our own restart they are spread", () => {
  const running = container(up({}));
  const delayed = { ...SPEC, initialDelaySeconds: 30 };
  expect(firstProbeMs(delayed, running, { nowMs: 6_000, sinceMs: 0, spread: 0.5 })).toBe(35_000);
  expect(firstProbeMs(SPEC, running, { nowMs: 6_000, sinceMs: 0, spread: 0.5 })).toBe(6_000);
  expect(firstProbeMs(SPEC, running, { nowMs: 60_000, sinceMs: 50_000, spread: 0.5 })).toBe(65_000);
});
