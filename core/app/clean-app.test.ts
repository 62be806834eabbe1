import { expect, test } from "bun:test";
import { appWorld } from "#test/fakes/app-world.ts";
import { FksError } from "../errors.ts";
import { cleanApp } from "./clean-app.ts";

const forever = new AbortController().signal;

async function refuse(): Promise<never> {
  throw new FksError("Forbidden", "no");
}

/** The platform refuses everything about Machines, as it does with a weak token or an unpaid bill. */
function refusing() {
  const world = appWorld();
  return { ...world, machines: { ...world.machines, list: refuse } };
}

test("a refusal is no proof that an App is gone", async () => {
  const world = refusing();
  await world.apps.create("fks-shop-1", forever);
  expect(await cleanApp(world, { app: "fks-shop-1" }, forever).catch(String)).toContain("no");
  const adopted = { app: "fks-shop-1", adoptedBy: "shop" };
  expect(await cleanApp(world, adopted, forever).catch(String)).toContain("no");
});

test("in an App that a label named and that is not among ours, nothing is ours", async () => {
  const adopted = { app: "somebody-elses", adoptedBy: "shop" };
  expect(await cleanApp(refusing(), adopted, forever)).toBe("gone");
});
