import { expect, test } from "bun:test";
import { takeApiPort } from "./api-port.ts";

test("two that start at the same moment get ports of their own, both with the next one free", async () => {
  const [one, two] = await Promise.all([
    takeApiPort("k3s", undefined),
    takeApiPort("k3s", undefined),
  ]);
  expect(Math.abs(one.port - two.port)).toBeGreaterThanOrEqual(2);
  expect(await takeApiPort("k3s", two.port).catch(String)).toContain(
    `port ${two.port} is about to be taken by another fks-node`,
  );

  two.letGo();
  const again = await takeApiPort("k3s", two.port);
  expect(again.port).toBe(two.port);
  for (const taken of [one, again]) taken.letGo();
});

test("the upstream parts have an address of their own, and on it their own port", async () => {
  expect(await takeApiPort("upstream", undefined)).toMatchObject({ port: 6443 });
  expect(await takeApiPort("upstream", 7443)).toMatchObject({ port: 7443 });
});
