import { expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import type { MachineChange } from "#core/fly/machine-protocol.ts";
import { fakeClock } from "./clock.ts";
import { faulty, randomFrom } from "./faulty.ts";
import { memoryWorld } from "./machines.ts";

const forever = new AbortController().signal;
const AWAITING = { image: "busybox", metadata: { fks_awaits: "bundle" } };

function world(stepMs = 0) {
  const clock = fakeClock();
  return { clock, ...memoryWorld({ clock, stepMs, apps: ["a"] }) };
}

test("a Machine that awaits a bundle runs its containers once it came", async () => {
  const { machines, protocol } = world();
  const { id } = await machines.create("a", { name: "w", region: "l", config: AWAITING }, forever);

  const before = await protocol.report({ app: "a", id }, forever);
  await protocol.deliver({ app: "a", id }, { containers: {}, volumes: {} }, forever);
  const after = await protocol.report({ app: "a", id }, forever);

  expect([before.awaits, after.awaits]).toEqual(["bundle", undefined]);
  expect(before.containers[0]?.state.waiting?.reason).toBe("ContainerCreating");
  expect(after.containers[0]?.state.running).toBeDefined();
  expect(after.events.map(({ reason }) => reason)).toEqual(["Pulled", "Created", "Started"]);
});

test("with a step time a Machine takes one step after the other", async () => {
  const { machines, clock } = world(100);
  const { id } = await machines.create(
    "a",
    { name: "w", region: "l", config: { image: "busybox" } },
    forever,
  );
  const states: string[] = [];
  for (let step = 0; step < 3; step += 1) {
    states.push((await machines.get("a", id, forever)).state);
    clock.advance(100);
  }

  expect(states).toEqual(["created", "starting", "started"]);
});

test("the change stream tells what is, that it is synced, and what changes", async () => {
  const { machines, protocol, destroy } = world();
  const { id } = await machines.create("a", { name: "w", region: "l", config: AWAITING }, forever);
  const seen: MachineChange[] = [];
  const stop = new AbortController();

  for await (const change of protocol.watch(stop.signal)) {
    seen.push(change);
    if (change.type === "synced") destroy(id);
    if (change.type === "gone") stop.abort();
  }

  expect(seen.map(({ type }) => type)).toEqual([
    "machine",
    "synced",
    "machine",
    "machine",
    "machine",
    "gone",
  ]);
});

test("a lost answer was obeyed, a lost call was not", async () => {
  const { machines, all } = world();
  const faults = { lostThere: 0, lostBack: 1, doubled: 0 };
  const broken = faulty(machines, faults, randomFrom(7));
  const request = { name: "w", region: "l", config: AWAITING };

  const answerLost = await broken.create("a", request, forever).catch((error: unknown) => error);
  faults.lostBack = 0;
  faults.lostThere = 1;
  const callLost = await broken
    .create("a", { ...request, name: "x" }, forever)
    .catch((error: unknown) => error);

  expect(FksError.is(answerLost, "Unavailable")).toBe(true);
  expect(FksError.is(callLost, "Unavailable")).toBe(true);
  expect(all().map(({ machine }) => machine.name)).toEqual(["w"]);
});
