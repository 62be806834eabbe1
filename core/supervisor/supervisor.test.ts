import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { fakeProcesses } from "#test/fakes/processes.ts";
import { FksError } from "../errors.ts";
import { type ChildDeath, type ChildSpec, stopBudgetMs } from "./child.ts";
import { supervisor } from "./supervisor.ts";

const child = (name: string, ...after: string[]): ChildSpec => ({
  name,
  command: [name],
  env: {},
  after,
  probe: { kind: "unix-socket", path: name },
  startTimeoutMs: 20_000,
  graceMs: 5_000,
});

/** Lets everything happen that needs no time: a few deaths, one after the other. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

function worldOf(children: readonly ChildSpec[], onFirstReady?: (name: string) => Promise<void>) {
  const processes = fakeProcesses();
  const clock = fakeClock();
  const log = memoryLog();
  const stop = new AbortController();
  const atOnce = new AbortController();
  const parts = supervisor(children, {
    processes,
    clock,
    log,
    atOnce: atOnce.signal,
    ...(onFirstReady === undefined ? {} : { onFirstReady }),
  });
  const state = (name: string) => parts.report().find((report) => report.name === name);
  const advance = async (ms: number, stepMs = 250): Promise<void> => {
    await settle();
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await settle();
    }
  };
  return { processes, clock, log, stop, atOnce, parts, state, advance };
}

test("children start once those before them are ready, and stop in reverse", async () => {
  const { processes, parts, stop, advance, state } = worldOf([
    child("kine"),
    child("apiserver", "kine"),
    child("scheduler", "apiserver"),
  ]);
  processes.answer("kine", { outcome: "unready", reason: "opens its database" });
  const end = parts.run(stop.signal);
  await advance(500);

  expect(processes.history).toEqual(["start kine"]);
  expect(state("kine")).toMatchObject({ state: "starting", reason: "opens its database" });
  expect(state("apiserver")?.reason).toBe("waits for kine");
  processes.answer("kine", { outcome: "ready" });
  await advance(500);
  expect(processes.history).toEqual(["start kine", "start apiserver", "start scheduler"]);
  expect(state("scheduler")).toMatchObject({ state: "running", ready: true });

  processes.history.length = 0;
  stop.abort();
  await end;
  expect(processes.history).toEqual(
    ["scheduler", "apiserver", "kine"].flatMap((name) => [`SIGTERM ${name}`, `gone ${name}`]),
  );
  expect(parts.report().map((report) => report.state)).toEqual(["stopped", "stopped", "stopped"]);
});

test("a first step is done before those after it start, and its failure stops everything", async () => {
  const done: string[] = [];
  const { processes, parts, stop, advance } = worldOf(
    [child("apiserver"), child("kubelet", "apiserver")],
    (name) => {
      done.push(...processes.history, `ready ${name}`);
      return name === "kubelet" ? Promise.reject(new Error("disk full")) : Promise.resolve();
    },
  );
  const end = parts.run(stop.signal).catch(String);
  await advance(500);

  expect(await end).toBe("Error: disk full");
  expect(done.slice(0, 3)).toEqual(["start apiserver", "ready apiserver", "start apiserver"]);
  expect(processes.started.every(({ isAlive }) => !isAlive)).toBe(true);
});

test("the failure of a first step is told when the child is gone, not before", async () => {
  const { processes, parts, stop } = worldOf([child("k3s")], () =>
    Promise.reject(new Error("disk full")),
  );

  expect(await parts.run(stop.signal).catch(String)).toBe("Error: disk full");
  expect(processes.history).toEqual(["start k3s", "SIGKILL k3s", "gone k3s"]);
});

/** A world of two children whose first has a first step that ends when a test says so. */
async function worldInFirstStep() {
  const step = Promise.withResolvers<void>();
  const taken: string[] = [];
  const world = worldOf([child("k3s"), child("kubelet", "k3s")], (name) => {
    taken.push(name);
    return name === "k3s" ? step.promise : Promise.resolve();
  });
  const end = world.parts.run(world.stop.signal).then(() => "stopped", String);
  await world.advance(250);
  return { ...world, end, step, taken };
}

