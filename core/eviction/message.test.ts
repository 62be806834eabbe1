import { describe, expect, test } from "bun:test";
import { evictionPod, MIB, podUsage, ROOMY } from "#test/fixtures/eviction.ts";
import { evictionMessage } from "./message.ts";
import { thresholdsIn, thresholdsMet } from "./thresholds.ts";

function messageFor(text: string, ...[pod, ...rest]: Parameters<typeof podUsage>) {
  const met = thresholdsMet(thresholdsIn(text), ROOMY);
  const [worst] = met;
  if (worst === undefined) throw new Error("no threshold is crossed");
  return evictionMessage({ pod, usage: podUsage(pod, ...rest) }, worst, met, ROOMY);
}

const pod = evictionPod("web", {
  containers: [
    { name: "main", image: "x", resources: { requests: { memory: "1Mi" } } },
    { name: "small", image: "x", resources: { requests: { memory: "64Mi" } } },
    { name: "free", image: "x" },
  ],
});

describe("why a Pod is evicted for what its Node lacks", () => {
  test("is the resource, the threshold, and the containers beyond their requests", () => {
    const used = [
      { name: "main", memoryBytes: 3 * MIB },
      { name: "small", memoryBytes: 2 * MIB },
      { name: "free", memoryBytes: 5_000 },
    ];
    expect(messageFor("memory.available<10Gi", pod, used)).toEqual({
      message:
        "The node was low on resource: memory. Threshold quantity: 10Gi, available: 8Gi. " +
        "Container main was using 3Mi, request is 1Mi, has larger consumption of memory. " +
        "Container free was using 5000, request is 0, has larger consumption of memory. ",
      annotations: {
        offending_containers: "main,free",
        offending_containers_usage: "3Mi,5000",
        starved_resource: "memory",
      },
    });
  });

  test("tells of disk what containers wrote, their logs counted", () => {
    const used = [{ name: "main", rootBytes: MIB, logBytes: 2 * MIB }];
    expect(messageFor("nodefs.available<90Gi", pod, used).message).toBe(
      "The node was low on resource: ephemeral-storage. Threshold quantity: 90Gi, available: 80Gi. " +
        "Container main was using 3Mi, request is 0, has larger consumption of ephemeral-storage. ",
    );
  });

  test("names no container for inodes and PIDs", () => {
    expect(messageFor("nodefs.inodesFree<1M", pod, [{ rootInodes: 5 }]).message).toBe(
      "The node was low on resource: inodes. Threshold quantity: 1M, available: 900k. ",
    );
    expect(messageFor("pid.available<31k", pod, [{}]).message).toBe(
      "The node was low on resource: pids. Threshold quantity: 31k, available: 30k. ",
    );
  });
});
