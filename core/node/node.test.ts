import { describe, expect, test } from "bun:test";
import { LOCAL_A } from "#test/fixtures/node.ts";
import type { Node } from "../kube/node.ts";
import {
  hasMetadata,
  haveConditionsChanged,
  type NodeState,
  nodeMetadataFor,
  nodeStatusFor,
  refusalToTakeOver,
} from "./node.ts";

const READY: NodeState = { health: { isReady: true }, pressures: [] };
const AWAY: NodeState = {
  health: { isReady: false, message: "the Machines API does not answer" },
  pressures: [],
};
const NOON = Date.UTC(2026, 10, 24, 12);

describe("the Node we show", () => {
  test("is found by region, zone, host name, system and the customary type", () => {
    expect(nodeMetadataFor(LOCAL_A).labels).toMatchObject({
      "topology.kubernetes.io/region": "local-a",
      "topology.kubernetes.io/zone": "local-a",
      "kubernetes.io/hostname": "local-a",
      "kubernetes.io/arch": "amd64",
      type: "virtual-kubelet",
    });
  });

  test("carries what the configuration says, over labels of ours too", () => {
    const annotations = { "example.com/owner": "ops" };
    const labels = { tier: "front", "topology.kubernetes.io/zone": "hall-3" };
    expect(nodeMetadataFor({ ...LOCAL_A, labels, annotations })).toMatchObject({
      labels: { ...labels, "topology.kubernetes.io/region": "local-a" },
      annotations,
    });
  });

  test("has the kubelet's five conditions, one InternalIP and its own name", () => {
    const status = nodeStatusFor(LOCAL_A, READY, undefined, NOON);
    expect(status.conditions?.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
      "MemoryPressure=False",
      "DiskPressure=False",
      "PIDPressure=False",
      "NetworkUnavailable=False",
      "Ready=True",
    ]);
    expect(status.addresses).toEqual([
      { type: "InternalIP", address: "fdaa:1:2:ffff::1:0" },
      { type: "Hostname", address: "local-a" },
    ]);
  });

  test("says why it is not ready, and since when", () => {
    const before = nodeStatusFor(LOCAL_A, READY, undefined, NOON);
    const away = nodeStatusFor(LOCAL_A, AWAY, before, NOON + 60_000);
    const ready = away.conditions?.find(({ type }) => type === "Ready");
    expect(ready).toMatchObject({
      status: "False",
      reason: "KubeletNotReady",
      message: "the Machines API does not answer",
      lastTransitionTime: "2026-11-24T12:01:00Z",
    });
  });

  test("says what it is short of, in the kubelet's words, and since when", () => {
    const before = nodeStatusFor(LOCAL_A, READY, undefined, NOON);
    const short: NodeState = { ...READY, pressures: ["MemoryPressure", "DiskPressure"] };
    const { conditions = [] } = nodeStatusFor(LOCAL_A, short, before, NOON + 60_000);
    expect(conditions).toMatchObject([
      {
        type: "MemoryPressure",
        status: "True",
        reason: "KubeletHasInsufficientMemory",
        message: "kubelet has insufficient memory available",
        lastTransitionTime: "2026-11-24T12:01:00Z",
      },
      {
        type: "DiskPressure",
        status: "True",
        reason: "KubeletHasDiskPressure",
        message: "kubelet has disk pressure",
      },
      {
        type: "PIDPressure",
        status: "False",
        reason: "KubeletHasSufficientPID",
        message: "kubelet has sufficient PID available",
        lastTransitionTime: "2026-11-24T12:00:00Z",
      },
      { type: "NetworkUnavailable", status: "False" },
      { type: "Ready", status: "True" },
    ]);
  });

  test("keeps the transition time of a condition whose status stays", () => {
    const before = nodeStatusFor(LOCAL_A, READY, undefined, NOON);
    const later = nodeStatusFor(LOCAL_A, READY, before, NOON + 60_000);
    expect(later.conditions?.map((condition) => condition.lastTransitionTime)).toEqual(
      Array.from({ length: 5 }, () => "2026-11-24T12:00:00Z"),
    );
    expect(haveConditionsChanged(before, later)).toBe(false);
  });

  test("reports again when somebody else declared it Unknown", () => {
    const ours = nodeStatusFor(LOCAL_A, READY, undefined, NOON);
    const theirs = {
      ...ours,
      conditions: (ours.conditions ?? []).map((condition) => ({
        ...condition,
        status: "Unknown" as const,
      })),
    };
    expect(haveConditionsChanged(theirs, ours)).toBe(true);
  });

  test("notices a label or an annotation that somebody removed", () => {
    const wanted = { labels: { tier: "front" }, annotations: { owner: "ops" } };
    const metadata = { name: "local-a", uid: "1", ...wanted };
    const nodeWithout = (field: "labels" | "annotations"): Node => ({
      metadata: { ...metadata, [field]: { mine: "x" } },
    });
    expect(
      hasMetadata({ metadata: { ...metadata, labels: { ...wanted.labels, mine: "x" } } }, wanted),
    ).toBe(true);
    expect(hasMetadata(nodeWithout("labels"), wanted)).toBe(false);
    expect(hasMetadata(nodeWithout("annotations"), wanted)).toBe(false);
  });

  test("leaves a Node of another kubelet alone", () => {
    expect(refusalToTakeOver(nodeWith("containerd://2.0.1"))).toContain(
      "belongs to another kubelet",
    );
    expect(refusalToTakeOver(nodeWith("fks://0.0.9"))).toBeUndefined();
    expect(refusalToTakeOver(undefined)).toBeUndefined();
  });
});

function nodeWith(containerRuntimeVersion: string): Node {
  return {
    metadata: { name: "local-a", uid: "1" },
    status: { nodeInfo: { ...LOCAL_A.system, containerRuntimeVersion } },
  };
}