test("a first step is taken to its end, also when its child dies meanwhile", async () => {
  const { processes, stop, advance, state, end, step, taken } = await worldInFirstStep();
  processes.newest("k3s").exit({ exitCode: 1 });
  await advance(1_000);
  expect(processes.history).toEqual(["start k3s", "gone k3s"]);
  step.resolve();
  await advance(500);

  expect(processes.history.slice(2)).toEqual(["start kubelet", "start k3s"]);
  expect(taken).toEqual(["k3s", "kubelet"]);
  expect(state("k3s")).toMatchObject({ ready: true, restarts: 1 });
  stop.abort();
  expect(await end).toBe("stopped");
});

test.each(["dies", "is restarted", "is stopped"])(
  "a first step that fails is told, also when its child %s meanwhile",
  async (how) => {
    const { processes, parts, stop, advance, end, step } = await worldInFirstStep();
    if (how === "dies") processes.newest("k3s").exit({ exitCode: 1 });
    else if (how === "is restarted") parts.restart("k3s", "its certificates are old");
    else stop.abort();
    await advance(1_000);
    step.reject(new Error("disk full"));
    await advance(1_000);

    expect(await Promise.race([end, Promise.resolve("still waiting")])).toBe("Error: disk full");
    expect(processes.started).toHaveLength(1);
  },
);

test("one child's death takes no other down, and it comes back after its back-off", async () => {
  const { processes, parts, stop, advance, state } = worldOf([child("kine"), child("dns", "kine")]);
  const end = parts.run(stop.signal);
  await advance(250);
  processes.newest("kine").exit({ signalName: "SIGKILL" });
  await settle();

  expect(state("kine")).toMatchObject({
    state: "waiting",
    ready: false,
    reason: "killed by SIGKILL",
    restarts: 1,
    lastExit: { signalName: "SIGKILL", atMs: 250 },
    nextStartAtMs: 500,
  });
  expect(state("dns")).toMatchObject({ state: "running", ready: true });
  await advance(250);
  expect(state("kine")).toMatchObject({ state: "running", ready: true, restarts: 1 });
  expect(processes.newest("dns").isAlive).toBe(true);
  stop.abort();
  await end;
});

test("a child that dies again and again is seen as a crash loop, and forgiven after a minute", async () => {
  const { processes, parts, stop, advance, state, log } = worldOf([child("kubelet")]);
  processes.answer("kubelet", { outcome: "silent", reason: "no socket" });
  const end = parts.run(stop.signal);
  for (const delayMs of [250, 500, 1000, 2000]) {
    await settle();
    processes.newest("kubelet").exit({ exitCode: 1 });
    await advance(delayMs);
  }

  expect(processes.started).toHaveLength(5);
  expect(state("kubelet")).toMatchObject({ state: "starting", isCrashLoop: true, restarts: 4 });
  expect(log.lines.map(([message]) => message)).toContain("child keeps dying");
  processes.answer("kubelet", { outcome: "ready" });
  await advance(61_000);
  expect(state("kubelet")).toMatchObject({ state: "running", isCrashLoop: false });
  stop.abort();
  await end;
});

test("who is never ready in time is a crash loop like any other, and can be given up", async () => {
  const spec: ChildSpec = {
    ...hurried("k3s"),
    giveUp: ({ reason, deaths }) =>
      deaths < 5 ? undefined : new FksError("Unavailable", `${deaths} times ${reason}`),
  };
  const { processes, parts, stop, advance, state } = worldOf([spec]);
  processes.answer("k3s", { outcome: "unready", reason: "starting" });
  const end = parts.run(stop.signal).then(() => "stopped", String);
  await advance(4 * 95_000);
  expect(state("k3s")).toMatchObject({ restarts: 4, isCrashLoop: true });
  await advance(95_000);

  expect(await Promise.race([end, Promise.resolve("still trying")])).toBe(
    "FksError: 5 times not ready within 90 s: starting",
  );
  stop.abort();
  await end;
});

test("a program that cannot be started is tried again", async () => {
  const { processes, parts, stop, advance, state } = worldOf([child("kine")]);
  processes.refuse("kine", true);
  const end = parts.run(stop.signal);
  await settle();

  expect(state("kine")).toMatchObject({ state: "waiting", reason: "cannot start kine" });
  processes.refuse("kine", false);
  await advance(250);
  expect(state("kine")).toMatchObject({ state: "running" });
  stop.abort();
  await end;
});

