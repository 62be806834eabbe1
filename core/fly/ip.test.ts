import { expect, test } from "bun:test";
import { canonicalIp, ipInRange, isInRange, numberInRange, sizeOfRange } from "./ip.ts";
import { networkPlanFor } from "./network.ts";

test.each([
  ["FDAA:0:48c8:0:1:0:0:1a", "fdaa:0:48c8:0:1::1a"],
  ["fdaa:1:0:0:1:0:0:2", "fdaa:1::1:0:0:2"],
  ["10.0.0.1", "10.0.0.1"],
  ["10.1", undefined],
  ["None", undefined],
  ["", undefined],
])("%s is written %p", (text, expected) => {
  expect(canonicalIp(text)).toBe(expected);
});

test("a range of a network gives addresses as Kubernetes writes them", () => {
  const { serviceRange } = networkPlanFor("00010000");
  expect(ipInRange(serviceRange, 0x1_02)).toBe("fdaa:1::1:0:0:102");
  expect(ipInRange(networkPlanFor("12345678").serviceRange, 0xff_ff)).toBe(
    "fdaa:1234:5678:0:1::ffff",
  );
  expect(numberInRange(serviceRange, "fdaa:1::1:0:0:102")).toBe(0x1_02);
  expect(sizeOfRange(serviceRange)).toBe(65_536);
});

test("what is in a range is in no other one", () => {
  const { serviceRange } = networkPlanFor("12345678");
  expect(isInRange("fdaa:1234:5678:0:1::1", serviceRange)).toBe(true);
  expect(isInRange("fdaa:1234:5678:0:2::1", serviceRange)).toBe(false);
  expect(isInRange("10.0.0.1", serviceRange)).toBe(false);
  expect(isInRange("web", serviceRange)).toBe(false);
});
