import { describe, expect, test } from "bun:test";
import { capacityFor } from "./capacity.ts";

const HOST = { cpus: 2, memoryBytes: 8 * 1_024 ** 3, diskBytes: 100 * 1_024 ** 3 };

describe("capacity", () => {
  test("two Nodes share a host equally", () => {
    expect(capacityFor(HOST, 2, { pods: 250 })).toEqual({
      cpu: "1",
      memory: "4194304Ki",
      "ephemeral-storage": "52428800Ki",
      pods: "250",
    });
  });

  test("three Nodes on two CPUs get thousandths", () => {
    expect(capacityFor(HOST, 3, { pods: 250 })["cpu"]).toBe("666m");
  });

  test("what the operator names wins, the rest is shared", () => {
    expect(capacityFor(HOST, 2, { cpu: "500m", memory: "1Gi", pods: 10 })).toEqual({
      cpu: "500m",
      memory: "1Gi",
      "ephemeral-storage": "52428800Ki",
      pods: "10",
    });
  });
});
