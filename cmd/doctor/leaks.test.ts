import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#core/ports/clock.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryWorld } from "#test/fakes/machines.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { dataPathsFor } from "../paths.ts";
import { leakCheck } from "./leaks.ts";

const forever = new AbortController().signal;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A data directory with one Machine, and what doctor says of it once its patience is over. */
async function withOneMachine() {
  const dataDir = mkdtempSync(join(tmpdir(), "fks-leaks-"));
  folders.push(dataDir);
  const clock = fakeClock();
  const { machines, apps } = memoryWorld({ clock, apps: ["a"] });
  const config = { image: "busybox" };
  const { id } = await machines.create("a", { name: "w", region: "local-a", config }, forever);
  const machineFolder = join(dataDir, "machines", "m", id);
  mkdirSync(machineFolder, { recursive: true });
  // Whoever waits has waited long enough.
  const impatient: Clock = { ...clock, after: (_delayMs, fire) => fire() };
  const check = leakCheck({
    paths: dataPathsFor(dataDir),
    cluster: CLUSTER,
    machines: { machines, apps },
    clock: impatient,
  });
  return { machines, id, machineFolder, look: () => check.look(forever) };
}

test("what belongs to a Machine is no leak, what is left of one that is gone is", async () => {
  const { machines, id, machineFolder, look } = await withOneMachine();
  expect(await look()).toEqual({ outcome: "ok", observed: "none" });

  await machines.destroy("a", id, true, forever);
  expect(await look()).toEqual({ outcome: "failed", observed: `folder ${machineFolder}` });
});
