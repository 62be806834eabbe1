import { expect, test } from "bun:test";
import type { Bundle } from "../fly/machine-protocol.ts";
import { takenIn } from "./bundle-size.ts";

const MIB = 2 ** 20;

function bundleOf(filesMib: number, variablesMib = 0): Bundle {
  const file = { path: "f", mode: 0o644, content: "A".repeat(Math.ceil((4 / 3) * MIB)) };
  const env = [{ name: "V", value: "v".repeat(variablesMib * MIB) }];
  return {
    containers: { app: { env }, other: { env: [] } },
    volumes: { v: Array.from({ length: filesMib }, () => file) },
    fsGroup: 5,
  };
}

test("files of many objects at their largest are carried", () => {
  const bundle = bundleOf(29);

  expect(takenIn(bundle)).toBe(bundle);
});

test.each([
  ["files", bundleOf(31), "32 MiB"],
  ["variables", bundleOf(1, 60), "62 MiB"],
])("too many %s keep every container from its start, in one sentence", (_, bundle, size) => {
  const message = `the files and variables of the Pod have ${size} together; a Machine takes in 30 MiB`;
  const refused = { reason: "CreateContainerConfigError", message };

  expect(takenIn(bundle)).toEqual({
    containers: { app: { refused }, other: { refused } },
    volumes: {},
    fsGroup: 5,
  });
});