test("a child that says nothing is killed and started anew, one that says no is left alone", async () => {
  const { processes, parts, stop, advance, log } = worldOf([child("mute"), child("busy")]);
  processes.answer("mute", { outcome: "silent", reason: "no socket" });
  processes.answer("busy", { outcome: "unready", reason: "no API server" });
  const end = parts.run(stop.signal);
  await advance(21_000);

  expect(processes.history.filter((line) => line.endsWith("mute"))).toEqual([
    "start mute",
    "SIGKILL mute",
    "gone mute",
    "start mute",
  ]);
  expect(processes.started.filter(({ spec }) => spec.name === "busy")).toHaveLength(1);
  expect(log.lines).toContainEqual([
    "child died",
    expect.objectContaining({ reason: "silent for 20 s: no socket" }),
  ]);
  stop.abort();
  await end;
});

test("a death is told with what the child said last, unless somebody killed it", async () => {
  const { processes, parts, stop, advance, state } = worldOf([child("k3s")]);
  const end = parts.run(stop.signal);
  await advance(250);
  const words = 'Shutdown request received: "apiserver exited"';
  processes.newest("k3s").exit({ exitCode: 0 }, words);
  await settle();

  expect(state("k3s")).toMatchObject({ state: "waiting", reason: `exited with 0: ${words}` });
  await advance(250);
  processes.newest("k3s").exit({ signalName: "SIGKILL" }, "an error of long ago");
  await settle();
  expect(state("k3s")?.reason).toBe("killed by SIGKILL");
  stop.abort();
  await end;
});

const threeSteps = (name: string): ChildSpec => ({
  ...child(name),
  probe: {
    kind: "in-turn",
    steps: ["supervisor", "API server", "controllers"].map((what) => ({
      what: `the ${what}`,
      probe: { kind: "https", url: what },
    })),
  },
});

test("a child that is asked several questions names the first that is not answered well", async () => {
  const { processes, parts, stop, advance, state } = worldOf([threeSteps("k3s")]);
  processes.answer("API server", { outcome: "unready", reason: "refuses our credentials (401)" });
  processes.answer("controllers", { outcome: "silent", reason: "does not listen yet" });
  const end = parts.run(stop.signal);
  await advance(100, 50);
  expect(state("k3s")?.reason).toBe("waiting for the API server: refuses our credentials (401)");

  processes.answer("API server", { outcome: "ready" });
  await advance(100, 50);
  expect(state("k3s")?.reason).toBe("waiting for the controllers: does not listen yet");
  processes.answer("controllers", { outcome: "ready" });
  await advance(100, 50);
  expect(state("k3s")).toMatchObject({ state: "running", ready: true });

  processes.hang("controllers");
  await advance(8_000);
  expect(state("k3s")?.reason).toBe("waiting for the controllers: no answer within 3 s");
  stop.abort();
  await end;
});

const hurried = (name: string): ChildSpec => ({ ...child(name), readyTimeoutMs: () => 90_000 });

test("who answers but does not get ready in time is ended with its grace, and starts anew", async () => {
  const { processes, parts, stop, advance, state } = worldOf([hurried("k3s")]);
  processes.answer("k3s", { outcome: "unready", reason: "opens its database" });
  processes.ignoreSigterm("k3s");
  const end = parts.run(stop.signal);
  await advance(89_900, 100);
  expect(processes.newest("k3s").signals).toEqual([]);
  await advance(100, 100);
  expect(processes.newest("k3s").signals).toEqual(["SIGTERM"]);
  // It was late all the same.
  parts.restart("k3s", "its certificates are old");
  await advance(5_000);

  expect(processes.newest("k3s").signals).toEqual(["SIGTERM", "SIGKILL"]);
  expect(state("k3s")).toMatchObject({
    state: "waiting",
    reason: "not ready within 90 s: opens its database",
    restarts: 1,
    lastExit: { signalName: "SIGKILL" },
  });
  await advance(250);
  expect(processes.started).toHaveLength(2);
  stop.abort();
  await advance(5_000);
  await end;
});

test("how long getting ready may take is asked anew at each start", async () => {
  let limitMs = 5_000;
  const spec: ChildSpec = { ...child("k3s"), readyTimeoutMs: () => limitMs };
  const { processes, parts, stop, advance } = worldOf([spec]);
  processes.answer("k3s", { outcome: "unready", reason: "rewrites its database" });
  const end = parts.run(stop.signal);
  await advance(1_000);
  limitMs = 60_000;
  await advance(5_000);
  expect(processes.started.map(({ signals }) => signals)).toEqual([["SIGTERM"], []]);
  await advance(50_000);
  expect(processes.newest("k3s").signals).toEqual([]);
  await advance(10_000);

  expect(processes.started[1]?.signals).toEqual(["SIGTERM"]);
  stop.abort();
  await end;
});

