import { expect, test } from "bun:test";
import type { ContainerStatus, Pod } from "../kube/pod.ts";
import { forgottenAmong, machineIdOf } from "./kept-logs.ts";

const TIMES = { startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:00:01Z" };
const terminated = (containerID: string) => ({
  terminated: { exitCode: 0, reason: "Completed", ...TIMES, containerID },
});

function podWith(status: Partial<ContainerStatus>): Pod {
  const app = { name: "app", image: "x", imageID: "", ready: false, restartCount: 0 };
  return {
    metadata: { name: "job", namespace: "default", uid: "u" },
    spec: { containers: [{ name: "app", image: "x" }] },
    status: { phase: "Succeeded", containerStatuses: [{ ...app, ...status }] },
  };
}

test.each([
  [{ containerID: "fks://148e01-app-0" }, "148e01"],
  [{ state: terminated("fks://148e01-app-3") }, "148e01"],
  [{ state: { waiting: { reason: "x" } }, lastState: terminated("fks://148e01-a-b-3") }, "148e01"],
  [{ state: { waiting: { reason: "ContainerCreating" } } }, undefined],
  [{ containerID: "containerd://148e01" }, undefined],
])("%j ran in the Machine %s", (view, id) => {
  expect(machineIdOf({ name: "app", ...view })).toBe(id);
});

test("logs are forgotten when no Pod tells of their Machine, and not before Pods are known", () => {
  const pods = [podWith({ containerID: "fks://148e01-app-0" })];
  expect(forgottenAmong(["148e01", "148e02"], pods)).toEqual(["148e02"]);
  expect(forgottenAmong(["148e01"], [])).toEqual(["148e01"]);
  expect(forgottenAmong(["148e01"], undefined)).toEqual([]);
});
