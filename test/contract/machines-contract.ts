import { expect } from "bun:test";
import { machineChanges } from "./machine-changes.ts";
import { machinePrograms } from "./machine-programs.ts";
import { it, type ProgramOptions, suite } from "./suite.ts";
import {
  type ContractWorld,
  codeOf,
  configOf,
  eventually,
  forever,
  freshName,
  launch,
  launched,
  type OpenWorld,
  reached,
} from "./world.ts";

type Given = () => ContractWorld;

/** What every implementation of `Machines` promises. */
export function machinesContract(name: string, open: OpenWorld, options: ProgramOptions): void {
  suite(`Machines, ${name}`, open, options, (given) => {
    launching(given);
    reading(given);
    waiting(given);
    machineChanges(given);
    machinePrograms(name, given, options);
  });
}

function launching(given: Given): void {
  it("a Machine that is created gets an identity and an address, and starts", async () => {
    const world = given();
    const name = freshName(world);
    const config = configOf(world, {}, { metadata: { color: "green" } });
    const created = await world.machines.create(
      world.app,
      { name, region: world.region, config },
      forever,
    );

    expect(created.id).toMatch(/^[0-9a-f]{14}$/);
    expect(created.instance_id).toHaveLength(26);
    expect(created.private_ip).toMatch(/^fdaa:/);
    expect([created.name, created.region]).toEqual([name, world.region]);
    expect(["created", "starting", "started"]).toContain(created.state);
    expect(created.config?.metadata).toMatchObject({ color: "green" });
    expect(await reached(world, created.id, "started")).toBe("started");
  });

  it("a name is taken as long as its Machine is there", async () => {
    const world = given();
    const { machines, app, region } = world;
    const request = { name: freshName(world), region, config: configOf(world) };
    const first = await machines.create(app, request, forever);
    expect(await codeOf(machines.create(app, request, forever))).toBe("Conflict");

    await machines.destroy(app, first.id, true, forever);
    await reached(world, first.id, "destroyed");
    const second = await eventually(() =>
      machines.create(app, request, forever).catch(() => undefined),
    );
    expect(second.id).not.toBe(first.id);
  });

  it("two creates of one name at once give one Machine", async () => {
    const world = given();
    const { machines, app, region } = world;
    const request = { name: freshName(world), region, config: configOf(world) };
    const answers = await Promise.allSettled(
      [1, 2, 3].map(() => machines.create(app, request, forever)),
    );

    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("an App that is not there is NotFound, a config without an image InvalidInput", async () => {
    const world = given();
    const { machines, app, region } = world;
    const request = { name: freshName(world), region, config: configOf(world) };

    expect(await codeOf(machines.create(`no-${world.run}`, request, forever))).toBe("NotFound");
    expect(await codeOf(machines.create(app, { ...request, config: {} }, forever))).toBe(
      "InvalidInput",
    );
  });

  it("with skip_launch a Machine is made and stays stopped until it is started", async () => {
    const world = given();
    const request = { name: freshName(world), region: world.region, config: configOf(world) };
    const { id } = await world.machines.create(
      world.app,
      { ...request, skip_launch: true },
      forever,
    );
    expect(await reached(world, id, "stopped")).toBe("stopped");

    await world.machines.start(world.app, id, forever);
    expect(await reached(world, id, "started")).toBe("started");
  });

  it("a wrong token is Unauthorized", async () => {
    const { stranger, app } = given();
    if (stranger === undefined) return;
    expect(await codeOf(stranger.machines.list(app, {}, forever))).toBe("Unauthorized");
  });

  it("a call that was given up rejects with the reason", async () => {
    const { machines, app } = given();
    const reason = new Error("not any more");
    expect(await codeOf(machines.list(app, {}, AbortSignal.abort(reason)))).toBe(reason);
  });
}

function reading(given: Given): void {
  it("a list gives the Machines that carry all of the metadata", async () => {
    const world = given();
    const labelled = async (metadata: Record<string, string>): Promise<string> =>
      (await launch(world, configOf(world, {}, { metadata }))).id;
    const run = world.run;
    const both = await labelled({ run, tier: "web", "odd key": "a=b&c/ü" });
    const one = await labelled({ run, tier: "db" });
    const list = async (metadata: Record<string, string>): Promise<readonly string[]> =>
      (await world.machines.list(world.app, metadata, forever)).map(({ id }) => id).toSorted();

    expect(await list({ run })).toEqual([both, one].toSorted());
    expect(await list({ run, tier: "web" })).toEqual([both]);
    expect(await list({ "odd key": "a=b&c/ü" })).toEqual([both]);
    expect(await list({ run, tier: "mail" })).toEqual([]);
  });

  it("a list leaves destroyed Machines out", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    await machines.destroy(app, id, true, forever);
    await reached(world, id, "destroyed");

    expect((await machines.list(app, {}, forever)).map((machine) => machine.id)).not.toContain(id);
  });

  it("what is not there is NotFound", async () => {
    const { machines, app, run } = given();
    const id = "0000000000ffff";

    expect(await codeOf(machines.get(app, id, forever))).toBe("NotFound");
    expect(await codeOf(machines.list(`no-${run}`, {}, forever))).toBe("NotFound");
    expect(await codeOf(machines.start(app, id, forever))).toBe("NotFound");
    expect(
      await codeOf(machines.wait(app, id, { states: ["started"], timeoutSeconds: 1 }, forever)),
    ).toBe("NotFound");
  });

  it("events tell newest first of the launch and the start", async () => {
    const world = given();
    const { id } = await launched(world);
    const { events } = await world.machines.get(world.app, id, forever);
    const types = events.map(({ type }) => type);

    expect(types.at(0)).toBe("start");
    expect(types.indexOf("start")).toBeLessThan(types.indexOf("launch"));
  });
}

function waiting(given: Given): void {
  it("a wait resolves when one of its states comes, and tells which", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    const waited = machines.wait(
      app,
      id,
      { states: ["stopped", "failed"], timeoutSeconds: 30 },
      forever,
    );
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);

    expect(await waited).toBe("stopped");
  });

  it("a wait that runs out gives nothing", async () => {
    const world = given();
    const { id } = await launched(world);
    const request = { states: ["stopped"], timeoutSeconds: 1 } as const;

    expect(await world.machines.wait(world.app, id, request, forever)).toBeUndefined();
  });

  it("a wait for one version does not take another for it", async () => {
    const world = given();
    const { machines, app } = world;
    const { id, instance_id: old } = await launched(world);
    const updated = await machines.update(app, id, { config: configOf(world) }, forever);
    await reached(world, id, "started");
    const waited = (instanceId: string) =>
      machines.wait(app, id, { states: ["started"], timeoutSeconds: 2, instanceId }, forever);

    expect(await waited(updated.instance_id)).toBe("started");
    expect(await waited(old)).toBeUndefined();
  });

  it("a wait ends when nobody waits any more", async () => {
    const world = given();
    const { id } = await launched(world);
    const stop = new AbortController();
    const waited = codeOf(
      world.machines.wait(world.app, id, { states: ["stopped"], timeoutSeconds: 60 }, stop.signal),
    );
    const reason = new Error("the Pod is gone");
    stop.abort(reason);

    expect(await waited).toBe(reason);
  });

  it("gone counts as destroyed for those who wait for it", async () => {
    const world = given();
    const { id } = await launched(world);
    await world.machines.destroy(world.app, id, true, forever);

    expect(await reached(world, id, "destroyed")).toBe("destroyed");
    expect(await reached(world, "0000000000ffff", "destroyed")).toBe("destroyed");
  });
}