test("who stayed silent until the last moment for getting ready is ended like any other", async () => {
  const { processes, parts, stop, advance, state } = worldOf([
    { ...hurried("k3s"), startTimeoutMs: 90_000 },
  ]);
  processes.answer("k3s", { outcome: "silent", reason: "does not listen yet" });
  const end = parts.run(stop.signal);
  await advance(90_000);

  expect(processes.started[0]?.signals).toEqual(["SIGTERM"]);
  expect(state("k3s")).toMatchObject({ reason: "not ready within 90 s: does not listen yet" });
  stop.abort();
  await end;
});

test("a host that slept is no reason to end a child that did so too", async () => {
  const { processes, clock, parts, stop, advance, state } = worldOf([
    { ...hurried("k3s"), startTimeoutMs: 90_000 },
    { ...child("dns"), startTimeoutMs: 90_000 },
  ]);
  processes.answer("k3s", { outcome: "silent", reason: "does not listen yet" });
  const end = parts.run(stop.signal);
  await advance(10_000);
  processes.hang("dns");
  clock.advance(3_600_000);
  await advance(4_000);

  expect(state("k3s")).toMatchObject({ state: "starting", restarts: 0 });
  expect(state("dns")).toMatchObject({ reason: "no answer within 3 s", restarts: 0 });
  expect(processes.started.flatMap(({ signals }) => signals)).toEqual([]);
  // What had passed before is not forgotten, and neither is what passes from now on.
  await advance(80_000);
  expect(processes.started.map(({ signals }) => signals)).toEqual([
    ["SIGTERM"],
    ["SIGKILL"],
    [],
    [],
  ]);
  stop.abort();
  await end;
});

test("once ready, a child may be busy for as long as it likes", async () => {
  const { processes, parts, stop, advance, state } = worldOf([hurried("k3s")]);
  const end = parts.run(stop.signal);
  await advance(1_000);
  processes.answer("k3s", { outcome: "unready", reason: "compacts its database" });
  await advance(200_000, 1_000);

  expect(state("k3s")).toMatchObject({ ready: false, reason: "compacts its database" });
  expect(processes.started).toHaveLength(1);
  // The next life has to get ready again.
  processes.newest("k3s").exit({ exitCode: 0 });
  await advance(95_000, 250);
  expect(processes.started[1]?.signals).toEqual(["SIGTERM"]);
  stop.abort();
  await end;
});

test("a death that another start cannot cure stops everything in order, and is thrown", async () => {
  const deaths: ChildDeath[] = [];
  const spec: ChildSpec = {
    ...child("k3s", "machines-api"),
    giveUp(death) {
      deaths.push(death);
      return death.reason.includes("not defined") && death.deaths === 2
        ? new FksError("InvalidInput", "K3s does not know a flag")
        : undefined;
    },
  };
  const { processes, parts, stop, advance, state } = worldOf([
    child("machines-api"),
    spec,
    child("kubelet", "k3s"),
  ]);
  const end = parts.run(stop.signal).catch((error: unknown) => error);
  await advance(250);
  for (const _ of ["first", "second"]) {
    processes.newest("k3s").exit({ exitCode: 1 }, "flag provided but not defined: -x");
    await advance(250);
  }

  expect(await end).toEqual(new FksError("InvalidInput", "K3s does not know a flag"));
  const reason = "exited with 1: flag provided but not defined: -x";
  expect(deaths).toEqual([
    { reason, deaths: 1, hasBeenReady: true },
    { reason, deaths: 2, hasBeenReady: true },
  ]);
  expect(processes.history.slice(-4)).toEqual(
    ["kubelet", "machines-api"].flatMap((name) => [`SIGTERM ${name}`, `gone ${name}`]),
  );
  expect(state("k3s")).toMatchObject({ state: "stopped" });
});

test("who never got ready is given up with those that wait for it never started", async () => {
  const spec: ChildSpec = {
    ...hurried("k3s"),
    giveUp: ({ reason, hasBeenReady }) =>
      hasBeenReady ? undefined : new FksError("Unavailable", reason),
  };
  const { processes, parts, stop, advance } = worldOf([spec, child("kubelet", "k3s")]);
  processes.answer("k3s", { outcome: "unready", reason: "starting" });
  const end = parts.run(stop.signal).catch(String);
  await advance(91_000);

  expect(await end).toBe("FksError: not ready within 90 s: starting");
  expect(processes.history).toEqual(["start k3s", "SIGTERM k3s", "gone k3s"]);
});

