import { describe, expect, test } from "bun:test";
import { appWorld } from "#test/fakes/app-world.ts";
import { FksError } from "../errors.ts";
import { APP_FINALIZER, APP_LABEL, appNameFor } from "./app-name.ts";
import { namespaceReconciler } from "./namespace-reconciler.ts";

const forever = new AbortController().signal;
const FLYCAST = { type: "private_v6", service_name: "web" } as const;

async function unreachable(): Promise<never> {
  throw new FksError("Unavailable", "the Machines API is away");
}

describe("a namespace", () => {
  test("has label and finalizer at once, and an App only with its first Pod", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    await world.reconcile("shop");

    const found = world.namespaces.find("shop");
    const app = appNameFor({ name: "shop", uid: found?.metadata.uid ?? "" }, "cluster-1");
    expect(found?.metadata.labels).toEqual({ [APP_LABEL]: app });
    expect(found?.metadata.finalizers).toEqual([APP_FINALIZER]);
    expect(await world.appNames()).toEqual([]);

    expect(await world.ensure("shop")).toBe(app);
    expect(await world.appNames()).toEqual([app]);
  });

  test("whose label was taken away gets it back", async () => {
    const world = appWorld();
    await world.reconcile("default");
    const before = world.namespaces.find("default");
    world.namespaces.label("default", { [APP_LABEL]: "" });
    await world.reconcile("default");
    expect(world.namespaces.find("default")).toEqual(before);
  });

  test("gets no App once it is being deleted, unless it can be cleaned up", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    world.namespaces.delete("shop");
    expect(await world.ensure("shop").catch((error: unknown) => error)).toMatchObject({
      code: "Conflict",
      message: 'namespace "shop" is being deleted',
    });
    expect(await world.appNames()).toEqual([]);
  });

  test("that goes takes Machines, addresses and its App with it, once no Pod is left", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    const app = await world.ensure("shop");
    await world.machine(app, "shop");
    await world.addresses.assign(app, FLYCAST, forever);
    world.namespaces.delete("shop");
    await world.reconcile("shop");
    expect(world.world.all()).toHaveLength(1);

    world.namespaces.empty("shop");
    for (let i = 0; i < 3; i += 1) await world.reconcile("shop");
    expect(world.world.all()).toEqual([]);
    expect(world.addresses.all()).toEqual([]);
    expect(await world.appNames()).toEqual([]);
    expect(world.namespaces.find("shop")).toBeUndefined();
  });

  test("leaves its App to the volumes that are to stay, once those that are not have gone", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    const app = await world.ensure("shop");
    const request = { name: "data", region: "local-a", size_gb: 1 };
    const [going, kept, unknown] = await Promise.all(
      [1, 2, 3].map(() => world.volumes.create(app, request, forever)),
    );
    world.policies.set(going?.id ?? "", "Delete").set(kept?.id ?? "", "Retain");
    world.namespaces.delete("shop");
    world.namespaces.empty("shop");
    for (let i = 0; i < 3; i += 1) await world.reconcile("shop");
    expect(world.namespaces.find("shop")).toBeDefined();

    await world.volumes.destroy(app, going?.id ?? "", forever);
    await world.reconcile("shop");
    expect(world.namespaces.find("shop")).toBeUndefined();
    expect(await world.appNames()).toEqual([app]);
    expect(world.volumes.all()).toMatchObject([{ id: kept?.id }, { id: unknown?.id }]);
    expect(world.told).toMatchObject([{ reason: "AppKept" }]);
  });

  test("keeps its finalizer while the Machines API is away, and says why", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    await world.ensure("shop");
    world.namespaces.delete("shop");
    world.namespaces.empty("shop");
    const reconcile = namespaceReconciler({
      ...world,
      machines: { ...world.machines, list: unreachable },
    });

    expect(await reconcile("shop", forever).catch((e: unknown) => e)).toMatchObject({
      code: "Unavailable",
    });
    expect(world.namespaces.find("shop")?.metadata.finalizers).toEqual([APP_FINALIZER]);
    expect(world.told).toEqual([
      { type: "Warning", reason: "AppNotCleaned", message: "the Machines API is away" },
    ]);
    await world.reconcile("shop");
    expect(world.namespaces.find("shop")).toBeUndefined();
  });

  test("nothing goes on the word of another control plane", async () => {
    const world = appWorld();
    world.namespaces.make("shop");
    await world.ensure("shop");
    world.namespaces.delete("shop");
    world.namespaces.empty("shop");
    const reconcile = namespaceReconciler({ ...world, clusterUid: "cluster-9" });

    expect(await reconcile("shop", forever).catch((e: unknown) => e)).toMatchObject({
      code: "Conflict",
    });
    expect(await world.appNames()).toHaveLength(1);
  });
});

describe("an App that a label names", () => {
  test("is adopted, and only what is the namespace's goes with the namespace", async () => {
    const world = appWorld();
    await world.apps.create("my-shop", forever);
    const { id } = await world.machine("my-shop");
    const whole = await world.addresses.assign("my-shop", { type: "private_v6" }, forever);
    world.namespaces.make("shop", { [APP_LABEL]: "my-shop" });
    await world.reconcile("shop");
    expect(await world.ensure("shop")).toBe("my-shop");

    await world.machine("my-shop", "shop");
    await world.addresses.assign("my-shop", FLYCAST, forever);
    world.namespaces.delete("shop");
    world.namespaces.empty("shop");
    for (let i = 0; i < 3; i += 1) await world.reconcile("shop");

    expect(world.namespaces.find("shop")).toBeUndefined();
    expect(await world.appNames()).toEqual(["my-shop"]);
    expect(world.world.all().map(({ machine }) => machine.id)).toEqual([id]);
    expect(world.addresses.all().map(({ ip }) => ip)).toEqual([whole.ip]);
  });

  test.each([
    [
      "is not there",
      async () => {},
      'App "my-shop" does not exist: create it, or remove the label',
    ],
    [
      "has another cluster's Machines",
      async (world: ReturnType<typeof appWorld>) => {
        await world.apps.create("my-shop", forever);
        await world.machine("my-shop", "shop", "cluster-2");
      },
      'App "my-shop" belongs to another cluster',
    ],
    [
      "is an older namespace's",
      async (world: ReturnType<typeof appWorld>) => {
        await world.apps.create("my-shop", forever);
        world.namespaces.label("default", { [APP_LABEL]: "my-shop" });
      },
      'App "my-shop" is namespace "default"\'s',
    ],
  ])("and %s is refused by name", async (_what, prepare, why) => {
    const world = appWorld();
    await prepare(world);
    world.namespaces.make("shop", { [APP_LABEL]: "my-shop" });
    await world.reconcile("shop");

    const message = `label fly.io/app of namespace "shop": ${why}`;
    expect(world.told).toEqual([{ type: "Warning", reason: "AppRefused", message }]);
    expect(await world.ensure("shop").catch((error: unknown) => error)).toMatchObject({
      code: "InvalidInput",
      message,
    });
    expect(world.namespaces.find("shop")?.metadata.finalizers).toEqual([]);
  });
});
