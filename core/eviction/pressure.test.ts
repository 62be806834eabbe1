import { describe, expect, test } from "bun:test";
import { type PressureState, pressureSeen, pressuresAt } from "./pressure.ts";
import { thresholdsIn } from "./thresholds.ts";

const NOTHING: PressureState = new Map();
const disk = thresholdsIn("nodefs.available<1,imagefs.inodesFree<1");
const memory = thresholdsIn("memory.available<1");

describe("pressure on a Node", () => {
  test("is there with the first look that finds a threshold crossed", () => {
    expect(pressuresAt(NOTHING, 0)).toEqual([]);
    const state = pressureSeen(pressureSeen(NOTHING, disk, 10), memory, 10);
    expect(pressuresAt(state, 10)).toEqual(["MemoryPressure", "DiskPressure"]);
  });

  test("is gone five minutes after it was seen last", () => {
    const seen = pressureSeen(pressureSeen(NOTHING, memory, 0), memory, 60_000);
    const later = pressureSeen(seen, [], 70_000);
    expect(pressuresAt(later, 359_999)).toEqual(["MemoryPressure"]);
    expect(pressuresAt(later, 360_000)).toEqual([]);
  });
});