test("a planned restart is no death, and leaves alone who comes after", async () => {
  const { processes, parts, stop, advance, state } = worldOf([
    child("k3s"),
    child("kubelet", "k3s"),
  ]);
  const end = parts.run(stop.signal);
  await advance(250);
  processes.history.length = 0;
  processes.ignoreSigterm("k3s");
  parts.restart("k3s", "its certificates are old");
  parts.restart("k3s", "asked twice");
  parts.restart("nobody", "x");
  await advance(4_000);

  expect(state("k3s")).toMatchObject({
    state: "restarting",
    ready: false,
    reason: "is restarted: its certificates are old",
  });
  await advance(1_000);
  expect(processes.history).toEqual(["SIGTERM k3s", "SIGKILL k3s", "gone k3s", "start k3s"]);
  await advance(250);
  expect(state("k3s")).toMatchObject({
    state: "running",
    ready: true,
    restarts: 0,
    isCrashLoop: false,
  });
  expect(state("k3s")).not.toHaveProperty("lastExit");
  // The next death is the first one.
  processes.newest("k3s").exit({ exitCode: 1 });
  await settle();
  expect(state("k3s")).toMatchObject({ restarts: 1, nextStartAtMs: 5_750 });
  // It is away and comes back by itself.
  parts.restart("k3s", "while it waits");
  await advance(500);
  expect(processes.history.slice(-2)).toEqual(["gone k3s", "start k3s"]);
  stop.abort();
  await advance(5_000);
  await end;
});

test("a program that is gone after a planned restart is tried again like any other", async () => {
  const { processes, parts, stop, advance, state } = worldOf([child("k3s")]);
  const end = parts.run(stop.signal);
  await advance(250);
  processes.refuse("k3s", true);
  parts.restart("k3s", "a new version");
  await settle();

  expect(state("k3s")).toMatchObject({ state: "waiting", reason: "cannot start k3s", restarts: 1 });
  processes.refuse("k3s", false);
  await advance(500);
  expect(state("k3s")).toMatchObject({ state: "running", ready: true });
  stop.abort();
  await end;
});

test("nothing is restarted while all is stopped, and a stop ends a restart", async () => {
  const { processes, parts, stop, advance, state } = worldOf([child("a"), child("b", "a")]);
  processes.ignoreSigterm("b");
  const end = parts.run(stop.signal);
  await advance(250);
  stop.abort();
  parts.restart("a", "too late");
  await advance(1_000);
  expect(state("a")).toMatchObject({ state: "running" });
  await advance(4_000);
  await end;
  expect(processes.history.filter((line) => line === "start a")).toHaveLength(1);

  const again = worldOf([child("a")]);
  again.processes.ignoreSigterm("a");
  const secondEnd = again.parts.run(again.stop.signal);
  await again.advance(250);
  again.parts.restart("a", "its certificates are old");
  await again.advance(1_000);
  again.stop.abort();
  await again.advance(4_000);
  await secondEnd;
  expect(again.processes.history).toEqual(["start a", "SIGTERM a", "SIGKILL a", "gone a"]);
  expect(again.state("a")).toMatchObject({ state: "stopped" });
});

test("who ignores SIGTERM is killed after its grace, and at once at the second signal", async () => {
  const { processes, parts, stop, atOnce, advance } = worldOf([child("a"), child("b", "a")]);
  processes.ignoreSigterm("a");
  processes.ignoreSigterm("b");
  const end = parts.run(stop.signal);
  await advance(250);
  stop.abort();
  await advance(4_750);
  expect(processes.newest("b").isAlive).toBe(true);
  await advance(250);
  expect(processes.newest("b").signals).toEqual(["SIGTERM", "SIGKILL"]);
  expect(processes.newest("a").signals).toEqual(["SIGTERM"]);

  atOnce.abort();
  await end;
  expect(processes.newest("a").signals).toEqual(["SIGTERM", "SIGKILL"]);
});

test("the time for stopping is the longest chain of graces", () => {
  expect(stopBudgetMs([child("a"), child("b", "a"), child("c"), child("d", "b", "c")])).toBe(
    15_000,
  );
});

test("an order with a circle or an unknown name is refused", () => {
  expect(() => worldOf([child("a", "b"), child("b", "a")])).toThrow("cannot come after b");
});
