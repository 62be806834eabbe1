import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#core/ports/clock.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryWorld } from "#test/fakes/machines.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { namespacesCheck } from "./namespaces.ts";

const forever = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "fks-netns-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a started Machine without its network namespace is named", async () => {
  const clock = fakeClock();
  const world = memoryWorld({ clock, apps: ["a"] });
  const created = { name: "w", region: "local-a", config: { image: "busybox" } };
  const { id } = await world.machines.create("a", created, forever);
  await world.machines.wait("a", id, { states: ["started"], timeoutSeconds: 1 }, forever);
  // Whoever waits has waited long enough.
  const impatient: Clock = { ...clock, after: (_delayMs, fire) => fire() };
  const check = namespacesCheck({ cluster: CLUSTER, machines: world, clock: impatient, folder });

  expect(await check.look(forever)).toEqual({
    outcome: "failed",
    observed: `gone: that of Machine ${id}`,
  });
  writeFileSync(join(folder, `fks-0badcafe-${id}`), "");
  expect(await check.look(forever)).toEqual({ outcome: "ok", observed: "all are there" });
});
