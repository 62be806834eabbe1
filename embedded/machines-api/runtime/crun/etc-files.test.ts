import { expect, test } from "bun:test";
import { networkPlanFor } from "#core/fly/network.ts";
import { hostsFileFor, resolvConfFor } from "./etc-files.ts";
import { machineSpec } from "./testing/world.ts";

const machine = machineSpec(networkPlanFor("0a1b2c3d"), 1);

test("a Machine knows localhost, its own name and what it was told, each once", () => {
  expect(hostsFileFor(machine)).toStartWith("127.0.0.1\tlocalhost\n::1\tlocalhost ");
  expect(
    hostsFileFor(machine)
      .split("\n")
      .filter((line) => line.endsWith("\tweb-1")),
  ).toHaveLength(1);
  expect(hostsFileFor(machine)).toEndWith(
    "fdaa:a1b:2c3d:a7b:1:0:1:2\tweb-1\n10.1.2.3\tdb.internal\tdb\n",
  );
});

test("empty DNS settings give no empty lines", () => {
  expect(resolvConfFor(machine)).toBe("search a.internal\nnameserver fdaa::3\noptions ndots:5\n");
  expect(resolvConfFor({ ...machine, dns: { nameservers: [], searches: [], options: [] } })).toBe(
    "",
  );
});
