import { expect, test } from "bun:test";
import { it, type ProgramOptions } from "./suite.ts";
import {
  type ContractWorld,
  codeOf,
  configOf,
  eventually,
  forever,
  launched,
  reached,
  shell,
} from "./world.ts";

type Given = () => ContractWorld;

/** What programs inside a Machine do, as far as this implementation runs them. */
export function machinePrograms(name: string, given: Given, options: ProgramOptions): void {
  executing(given);
  if (options.programs === "real") running(given);
  else test.skip(`signals, graces and exit codes: ${name} runs no real programs`, () => {});
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

function running(given: Given): void {
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

/** Resolves once the script has set its traps and touched `/ready`. */
function scriptReady({ machines, app }: ContractWorld, id: string): Promise<boolean> {
  return eventually(async () => {
    const probe = { command: ["ls", "/ready"], timeoutSeconds: 5 };
    const { exit_code } = await machines.exec(app, id, probe, forever);
    return exit_code === 0 ? true : undefined;
  });
}
