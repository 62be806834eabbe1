import { expect, test } from "bun:test";
import {
  machineAddressFor,
  machineIpv4For,
  machineIpv4Of,
  networkIdIn,
  networkPlanFor,
} from "./network.ts";

test.each(["0a1b2c3d", "00000001", "ffff0000"])("addresses of network %p tell its id", (id) => {
  expect(networkIdIn(networkPlanFor(id).apiServer)).toBe(id);
  expect(networkIdIn(machineAddressFor(id, 7))).toBe(id);
  expect(networkIdIn(new URL(`https://[${networkPlanFor(id).apiServer}]:6443`).hostname)).toBe(id);
});

test("other addresses tell none", () => {
  expect(networkIdIn("fdaa::3")).toBeUndefined();
  expect(networkIdIn("127.0.0.1")).toBeUndefined();
});

test("a Machine's private IPv4 follows from its address; nobody else has one", () => {
  for (const id of ["0a1b2c3d", "00000001"]) {
    expect(machineIpv4Of(id, machineAddressFor(id, 70_000))).toBe(machineIpv4For(id, 70_000));
    expect(machineIpv4Of(id, networkPlanFor(id).apiServer)).toBeUndefined();
  }
  expect(machineIpv4Of("0a1b2c3d", machineAddressFor("00000001", 7))).toBeUndefined();
  expect(machineIpv4Of("0a1b2c3d", "10.0.0.1")).toBeUndefined();
});
