import { describe, expect, test } from "bun:test";
import { evictionPod } from "#test/fixtures/eviction.ts";
import type { Toleration } from "../kube/pod.ts";
import { isCritical, pressureRejectionFor } from "./admission.ts";

const bestEffort = evictionPod("free");
const burstable = { ...bestEffort, status: { qosClass: "Burstable" } };
const critical = evictionPod("critical", { priority: 2_000_000_000 });
const tolerating = (toleration: Toleration) => evictionPod("t", { tolerations: [toleration] });
const KEY = "node.kubernetes.io/memory-pressure";

describe("new Pods on a Node under pressure", () => {
  test("come in while there is none", () => {
    expect(pressureRejectionFor(bestEffort, [])).toBeUndefined();
  });

  test("of memory alone are refused only when they ask for nothing", () => {
    expect(pressureRejectionFor(burstable, ["MemoryPressure"])).toBeUndefined();
    expect(pressureRejectionFor(bestEffort, ["MemoryPressure"])).toEqual({
      reason: "Evicted",
      message: "The node had condition: [MemoryPressure]. ",
    });
  });

  test("of anything else are refused whoever they are, but for critical ones", () => {
    expect(pressureRejectionFor(burstable, ["MemoryPressure", "DiskPressure"])?.message).toBe(
      "The node had condition: [MemoryPressure DiskPressure]. ",
    );
    expect(pressureRejectionFor(burstable, ["PIDPressure"])).toBeDefined();
    expect(isCritical(critical)).toBe(true);
    expect(pressureRejectionFor(critical, ["DiskPressure"])).toBeUndefined();
  });

  test.each<[Toleration, boolean]>([
    [{ key: KEY, operator: "Exists", effect: "NoSchedule" }, true],
    [{ key: KEY, operator: "Exists" }, true],
    [{ key: KEY, effect: "NoSchedule" }, true],
    [{ operator: "Exists" }, true],
    [{ key: KEY, operator: "Exists", effect: "NoExecute" }, false],
    [{ key: KEY, operator: "Equal", value: "x" }, false],
    [{ key: "node.kubernetes.io/disk-pressure", operator: "Exists" }, false],
  ])("that tolerate %j under memory pressure: %p", (toleration, isIn) => {
    const rejection = pressureRejectionFor(tolerating(toleration), ["MemoryPressure"]);
    expect(rejection === undefined).toBe(isIn);
  });
});
