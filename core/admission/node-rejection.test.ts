import { describe, expect, test } from "bun:test";
import { evictionPod } from "#test/fixtures/eviction.ts";
import type { Node } from "../kube/node.ts";
import type { NodeSelectorRequirement, NodeSelectorTerm } from "../kube/node-affinity.ts";
import type { PodSpec, Toleration } from "../kube/pod.ts";
import { nodeRejectionFor } from "./node-rejection.ts";

const node: Node = {
  metadata: { name: "ams", uid: "uid-ams", labels: { zone: "ams", cores: "16" } },
  status: { allocatable: { cpu: "2", memory: "1Gi", "ephemeral-storage": "10Gi", pods: "3" } },
};
const asking = (name: string, requests: Readonly<Record<string, string>>) =>
  evictionPod(name, { containers: [{ name: "main", image: "i", resources: { requests } }] });
const rejectionOf = (spec: Partial<PodSpec>, on: Node = node) =>
  nodeRejectionFor(evictionPod("web", spec), on, []);
const among = (...nodeSelectorTerms: readonly NodeSelectorTerm[]) =>
  rejectionOf({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
    },
  });
const named = (name: string) => ({
  matchFields: [{ key: "metadata.name", operator: "In", values: [name] }],
});
const MISMATCH = {
  reason: "NodeAffinity",
  message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
};

describe("a Pod that was bound by hand", () => {
  test("comes in where it fits", () => {
    const pod = asking("web", { cpu: "500m", memory: "512Mi" });
    expect(nodeRejectionFor(pod, node, [asking("other", { cpu: "1500m" })])).toBeUndefined();
  });

  test.each([
    ["cpu", { cpu: "501m" }, "requested: 501, used: 1500, capacity: 2000"],
    ["memory", { memory: "513Mi" }, "requested: 537919488, used: 536870912, capacity: 1073741824"],
    [
      "ephemeral-storage",
      { "ephemeral-storage": "11Gi" },
      "requested: 11811160064, used: 0, capacity: 10737418240",
    ],
    ["hugepages-2Mi", { "hugepages-2Mi": "2Mi" }, "requested: 2097152, used: 0, capacity: 0"],
  ])("is refused where too little %s is left", (resource, requests, amounts) => {
    const others = [asking("other", { cpu: "1500m", memory: "512Mi" })];
    expect(nodeRejectionFor(asking("web", requests), node, others)).toEqual({
      reason: `OutOf${resource}`,
      message: `Node didn't have enough resource: ${resource}, ${amounts}`,
    });
  });

  test("is refused where every place is taken, whatever it asks for", () => {
    const others = ["a", "b", "c"].map((name) => evictionPod(name));
    expect(nodeRejectionFor(evictionPod("web"), node, others)).toEqual({
      reason: "OutOfpods",
      message: "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    });
  });

  test("is counted for extended resources only where the Node has them", () => {
    const pod = asking("web", { "example.com/gpu": "2" });
    expect(nodeRejectionFor(pod, node, [])).toBeUndefined();
    const allocatable = { ...node.status?.allocatable, "example.com/gpu": "1" };
    const rejection = nodeRejectionFor(pod, { ...node, status: { allocatable } }, []);
    expect(rejection?.reason).toBe("OutOfexample.com/gpu");
  });

  test("is refused for no lack of room when it is critical, but for the rest", () => {
    const wants = {
      containers: asking("x", { cpu: "9" }).spec.containers,
      priority: 2_000_000_000,
    };
    expect(rejectionOf(wants)).toBeUndefined();
    expect(rejectionOf({ ...wants, nodeSelector: { zone: "fra" } })).toEqual(MISMATCH);
  });

  test("is refused by a Node that its selector does not select", () => {
    expect(rejectionOf({ nodeSelector: { zone: "ams" } })).toBeUndefined();
    expect(rejectionOf({ nodeSelector: { zone: "ams", disk: "ssd" } })).toEqual(MISMATCH);
  });

  test.each<[NodeSelectorRequirement, boolean]>([
    [{ key: "zone", operator: "In", values: ["fra", "ams"] }, true],
    [{ key: "zone", operator: "NotIn", values: ["ams"] }, false],
    [{ key: "disk", operator: "NotIn", values: ["ssd"] }, true],
    [{ key: "zone", operator: "Exists" }, true],
    [{ key: "zone", operator: "DoesNotExist" }, false],
    [{ key: "toString", operator: "Exists" }, false],
    [{ key: "cores", operator: "Gt", values: ["9"] }, true],
    [{ key: "cores", operator: "Lt", values: ["9"] }, false],
    [{ key: "zone", operator: "Gt", values: ["9"] }, false],
  ])("with the required affinity %j is let in: %p", (requirement, isIn) => {
    const rejection = among({ matchExpressions: [requirement] });
    expect(rejection).toEqual(isIn ? undefined : MISMATCH);
  });

  test("as a DaemonSet's Pods are, by the Node's name, is let in there alone", () => {
    expect(among(named("ams"))).toBeUndefined();
    expect(among(named("fra"))).toEqual(MISMATCH);
    expect(among(named("fra"), named("ams"))).toBeUndefined();
    expect(among({})).toEqual(MISMATCH);
  });

  test.each<[readonly Toleration[], boolean]>([
    [[], false],
    [[{ operator: "Exists" }], true],
    [[{ key: "closed", operator: "Equal", value: "yes", effect: "NoExecute" }], true],
    [[{ key: "closed", value: "no" }], false],
    [[{ key: "closed", operator: "Exists", effect: "NoSchedule" }], false],
  ])("under a NoExecute taint, tolerating %j, is let in: %p", (tolerations, isIn) => {
    const taints = [
      { key: "closed", value: "yes", effect: "NoExecute" },
      { key: "other", effect: "NoSchedule" },
    ] as const;
    const rejection = rejectionOf({ tolerations }, { ...node, spec: { taints } });
    const message =
      "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate";
    expect(rejection).toEqual(isIn ? undefined : { reason: "TaintToleration", message });
  });

  test("is refused when its label asks for another system", () => {
    const { metadata, ...rest } = evictionPod("web");
    const labels = { "kubernetes.io/os": "windows" };
    const rejection = nodeRejectionFor({ metadata: { ...metadata, labels }, ...rest }, node, []);
    expect(rejection?.reason).toBe("PodOSSelectorNodeLabelDoesNotMatch");
  });
});
