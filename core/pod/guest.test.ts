import { describe, expect, test } from "bun:test";
import { array, assert, boolean, integer, property, record } from "fast-check";
import { aPod } from "#test/fixtures/pod.ts";
import { guestFor, wishFor } from "./guest.ts";

const wants = (memory: string) => ({ resources: { limits: { memory } } });

describe("the size of a Machine", () => {
  test.each([
    [0, 256, "shared", 1, 256],
    [0, 257, "shared", 1, 512],
    [1_000, 2_048, "shared", 1, 2_048],
    [1_001, 256, "shared", 2, 512],
    [500, 2_049, "shared", 2, 2_304],
    [8_000, 16_384, "shared", 8, 16_384],
    [8_001, 256, "performance", 10, 20_480],
    [1_000, 16_385, "performance", 4, 18_432],
    [16_000, 131_072, "performance", 16, 131_072],
  ] as const)(
    "%d millicores and %d MB: %s %d, %d MB",
    (cpuMillis, memoryMb, cpu_kind, cpus, memory_mb) => {
      expect(guestFor({ cpuMillis, memoryMb })).toEqual({ cpu_kind, cpus, memory_mb });
    },
  );

  test("there is none beyond the largest that Fly sells", () => {
    expect(guestFor({ cpuMillis: 16_001, memoryMb: 256 })).toBeUndefined();
    expect(guestFor({ cpuMillis: 0, memoryMb: 131_073 })).toBeUndefined();
  });

  test("a size always covers the wish", () => {
    const cpus = integer({ min: 0, max: 16_000 });
    const memory = integer({ min: 1, max: 131_072 });
    assert(
      property(cpus, memory, (cpuMillis, memoryMb) => {
        const guest = guestFor({ cpuMillis, memoryMb });
        expect((guest?.cpus ?? 0) * 1000).toBeGreaterThanOrEqual(cpuMillis);
        expect(guest?.memory_mb).toBeGreaterThanOrEqual(memoryMb);
      }),
    );
  });

  test("limits are summed; a request counts where it is larger or alone", () => {
    const pod = aPod({
      containers: [
        { resources: { limits: { cpu: "500m", memory: "100Mi" }, requests: { cpu: "1" } } },
        { resources: { requests: { memory: "28Mi" } } },
        {},
      ],
    });
    expect(wishFor(pod)).toEqual({ cpuMillis: 1_000, memoryMb: 128, isDefault: false });
  });

  test("limits of the Pod itself count alone, its overhead beside everything", () => {
    const overhead = { cpu: "250m", memory: "64Mi" };
    const containers = [wants("900Mi")];
    expect(wishFor(aPod({ overhead, containers }))).toMatchObject({
      cpuMillis: 250,
      memoryMb: 964,
    });
    const resources = { requests: { cpu: "2" }, limits: { memory: "512Mi" } };
    expect(wishFor(aPod({ overhead, resources, containers }))).toMatchObject({
      cpuMillis: 2_250,
      memoryMb: 576,
    });
  });

  test("an init container counts beside the sidecars before it, not beside the others", () => {
    const initContainers = [
      { name: "first", image: "i", ...wants("400Mi") },
      { name: "sidecar", image: "i", restartPolicy: "Always", ...wants("100Mi") },
      { name: "second", image: "i", ...wants("350Mi") },
    ];
    const pod = aPod({ initContainers, containers: [wants("200Mi"), wants("100Mi")] });
    expect(wishFor(pod).memoryMb).toBe(450);
    expect(wishFor(aPod({ initContainers, containers: [wants("500Mi")] })).memoryMb).toBe(600);
  });

  test("no order of containers makes the wish smaller than what runs at once", () => {
    const sizes = array(record({ mib: integer({ min: 0, max: 900 }), sidecar: boolean() }));
    assert(
      property(sizes, sizes, (early, mains) => {
        const initContainers = early.map((one, index) => ({
          name: `i${index}`,
          image: "i",
          ...(one.sidecar ? { restartPolicy: "Always" } : {}),
          ...wants(`${one.mib}Mi`),
        }));
        const { memoryMb } = wishFor(
          aPod({ initContainers, containers: mains.map(({ mib }) => wants(`${mib}Mi`)) }),
        );
        const sidecars = early
          .filter(({ sidecar }) => sidecar)
          .reduce((sum, { mib }) => sum + mib, 0);
        const together = mains.reduce((sum, { mib }) => sum + mib, sidecars);
        expect(memoryMb).toBeGreaterThanOrEqual(together);
        for (const { mib } of early) expect(memoryMb).toBeGreaterThanOrEqual(mib);
      }),
    );
  });
});
