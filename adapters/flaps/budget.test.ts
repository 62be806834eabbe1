import { expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { callBudget } from "./budget.ts";

const forever = new AbortController().signal;
const CREATE = { action: "create", id: "fks-default" };

function budgetWithClock(enabled = true) {
  const clock = fakeClock();
  const budget = callBudget({ clock, enabled });
  const granted: number[] = [];
  const ask = (call = CREATE, name = granted.length, signal = forever) =>
    budget.take(call, signal).then(() => granted.push(name));
  return { clock, budget, granted, ask };
}

/** Lets what is ready go on, without any time passing. */
const settled = () => new Promise(setImmediate);

test("three creates go at once, the rest one a second after them, in order", async () => {
  const { clock, ask, granted } = budgetWithClock();
  for (let name = 0; name < 6; name += 1) void ask(CREATE, name);

  await settled();
  expect(granted).toEqual([0, 1, 2]);
  clock.advance(1_249);
  await settled();
  expect(granted).toEqual([0, 1, 2]);
  clock.advance(1);
  await settled();
  expect(granted).toEqual([0, 1, 2, 3]);
  clock.advance(1_000);
  await settled();
  expect(granted).toEqual([0, 1, 2, 3, 4]);
  clock.advance(1_000);
  await settled();
  expect(granted).toEqual([0, 1, 2, 3, 4, 5]);
});

test("two hundred creates use 97 % of what is allowed, and never more", async () => {
  const { clock, ask, granted } = budgetWithClock();
  for (let name = 0; name < 200; name += 1) void ask(CREATE, name);

  let elapsedS = 0;
  for (; granted.length < 200; elapsedS += 0.05) {
    clock.advance(50);
    await settled();
    expect(granted.length).toBeLessThanOrEqual(3 + elapsedS + 0.05);
  }
  expect(200 / (3 + elapsedS)).toBeGreaterThan(0.97);
});

test("one Machine may be read ten times at once, then five times a second", async () => {
  const { clock, ask, granted } = budgetWithClock();
  for (let name = 0; name < 20; name += 1) void ask({ action: "get", id: "m" }, name);

  await settled();
  expect(granted).toHaveLength(10);
  clock.advance(450);
  await settled();
  expect(granted).toHaveLength(11);
  clock.advance(200);
  await settled();
  expect(granted).toHaveLength(12);
});

test("one key's queue holds up no other key", async () => {
  const { ask, granted } = budgetWithClock();
  for (let name = 0; name < 9; name += 1) void ask(CREATE, name);
  void ask({ action: "create", id: "fks-other" }, 100);
  void ask({ action: "list", id: "fks-default" }, 101);

  await settled();
  expect(granted).toEqual([0, 1, 2, 100, 101]);
});

test("Retry-After pauses its key, also with the budget off, and is followed by one call", async () => {
  for (const enabled of [true, false]) {
    const { clock, budget, ask, granted } = budgetWithClock(enabled);
    budget.pause(CREATE, 5_000);
    void ask(CREATE, 0);
    void ask({ action: "get", id: "m" }, 1);

    await settled();
    expect(granted).toEqual([1]);
    clock.advance(5_000);
    await settled();
    expect(granted).toEqual([1, 0]);
  }
});

test("who gives up waiting leaves the place to the next", async () => {
  const { clock, ask, granted } = budgetWithClock();
  const impatient = new AbortController();
  for (let name = 0; name < 3; name += 1) void ask(CREATE, name);
  const given = ask(CREATE, 3, impatient.signal).catch((error: unknown) => error);
  void ask(CREATE, 4);

  impatient.abort(new Error("the Pod is gone"));
  expect(await given).toEqual(new Error("the Pod is gone"));
  clock.advance(1_250);
  await settled();
  expect(granted).toEqual([0, 1, 2, 4]);
});

test("the queue of one key has an end", async () => {
  const { ask } = budgetWithClock();
  for (let name = 0; name < 2_003; name += 1) void ask(CREATE, name);

  const refused = await ask().catch((error: unknown) => error);
  expect(FksError.is(refused, "RateLimited")).toBe(true);
});

test("with the budget off everything goes at once", async () => {
  const { ask, granted } = budgetWithClock(false);
  for (let name = 0; name < 50; name += 1) void ask(CREATE, name);

  await settled();
  expect(granted).toHaveLength(50);
});
