import { expect } from "bun:test";
import { it } from "./suite.ts";
import { type ContractWorld, codeOf, configOf, forever, launched, reached } from "./world.ts";

type Given = () => ContractWorld;

/** What becomes of a Machine that is started, stopped, updated or destroyed. */
export function machineChanges(given: Given): void {
  startingAndStopping(given);
  updating(given);
  destroying(given);
}

function startingAndStopping(given: Given): void {
  it("a started Machine is started again without harm, a stopped one runs anew", async () => {
    const world = given();
    const { machines, app } = world;
    const { id, private_ip } = await launched(world);
    await machines.start(app, id, forever);
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);
    await reached(world, id, "stopped");
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);

    await machines.start(app, id, forever);
    await reached(world, id, "started");
    expect((await machines.get(app, id, forever)).private_ip).toBe(private_ip);
  });

  it("a restart ends in started", async () => {
    const world = given();
    const { id } = await launched(world);
    await world.machines.restart(world.app, id, forever);

    expect(await reached(world, id, "started")).toBe("started");
  });
}

function updating(given: Given): void {
  it("an update replaces the config and gives a new version", async () => {
    const world = given();
    const { machines, app } = world;
    const before = await launched(world, configOf(world, {}, { metadata: { a: "1", b: "2" } }));
    const config = configOf(world, {}, { metadata: { a: "3" } });
    const request = { config, current_version: before.instance_id };
    const after = await machines.update(app, before.id, request, forever);
    await reached(world, before.id, "started");

    expect(after.instance_id).not.toBe(before.instance_id);
    expect(after.private_ip).toBe(before.private_ip);
    const read = await machines.get(app, before.id, forever);
    expect([read.config?.metadata?.["a"], read.config?.metadata?.["b"]]).toEqual(["3", undefined]);
    expect(await codeOf(machines.update(app, before.id, request, forever))).toBe("Conflict");
  });

  it("an update leaves a stopped Machine stopped", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);
    await reached(world, id, "stopped");
    await machines.update(app, id, { config: configOf(world) }, forever);

    expect(await reached(world, id, "started", "stopped")).toBe("stopped");
  });

  it("metadata is set one by one, without a new version", async () => {
    const world = given();
    const { machines, app } = world;
    const before = await launched(world, configOf(world, {}, { metadata: { kept: "yes" } }));
    await machines.setMetadata(app, before.id, "fks/hash", "abc", forever);
    const after = await machines.get(app, before.id, forever);

    expect(after.config?.metadata).toMatchObject({ kept: "yes", "fks/hash": "abc" });
    expect(after.instance_id).toBe(before.instance_id);
    const found = await machines.list(app, { "fks/hash": "abc" }, forever);
    expect(found.map(({ id }) => id)).toEqual([before.id]);
  });
}

function destroying(given: Given): void {
  it("a started Machine is destroyed by force only, and twice is once", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    expect(await codeOf(machines.destroy(app, id, false, forever))).toBe("Conflict");

    await machines.destroy(app, id, true, forever);
    await reached(world, id, "destroyed");
    await machines.destroy(app, id, true, forever);
    await machines.destroy(app, "0000000000ffff", true, forever);
  });

  it("a stopped Machine is destroyed without force", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);
    await reached(world, id, "stopped");
    await machines.destroy(app, id, false, forever);

    expect(await reached(world, id, "destroyed")).toBe("destroyed");
  });
}
