import { describe, expect, test } from "bun:test";
import { assert, constantFrom, integer, property } from "fast-check";
import { aPod } from "#test/fixtures/pod.ts";
import { resourceValueFor } from "./resource-field.ts";

const ALLOCATABLE = { cpu: "1500m", memory: "2Gi", "ephemeral-storage": "10Gi", pods: "250" };

function valueOf(
  resource: string,
  divisor?: string,
  resources: object = { limits: { cpu: "250m", memory: "100Mi" }, requests: { cpu: "100m" } },
) {
  const pod = aPod({ containers: [{ resources }, {}] });
  const ref = divisor === undefined ? { resource } : { resource, divisor };
  return resourceValueFor(pod, pod.spec.containers[0], ref, ALLOCATABLE);
}

describe("a resource as text", () => {
  test.each([
    ["limits.cpu", undefined, "1"],
    ["limits.cpu", "1m", "250"],
    ["limits.cpu", "0", "1"],
    ["requests.cpu", "1m", "100"],
    ["limits.memory", undefined, "104857600"],
    ["limits.memory", "1Mi", "100"],
    ["limits.memory", "1Gi", "1"],
    ["requests.memory", "1Mi", "0"],
    ["limits.ephemeral-storage", "1Gi", "10"],
    ["limits.hugepages-2Mi", "1Mi", "0"],
  ])("%s in units of %p is %s", (resource, divisor, value) => {
    expect(valueOf(resource, divisor)).toBe(value);
  });

  test("a limit nobody set, or set to nothing, is what the Node has", () => {
    expect(valueOf("limits.cpu", "1m", {})).toBe("1500");
    expect(valueOf("limits.memory", "1Mi", { limits: { memory: "0" } })).toBe("2048");
  });

  test("of another container by its name", () => {
    const pod = aPod({ containers: [{}, { resources: { limits: { cpu: "3" } } }] });
    const ref = { containerName: "c1", resource: "limits.cpu" };
    expect(resourceValueFor(pod, undefined, ref, ALLOCATABLE)).toBe("3");
    expect(
      resourceValueFor(pod, undefined, { ...ref, containerName: "no" }, ALLOCATABLE),
    ).toBeUndefined();
  });

  test.each(["limits.pods", "limits", "capacity.cpu", ""])("there is no %p", (resource) => {
    expect(valueOf(resource)).toBeUndefined();
  });

  test("divided and multiplied again it is never less, and less than one unit more", () => {
    const unit = constantFrom(1, 2 ** 10, 2 ** 20, 2 ** 30);
    assert(
      property(integer({ min: 1, max: 2 ** 40 }), unit, (bytes, divisor) => {
        const limits = { memory: String(bytes) };
        const value = Number(valueOf("limits.memory", String(divisor), { limits }));
        expect(value * divisor).toBeGreaterThanOrEqual(bytes);
        expect((value - 1) * divisor).toBeLessThan(bytes);
      }),
    );
  });
});
