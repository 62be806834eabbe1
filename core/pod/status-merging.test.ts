import { describe, expect, test } from "bun:test";
import { array, assert, boolean, constantFrom, integer, property, record } from "fast-check";
import { aPod } from "#test/fixtures/pod.ts";
import type { Machine } from "../fly/machine.ts";
import type { ContainerReport, ContainerState } from "../fly/machine-protocol.ts";
import type { Pod, PodStatus } from "../kube/pod.ts";
import { podStatusFor, type StatusSources } from "./pod-status.ts";
import { statusPatchFor } from "./status-patch.ts";

const AT = "2026-11-24T07:00:00.25Z";
const NOW_MS = Date.parse("2026-11-24T08:00:00Z");
const NAMES = ["init", "sidecar", "c0", "c1"] as const;

const machine: Machine = {
  id: "m1",
  name: "web",
  state: "started",
  region: "local-a",
  instance_id: "01J",
  private_ip: "fdaa::2",
  created_at: AT,
  updated_at: AT,
  events: [],
  host_status: "ok",
};

function ended(exitCode: number): ContainerState {
  return {
    terminated: { exitCode, reason: "Error", startedAt: AT, finishedAt: AT, containerID: "x" },
  };
}

const state = constantFrom<ContainerState[]>(
  { waiting: { reason: "ContainerCreating" } },
  { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } },
  { running: { startedAt: AT } },
  ended(0),
  ended(1),
  {},
);
const container = record({
  name: constantFrom(...NAMES),
  image: constantFrom("i", ""),
  imageID: constantFrom("", "i@sha256:ab"),
  containerID: constantFrom("", "fks://1"),
  restartCount: integer({ min: 0, max: 3 }),
  state,
  started: boolean(),
  ready: boolean(),
});
const look = record({
  containers: array(container, { maxLength: 4 }),
  isLost: boolean(),
  isEnding: boolean(),
  hasReport: boolean(),
});
const policy = constantFrom("Always", "OnFailure", "Never");

interface Look {
  readonly containers: readonly ContainerReport[];
  readonly isLost: boolean;
  readonly isEnding: boolean;
  readonly hasReport: boolean;
}

function podWith(restartPolicy: string): Pod {
  return aPod({
    restartPolicy:
      restartPolicy === "Always" ? "Always" : restartPolicy === "Never" ? "Never" : "OnFailure",
    initContainers: [
      { name: "init", image: "i" },
      { name: "sidecar", image: "i", restartPolicy: "Always" },
    ],
    containers: [{}, {}],
  });
}

function statusAfter(pod: Pod, { containers, isLost, isEnding, hasReport }: Look): PodStatus {
  const sources: StatusSources = {
    ...(hasReport ? { machine, report: { revision: 1, containers, events: [] } } : {}),
    isLost: isLost && !hasReport,
    ...(isEnding ? { ending: { why: "deleted" } } : {}),
    hostIP: "fdaa::1",
    nowMs: NOW_MS,
  };
  return podStatusFor(pod, sources);
}

/** The statuses a Pod has after each of these looks. */
function story(pod: Pod, looks: readonly Look[]): readonly PodStatus[] {
  const told: PodStatus[] = [];
  let now = pod;
  for (const one of looks) {
    const status = statusAfter(now, one);
    told.push(status);
    now = { ...now, status };
  }
  return told;
}

const stories = array(look, { minLength: 1, maxLength: 6 });

describe("statuses, told one after the other", () => {
  test("a terminal phase never changes", () => {
    assert(
      property(policy, stories, (restartPolicy, looks) => {
        const phases = story(podWith(restartPolicy), looks).map(({ phase }) => phase);
        const end = phases.findIndex((phase) => phase === "Succeeded" || phase === "Failed");
        if (end >= 0) expect(new Set(phases.slice(end)).size).toBe(1);
      }),
    );
  });

  test("no phase is terminal while something runs, and nothing is ready then", () => {
    assert(
      property(policy, look, (restartPolicy, one) => {
        const status = statusAfter(podWith(restartPolicy), one);
        const { phase, containerStatuses = [], initContainerStatuses = [] } = status;
        if (phase !== "Succeeded" && phase !== "Failed") return;
        const all = [...initContainerStatuses, ...containerStatuses];
        expect(all.every(({ state: { running } = {} }) => running === undefined)).toBe(true);
        expect(containerStatuses.every(({ ready }) => !ready)).toBe(true);
      }),
    );
  });

  test("restart counts never fall, the start's time stays, and every container has its status", () => {
    assert(
      property(policy, stories, (restartPolicy, looks) => {
        const told = story(podWith(restartPolicy), looks);
        told.forEach((status, index) => {
          const before = told[index - 1];
          expect(status.startTime).toBe(told[0]?.startTime ?? "");
          expect(status.initContainerStatuses?.map(({ name }) => name)).toEqual([
            "init",
            "sidecar",
          ]);
          expect(status.containerStatuses?.map(({ name }) => name)).toEqual(["c0", "c1"]);
          for (const [place, one] of (status.containerStatuses ?? []).entries()) {
            const earlier = before?.containerStatuses?.[place]?.restartCount ?? 0;
            expect(one.restartCount).toBeGreaterThanOrEqual(earlier);
          }
        });
      }),
    );
  });

  test("the same look twice writes nothing the second time", () => {
    assert(
      property(policy, look, (restartPolicy, one) => {
        const pod = podWith(restartPolicy);
        const first = { ...pod, status: statusAfter(pod, one) };
        const again = { ...first, status: statusAfter(first, one) };
        expect(statusPatchFor(again, statusAfter(again, one))).toBeUndefined();
      }),
    );
  });
});

test("last words are cut to the container's share of what a Pod may say, at a whole character", () => {
  const terminated = {
    exitCode: 1,
    reason: "Error",
    startedAt: AT,
    finishedAt: AT,
    containerID: "x",
  };
  const said = { terminated: { ...terminated, message: "é".repeat(2_000) } };
  const report = {
    name: "c0",
    image: "i",
    imageID: "",
    containerID: "fks://1",
    restartCount: 0,
    state: said,
    started: false,
    ready: false,
  };
  const one: Look = { containers: [report], isLost: false, isEnding: false, hasReport: true };
  const { containerStatuses = [] } = statusAfter(podWith("Never"), one);
  // Four containers share 12 KiB.
  expect(containerStatuses[0]?.state?.terminated?.message).toBe("é".repeat(1_536));
  const five = { ...podWith("Never") };
  const more = {
    ...five,
    spec: { ...five.spec, containers: [...five.spec.containers, { name: "c2", image: "i" }] },
  };
  const { containerStatuses: told = [] } = statusAfter(more, one);
  expect(told[0]?.state?.terminated?.message).toBe("é".repeat(1_228));
});
