import { expect, test } from "bun:test";
import { launchGate } from "./launch-gate.ts";

function gateWith(room: { perNamespace: number; total: number }) {
  const touched: string[] = [];
  const gate = launchGate(room, (key) => {
    touched.push(key);
  });
  return { gate, touched };
}

test("who finds no room is called when somebody leaves, first come first served", () => {
  const { gate, touched } = gateWith({ perNamespace: 1, total: 9 });

  expect(["a", "b", "c"].map((key) => gate.enter("ns", key))).toEqual([true, false, false]);
  gate.leave("ns");
  expect(touched).toEqual(["b"]);
  expect(gate.enter("ns", "b")).toBe(true);
  gate.leave("ns");
  expect(touched).toEqual(["b", "c"]);
});

test("a full namespace keeps no other one waiting, until all places are taken", () => {
  const { gate, touched } = gateWith({ perNamespace: 1, total: 2 });

  expect(gate.enter("one", "a")).toBe(true);
  expect(gate.enter("one", "b")).toBe(false);
  expect(gate.enter("two", "c")).toBe(true);
  expect(gate.enter("three", "d")).toBe(false);
  gate.leave("two");
  expect(touched).toEqual(["d"]);
});

test("who was called and does not come gives way to the next", () => {
  const { gate, touched } = gateWith({ perNamespace: 1, total: 9 });
  gate.enter("ns", "a");
  gate.enter("ns", "deleted meanwhile");
  gate.leave("ns");

  expect(gate.enter("ns", "b")).toBe(true);
  expect(touched).toEqual(["deleted meanwhile"]);
});
