import { expect, test } from "bun:test";
import type { MachineUsage } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { podUsages, sampleOf, usedSince } from "./usage.ts";

const SECOND = 1_000_000_000;
const machine = { app: "a", id: "m1" };
const pod: Pod = {
  metadata: { name: "web", namespace: "default", uid: "u" },
  spec: { nodeName: "local-a", containers: [{ name: "app", image: "x" }] },
};

/** The Machine at this second, its container started at another and with so many seconds of CPU. */
function usageAt(second: number, startedAt: number, cpuSeconds: number): MachineUsage {
  return {
    ...machine,
    at: timeAt(second),
    containers: [
      {
        name: "app",
        startedAt: timeAt(startedAt),
        cpuNanoseconds: cpuSeconds * SECOND,
        memoryBytes: 1,
        usageBytes: 2,
        rssBytes: 3,
        pageFaults: 4,
        majorPageFaults: 5,
        processes: 6,
      },
    ],
    volumes: [],
  };
}

function timeAt(second: number): string {
  return new Date(second * 1_000).toISOString();
}

function rateOf(now: MachineUsage, before?: MachineUsage) {
  const sample = sampleOf([now], Date.parse(now.at));
  const earlier = before && sampleOf([before], Date.parse(before.at));
  const [usage] = podUsages([{ pod, machine }], sample, earlier);
  return usage?.containers[0]?.rate;
}

test("a rate is what was used between two readings", () => {
  const rate = rateOf(usageAt(115, 50, 12), usageAt(100, 50, 9));
  expect(rate).toEqual({ nanoCores: 200_000_000, windowMs: 15_000 });
});

test("a container that started meanwhile is metered since its start, once that says something", () => {
  expect(rateOf(usageAt(112, 100, 3), usageAt(99, 50, 9))?.nanoCores).toBe(250_000_000);
  expect(rateOf(usageAt(112, 103, 3), usageAt(99, 50, 9))).toBeUndefined();
  expect(rateOf(usageAt(112, 100, 3))?.windowMs).toBe(12_000);
});

test("a Pod whose Machine told nothing is not in it", () => {
  expect(podUsages([{ pod, machine }], sampleOf([], 0), undefined)).toEqual([]);
});

test("what was used since then is the growth of the same run, and all of a new one", () => {
  const then = usageAt(100, 50, 9);
  expect(usedSince(usageAt(115, 50, 12), then)).toBe(3 * SECOND);
  expect(usedSince(usageAt(115, 101, 2), then)).toBe(2 * SECOND);
  expect(usedSince(then, undefined)).toBe(9 * SECOND);
});
