import { describe, expect, test } from "bun:test";
import { assert, property, string } from "fast-check";
import { MIB, ROOMY } from "#test/fixtures/eviction.ts";
import { FksError } from "../errors.ts";
import {
  availableText,
  DEFAULT_EVICTION_HARD,
  leastText,
  type Threshold,
  thresholdsIn,
  thresholdsMet,
} from "./thresholds.ts";

const only = (text: string): Threshold => {
  const [threshold] = thresholdsIn(text);
  if (threshold === undefined) throw new Error("there is none");
  return threshold;
};
const signalsMet = (text: string, reading = ROOMY): readonly string[] =>
  thresholdsMet(thresholdsIn(text), reading).map(({ signal }) => signal);

describe("hard eviction thresholds, in the kubelet's syntax", () => {
  test("the defaults are the kubelet's, and a roomy host crosses none of them", () => {
    expect(thresholdsIn(DEFAULT_EVICTION_HARD)).toEqual([
      { signal: "memory.available", least: { quantity: "100Mi" } },
      { signal: "nodefs.available", least: { percent: 10 } },
      { signal: "nodefs.inodesFree", least: { percent: 5 } },
      { signal: "imagefs.available", least: { percent: 15 } },
      { signal: "imagefs.inodesFree", least: { percent: 5 } },
    ]);
    expect(signalsMet(DEFAULT_EVICTION_HARD)).toEqual([]);
  });

  test("less than the quantity or the share is too little; memory comes first", () => {
    const nodeFs = { ...ROOMY.nodeFs, bytes: { available: 9, capacity: 100 } };
    const memory = { available: 100 * MIB - 1, capacity: 200 * MIB };
    const short = { ...ROOMY, memory, nodeFs };
    expect(signalsMet("nodefs.available<10%,memory.available<100Mi", short)).toEqual([
      "memory.available",
      "nodefs.available",
    ]);
    const enough = { ...short, memory: { ...memory, available: 100 * MIB } };
    expect(signalsMet("memory.available<100Mi,pid.available<1k", enough)).toEqual([]);
  });

  test("0% and 100% are never crossed, and nothing at all is no threshold", () => {
    expect(thresholdsIn("memory.available<0%, nodefs.available<100%")).toEqual([]);
    expect(thresholdsIn("")).toEqual([]);
  });

  test.each([
    ["memory<1Mi", "unsupported eviction signal memory"],
    ["memory.available", "is no threshold: expected signal<quantity"],
    ["memory.available<", "is no threshold: expected signal<quantity"],
    ["memory.available<0", "eviction threshold memory.available must be positive: 0"],
    ["memory.available<-1Gi", "must be positive"],
    ["nodefs.available<101%", "must be <= 100%"],
    ["nodefs.available<x%", "x% is no percentage"],
    ["nodefs.available<lots", '"lots" is not a Kubernetes quantity'],
    ["pid.available<1,pid.available<2", "eviction signal pid.available is named twice"],
  ])("%s is refused in one sentence", (text, sentence) => {
    expect(() => thresholdsIn(text)).toThrow(sentence);
  });

  test("any text gives thresholds or InvalidInput, nothing else", () => {
    assert(
      property(string({ maxLength: 30 }), (text) => {
        try {
          return Array.isArray(thresholdsIn(text));
        } catch (error) {
          return FksError.is(error, "InvalidInput");
        }
      }),
    );
  });

  test("messages show quantities as they were given, shares in bytes, and what there is", () => {
    expect(leastText(only("memory.available<1.5Gi"), 1)).toBe("1.5Gi");
    expect(leastText(only("nodefs.available<50%"), 2_048 * MIB)).toBe("1Gi");
    // As a kubelet, which reckons shares in 32 bits.
    expect(leastText(only("nodefs.available<10%"), 10_000_000_000)).toBe("1000000014");
    expect(availableText(ROOMY, "memory.available")).toBe("8Gi");
    expect(availableText(ROOMY, "nodefs.inodesFree")).toBe("900k");
    expect(availableText(ROOMY, "pid.available")).toBe("30k");
  });
});
