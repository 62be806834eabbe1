import { describe, expect, test } from "bun:test";
import { hostReading, memoryIn } from "./host-reading.ts";

describe("what the host has left", () => {
  test("counts what the kernel could drop at once as memory that is left", () => {
    const meminfo = [
      "MemTotal:       24683948 kB",
      "MemFree:        20002080 kB",
      "MemAvailable:   22063004 kB",
      "Inactive:        1905464 kB",
      "Inactive(anon):       12 kB",
      "Inactive(file):  1905452 kB",
    ].join("\n");
    expect(memoryIn(meminfo)).toEqual({
      available: (20_002_080 + 1_905_452) * 1_024,
      capacity: 24_683_948 * 1_024,
    });
  });

  test("is read of this host, also before there are images", () => {
    const { memory, nodeFs, imageFs, pids, ...rest } = hostReading(
      { node: "/tmp", images: "/tmp/not/there/yet" },
      5,
    );
    expect(rest).toEqual({ atMs: 5, isImageFsDedicated: false });
    expect(imageFs.bytes.capacity).toBe(nodeFs.bytes.capacity);
    for (const { available, capacity } of [memory, nodeFs.bytes, nodeFs.inodes, pids]) {
      expect(available).toBeGreaterThan(0);
      expect(available).toBeLessThanOrEqual(capacity);
    }
    expect(hostReading({ node: "/tmp", images: "/proc" }, 5).isImageFsDedicated).toBe(true);
  });
});
