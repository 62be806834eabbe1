import { expect, test } from "bun:test";
import type { Container, Pod } from "../kube/pod.ts";
import { oomScoreFor } from "./oom-score.ts";

const NODE = { memory: "10Gi" };

function asking(memory?: string, changes: Partial<Container> = {}): Container {
  const resources = memory === undefined ? {} : { requests: { memory } };
  return { name: "app", image: "web:1", resources, ...changes };
}

function scoreOf(
  qosClass: string,
  containers: readonly Container[],
  spec: Partial<Pod["spec"]> = {},
): number | undefined {
  const metadata = { name: "web", namespace: "default", uid: "u", resourceVersion: "1" };
  const pod: Pod = { metadata, spec: { containers, ...spec }, status: { qosClass } };
  const [first = asking()] = spec.initContainers ?? containers;
  return oomScoreFor(pod, first, NODE).oomScoreAdj;
}

test("the class decides who is killed first and last", () => {
  expect(scoreOf("Guaranteed", [asking("1Gi")])).toBe(-997);
  expect(scoreOf("BestEffort", [asking()])).toBe(1000);
  expect(scoreOf("BestEffort", [asking()], { priorityClassName: "system-node-critical" })).toBe(
    -997,
  );
});

test("of those between, who requests more is killed later", () => {
  expect(scoreOf("Burstable", [asking("1Gi")])).toBe(900);
  expect(scoreOf("Burstable", [asking("5Gi")])).toBe(500);
});

test("it never passes those of the other classes", () => {
  expect(scoreOf("Burstable", [asking()])).toBe(999);
  expect(scoreOf("Burstable", [asking("10Gi")])).toBe(3);
});

test("a sidecar stays as long as those it serves", () => {
  const sidecar = asking("1Gi", { name: "side", restartPolicy: "Always" });
  const init = asking("1Gi", { name: "init" });
  const mains = [asking("4Gi"), asking("3Gi", { name: "other" })];

  expect(scoreOf("Burstable", mains, { initContainers: [sidecar] })).toBe(700);
  expect(scoreOf("Burstable", mains, { initContainers: [init] })).toBe(900);
});

test("what the Pod requests for all of them is shared out", () => {
  const resources = { requests: { memory: "4Gi" } };
  const containers = [asking("1Gi"), asking("1Gi", { name: "other" })];

  expect(scoreOf("Burstable", containers, { resources })).toBe(800);
});

test("a class or a Node nobody knows leaves it to the runtime", () => {
  expect(scoreOf("", [asking("1Gi")])).toBeUndefined();
});
