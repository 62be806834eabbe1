import { expect, test } from "bun:test";
import { appWorld } from "#test/fakes/app-world.ts";
import { appNameFor } from "./app-name.ts";
import { appSweeper } from "./app-sweep.ts";

const forever = new AbortController().signal;

test("an App without a namespace goes after two looks a minute apart, others stay", async () => {
  const world = appWorld();
  const leaked = appNameFor({ name: "shop", uid: "gone" }, "cluster-1");
  const theirs = appNameFor({ name: "shop", uid: "gone" }, "cluster-2");
  for (const app of [leaked, theirs, "my-shop"]) await world.apps.create(app, forever);
  const kept = await world.ensure("default");
  const sweep = appSweeper(world);

  await sweep(forever);
  world.clock.advance(59_000);
  await sweep(forever);
  expect(await world.appNames()).toContain(leaked);

  world.clock.advance(1_000);
  await sweep(forever);
  expect(await world.appNames()).toEqual([theirs, "my-shop", kept]);
});

test("a look that could not read everything removes nothing", async () => {
  const world = appWorld();
  const leaked = appNameFor({ name: "shop", uid: "gone" }, "cluster-1");
  await world.apps.create(leaked, forever);
  const failing = {
    ...world.namespaces,
    list: (): Promise<never> => Promise.reject(new Error("no list")),
  };
  const sweep = appSweeper({ ...world, namespaces: failing });
  for (let i = 0; i < 3; i += 1) {
    await sweep(forever).catch(() => {});
    world.clock.advance(60_000);
  }
  expect(await world.appNames()).toEqual([leaked]);
});
