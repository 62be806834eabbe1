import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { fakeProcesses } from "#test/fakes/processes.ts";
import { type ChildSpec, stopBudgetMs } from "./child.ts";
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

/** Lets everything happen that needs no time. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
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
  const { processes, parts, stop, advance } = worldOf([child("mute"), child("busy")]);
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
  stop.abort();
  await end;
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
