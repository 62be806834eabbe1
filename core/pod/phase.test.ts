import { describe, expect, test } from "bun:test";
import { array, assert, constantFrom, property, record } from "fast-check";
import { aPod } from "#test/fixtures/pod.ts";
import type { ContainerState } from "../fly/machine-protocol.ts";
import type { PodPhase } from "../kube/pod.ts";
import { membersOf, type Told } from "./container-roles.ts";
import { phaseFor } from "./phase.ts";

const AT = "2026-11-24T07:00:00Z";
const running: ContainerState = { running: { startedAt: AT } };
const waiting: ContainerState = { waiting: { reason: "PodInitializing" } };
const unknown: ContainerState = {};

function exited(exitCode: number): ContainerState {
  const reason = exitCode === 0 ? "Completed" : "Error";
  return {
    terminated: { exitCode, reason, startedAt: AT, finishedAt: AT, containerID: "fks://1" },
  };
}

/** Waits to be started again after this end. */
interface Crashed {
  readonly after: ContainerState;
}

type Seen = ContainerState | Crashed | "started";

const crashed = (exitCode: number): Crashed => ({ after: exited(exitCode) });

interface Case {
  readonly policy: "Always" | "OnFailure" | "Never";
  readonly init?: Seen;
  readonly sidecar?: Seen;
  readonly mains: readonly Seen[];
}

function phaseOf({ policy, init, sidecar, mains }: Case, isEnding = false) {
  const early = [
    ...(init === undefined ? [] : [{ name: "init", image: "i" }]),
    ...(sidecar === undefined ? [] : [{ name: "sidecar", image: "i", restartPolicy: "Always" }]),
  ];
  const seen = [init, sidecar, ...mains].filter((one) => one !== undefined);
  const pod = aPod({
    restartPolicy: policy,
    initContainers: early,
    containers: mains.map(() => ({})),
  });
  const told = membersOf(pod).map((member, index): Told => {
    const one = seen[index] ?? unknown;
    const name = member.container.name;
    if (one === "started") {
      return { ...member, status: { name, state: running, started: true, ready: true } };
    }
    const status = "after" in one ? { state: waiting, lastState: one.after } : { state: one };
    return { ...member, status: { name, ready: false, started: false, ...status } };
  });
  return phaseFor(pod, told, isEnding);
}

const isStopped = (one: Seen | undefined) => one !== "started" && one !== running;

describe("the phase", () => {
  test.each<readonly [what: string, Case, phase: PodPhase]>([
    ["nothing known", { policy: "Always", mains: [unknown] }, "Pending"],
    ["one waits", { policy: "Always", mains: [running, waiting] }, "Pending"],
    ["all run", { policy: "Always", mains: [running, running] }, "Running"],
    ["one crashed, one runs", { policy: "Always", mains: [running, crashed(1)] }, "Running"],
    ["a crash loop", { policy: "Always", mains: [crashed(1)] }, "Running"],
    ["ended well, to be restarted", { policy: "Always", mains: [exited(0)] }, "Running"],
    ["ended well", { policy: "OnFailure", mains: [exited(0), exited(0)] }, "Succeeded"],
    [
      "ended badly, to be restarted",
      { policy: "OnFailure", mains: [exited(0), exited(1)] },
      "Running",
    ],
    ["ended badly", { policy: "Never", mains: [exited(0), exited(1)] }, "Failed"],
    ["init runs", { policy: "Never", init: running, mains: [waiting] }, "Pending"],
    ["init in a crash loop", { policy: "Always", init: crashed(1), mains: [waiting] }, "Pending"],
    [
      "init failed, to be restarted",
      { policy: "OnFailure", init: exited(1), mains: [waiting] },
      "Pending",
    ],
    ["init failed for good", { policy: "Never", init: exited(1), mains: [waiting] }, "Failed"],
    ["init ended well", { policy: "Never", init: exited(0), mains: [running] }, "Running"],
    ["sidecar not started", { policy: "Always", sidecar: running, mains: [waiting] }, "Pending"],
    ["sidecar restarts later", { policy: "Always", sidecar: running, mains: [running] }, "Running"],
    ["sidecar crashed", { policy: "Always", sidecar: crashed(1), mains: ["started"] }, "Running"],
    ["sidecar still runs", { policy: "Never", sidecar: "started", mains: [exited(0)] }, "Running"],
    [
      "sidecar failed last",
      { policy: "Never", sidecar: exited(137), mains: [exited(0)] },
      "Succeeded",
    ],
    ["sidecar ended well", { policy: "Never", sidecar: exited(0), mains: [exited(1)] }, "Failed"],
  ])("%s", (_what, given, phase) => {
    expect(phaseOf(given)).toBe(phase);
  });

  test.each<readonly [Case, PodPhase]>([
    [{ policy: "Always", mains: [exited(0)] }, "Succeeded"],
    [{ policy: "Always", mains: [exited(0), exited(143)] }, "Failed"],
    [{ policy: "Always", init: exited(0), mains: [waiting] }, "Failed"],
    [{ policy: "Always", init: running, mains: [waiting] }, "Failed"],
    [{ policy: "Always", sidecar: exited(143), mains: [exited(0)] }, "Succeeded"],
  ])("of a Pod that is ending, %j", (given, phase) => {
    expect(phaseOf(given, true)).toBe(phase);
  });

  const seen = constantFrom<Seen[]>(
    running,
    waiting,
    unknown,
    "started",
    exited(0),
    exited(1),
    crashed(1),
  );
  const given = record(
    {
      policy: constantFrom<Case["policy"][]>("Always", "OnFailure", "Never"),
      init: seen,
      sidecar: seen,
      mains: array(seen, { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ["policy", "mains"] },
  );

  test("is terminal whenever a Pod is ending, and never pending", () => {
    assert(
      property(given, (one) => {
        if (![one.init, one.sidecar, ...one.mains].every(isStopped)) return;
        expect(["Succeeded", "Failed"]).toContain(phaseOf(one, true));
      }),
    );
  });

  test("does not depend on how a sidecar ended", () => {
    assert(
      property(given, (one) => {
        const phases = [exited(0), exited(1), exited(137)].map((sidecar) =>
          phaseOf({ ...one, sidecar }),
        );
        expect(new Set(phases).size).toBe(1);
      }),
    );
  });
});
