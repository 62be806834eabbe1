import { describe, expect, test } from "bun:test";
import { FksError } from "../errors.ts";
import { capacityFor, nodeCapacityFrom } from "./capacity.ts";

const HOST = { cpus: 2, memoryBytes: 8 * 1_024 ** 3, diskBytes: 100 * 1_024 ** 3 };

describe("capacity", () => {
  test("two Nodes share a host equally", () => {
    expect(capacityFor(HOST, 2, {})).toEqual({
      cpu: "1",
      memory: "4194304Ki",
      "ephemeral-storage": "52428800Ki",
      pods: "250",
    });
  });

  test("three Nodes on two CPUs get thousandths", () => {
    expect(capacityFor(HOST, 3, {})["cpu"]).toBe("666m");
  });

  test("what the operator names wins, the rest is shared", () => {
    const wanted = nodeCapacityFrom("cpu=2, memory=4Gi,pods=100");
    expect(wanted).toEqual({ cpu: "2", memory: "4Gi", pods: "100" });
    expect(capacityFor(HOST, 2, wanted)).toMatchObject({
      memory: "4Gi",
      "ephemeral-storage": "52428800Ki",
    });
  });

  test.each(["cpu=", "cpu=two", "pods=1.5", "pods=0", "memory=0Gi", "disk=1Gi", "cpu=1=2", "cpu"])(
    "%s is refused in words",
    (text) => {
      expect(() => nodeCapacityFrom(text)).toThrow(FksError);
    },
  );
});
