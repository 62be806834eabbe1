import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type ContractWorld,
  clear,
  codeOf,
  configOf,
  eventually,
  forever,
  freshName,
  launch,
  launched,
  type OpenWorld,
  reached,
  shell,
} from "./world.ts";

const TIMEOUT_MS = 60_000;

interface Options {
  /** Why this implementation cannot be tried here. */
  readonly skip?: string | undefined;
  /** What it does with commands; tests that need more are left out and say so. */
  readonly programs: ContractWorld["programs"];
}

/** What every implementation of `Machines` promises. */
export function machinesContract(name: string, open: OpenWorld, options: Options): void {
  if (options.skip !== undefined) {
    test.skip(`Machines, ${name}: ${options.skip}`, () => {});
    return;
  }
  describe(`Machines, ${name}`, () => {
    let world: ContractWorld;
    beforeAll(async () => {
      world = await open();
    }, TIMEOUT_MS);
    afterAll(async () => {
      await clear(world);
      await world.close();
    }, TIMEOUT_MS);
    const given = (): ContractWorld => world;

    launching(given);
    reading(given);
    waiting(given);
    startingAndStopping(given);
    changing(given);
    ending(given);
    if (options.programs === "real") programs(given);
    else test.skip(`signals, graces and exit codes: ${name} runs no real programs`, () => {});
    if (options.programs === "none") test.skip(`exec: ${name} runs no programs`, () => {});
    else executing(given);
  });
}

type Given = () => ContractWorld;

function it(what: string, body: () => Promise<void>): void {
  test(what, body, TIMEOUT_MS);
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

function changing(given: Given): void {
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

function ending(given: Given): void {
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

function executing(given: Given): void {
  it("exec gives output and exit code, also of a command that fails", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    const exec = (...command: readonly string[]) =>
      machines.exec(app, id, { command, timeoutSeconds: 20 }, forever);

    expect(await exec("echo", "hello")).toMatchObject({ exit_code: 0, stdout: "hello\n" });
    expect(await exec("sh", "-c", "exit 3")).toMatchObject({ exit_code: 3, stdout: "" });
    const fed = { command: ["cat"], stdin: "fed", timeoutSeconds: 20 };
    expect(await machines.exec(app, id, fed, forever)).toMatchObject({ stdout: "fed" });
  });

  it("exec in a Machine that does not run is a Conflict", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    await machines.stop(app, id, { timeoutSeconds: 5 }, forever);
    await reached(world, id, "stopped");
    const request = { command: ["true"], timeoutSeconds: 5 };

    expect(await codeOf(machines.exec(app, id, request, forever))).toBe("Conflict");
  });
}

/** Resolves once the script has set its traps and touched `/ready`. */
function scriptReady({ machines, app }: ContractWorld, id: string): Promise<boolean> {
  return eventually(async () => {
    const probe = { command: ["ls", "/ready"], timeoutSeconds: 5 };
    const { exit_code } = await machines.exec(app, id, probe, forever);
    return exit_code === 0 ? true : undefined;
  });
}

function programs(given: Given): void {
  it("a program's exit code stands in the exit event", async () => {
    const world = given();
    const { id } = await launched(world, configOf(world, { exec: shell("exit 3") }), "stopped");
    const { events } = await world.machines.get(world.app, id, forever);
    const exit = events.find(({ type }) => type === "exit")?.request?.exit_event;

    expect(exit?.exit_code).toBe(3);
    expect([exit?.requested_stop, exit?.oom_killed]).toEqual([false, false]);
  });

  it("a signal reaches the program", async () => {
    const world = given();
    const { machines, app } = world;
    const script = "trap 'exit 42' USR1; touch /ready; while :; do sleep 0.1; done";
    const { id } = await launched(world, configOf(world, { exec: shell(script) }));
    await scriptReady(world, id);
    await machines.signal(app, id, "SIGUSR1", forever);
    await reached(world, id, "stopped");

    const { events } = await machines.get(app, id, forever);
    expect(events.find(({ type }) => type === "exit")?.request?.exit_event?.exit_code).toBe(42);
  });

  it("a program that does not stop is killed when its grace is over", async () => {
    const world = given();
    const { machines, app } = world;
    const script = "trap '' TERM; touch /ready; while :; do sleep 0.1; done";
    const { id } = await launched(world, configOf(world, { exec: shell(script) }));
    await scriptReady(world, id);
    const startedMs = Date.now();
    await machines.stop(app, id, { signal: "SIGTERM", timeoutSeconds: 2 }, forever);
    await reached(world, id, "stopped");

    expect(Date.now() - startedMs).toBeGreaterThan(1_500);
    const { events } = await machines.get(app, id, forever);
    const exit = events.find(({ type }) => type === "exit")?.request?.exit_event;
    expect(exit?.requested_stop).toBe(true);
  });

  it("a Machine with one image is the special case of one with containers", async () => {
    const world = given();
    const config = {
      image: world.image,
      init: { exec: shell("echo $GREETING; exit 0") },
      env: { GREETING: "hi" },
      restart: { policy: "no" },
    } as const;
    const { id } = await launched(world, config, "stopped");

    expect((await world.machines.get(world.app, id, forever)).state).toBe("stopped");
  });

  it("exec keeps standard error apart and ends what takes too long", async () => {
    const world = given();
    const { machines, app } = world;
    const { id } = await launched(world);
    const command = shell("echo out; echo err >&2");
    expect(await machines.exec(app, id, { command, timeoutSeconds: 20 }, forever)).toMatchObject({
      stdout: "out\n",
      stderr: "err\n",
    });

    const slow = { command: ["sleep", "30"], timeoutSeconds: 1 };
    expect(await codeOf(machines.exec(app, id, slow, forever))).toBe("Unavailable");
  });
}
