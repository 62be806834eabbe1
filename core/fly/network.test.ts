import { expect, test } from "bun:test";
import { machineAddressFor, networkIdIn, networkPlanFor } from "./network.ts";

test.each(["0a1b2c3d", "00000001", "ffff0000"])("addresses of network %p tell its id", (id) => {
  expect(networkIdIn(networkPlanFor(id).apiServer)).toBe(id);
  expect(networkIdIn(machineAddressFor(id, 7))).toBe(id);
  expect(networkIdIn(new URL(`https://[${networkPlanFor(id).apiServer}]:6443`).hostname)).toBe(id);
});

test("other addresses tell none", () => {
  expect(networkIdIn("fdaa::3")).toBeUndefined();
  expect(networkIdIn("127.0.0.1")).toBeUndefined();
});
