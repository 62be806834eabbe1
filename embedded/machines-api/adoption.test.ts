import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { adoptionFor } from "./adopt.ts";
import { containerLaunched, containerStarted, containerStarting } from "./container-life.ts";
import { noRuntime } from "./runtime/none.ts";
import type { FoundContainer, Runtime } from "./runtime/runtime.ts";
import { type DeathAt, mortal, watched } from "./testing/mortal-runtime.ts";
import { type Answer, type OpenApi, openApi, until } from "./testing/open-api.ts";
import { container, POD, POD_METADATA, startedMachine } from "./testing/records.ts";

const forever = new AbortController().signal;
const PATH = "/v1/apps/demo/machines";

describe("what was written and what is found become one", () => {
  const starting = containerStarting(startedMachine(POD), "app", 0);
  const up = containerStarted(starting, "app", 1);
  const id = { machineId: up.id, name: "app", attempt: 0 };
  const found = (changes: Partial<FoundContainer>): readonly FoundContainer[] => [
    { id, state: "running", startedAtMs: 1, ...changes },
  ];
  const exit = { id, exitCode: 3, oomKilled: false, atMs: 9 };

  test("what runs goes on, untouched", () => {
    expect(adoptionFor(up, found({}), 10)).toEqual({
      record: up,
      isRunning: true,
      strays: [],
    });
  });

  test("a start whose answer was lost is told now", () => {
    const { record } = adoptionFor(starting, found({ startedAtMs: 5 }), 10);
    expect(container(record)).toMatchObject({ phase: "running", startedMs: 5 });
  });

  test("a start that never came about is tried again, and counts as no restart", () => {
    const { record } = adoptionFor(starting, [], 10);
    expect(container(record)).toMatchObject({ phase: "pending", restartCount: 0 });
  });

  test("one whose process had run, and is gone while its hook ran, has ended", () => {
    const { record } = adoptionFor(containerLaunched(starting, "app", 1), [], 10);
    expect(container(record).shown.terminated).toMatchObject({ reason: "ContainerStatusUnknown" });
  });

  test("an end while nobody looked is told with its own code and time", () => {
    const { record } = adoptionFor(up, found({ state: "ended", exit }), 10);
    expect(container(record).shown.terminated).toMatchObject({
      exitCode: 3,
      finishedAt: new Date(9).toISOString(),
    });
  });

  test("what is missing ended nobody knows how, and the restart policy applies", () => {
    for (const { record } of [
      adoptionFor(up, [], 10),
      adoptionFor(up, found({ state: "ended" }), 10),
    ]) {
      expect(container(record)).toMatchObject({ phase: "pending" });
      expect(container(record).shown.terminated).toMatchObject({
        exitCode: 137,
        reason: "ContainerStatusUnknown",
      });
    }
  });

  test("an attempt nobody knows is a stray", () => {
    const stray = { ...id, attempt: 7 };
    const { strays, isRunning } = adoptionFor(up, found({ id: stray }), 10);
    expect([strays, isRunning]).toEqual([[stray], false]);
  });
});

/** Instances over one folder, one after the other; all are closed with the test. */
const folders: string[] = [];
const opened: OpenApi[] = [];
const dead: { bury(): void }[] = [];
afterEach(async () => {
  const closing = opened.splice(0).map((api) => api.close());
  for (const one of dead.splice(0)) one.bury();
  await Promise.all(closing);
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "fks-adoption-"));
  folders.push(dir);
  return dir;
}

async function instance(dir: string, runtime: Runtime, clock = fakeClock()): Promise<OpenApi> {
  const api = await openApi({ clock, log: memoryLog(), dir, runtime });
  opened.push(api);
  return api;
}

const WEB = {
  name: "web",
  config: {
    metadata: POD_METADATA,
    containers: [{ name: "app", image: "web:1", restart: { policy: "always" } }],
  },
};

const reportOf = (api: OpenApi, id: string): Promise<Answer> =>
  api.call("GET", `/fks/v1/apps/demo/machines/${id}`);

function deliver(api: OpenApi, id: string): Promise<Answer> {
  return api.call("PUT", `/fks/v1/apps/demo/machines/${id}/bundle`, {
    containers: {},
    volumes: {},
  });
}

function running(api: OpenApi, id: string): Promise<Answer> {
  return until(async () => {
    const answer = await reportOf(api, id);
    return answer.field("containers", 0, "state", "running") === undefined ? undefined : answer;
  });
}

describe("another process over the same Machines", () => {
  test("running Machines are adopted: no start, no change, the same address", async () => {
    const dir = folder();
    const runtime = watched(noRuntime(fakeClock()));
    const first = await instance(dir, runtime);
    const id = await first.create(WEB);
    await deliver(first, id);
    const before = (await running(first, id)).json;
    const machine = (await first.call("GET", `${PATH}/${id}`)).json;
    await first.stop();
    expect((await runtime.list(forever)).map(({ state }) => state)).toEqual(["running"]);

    const second = await instance(dir, runtime);
    expect((await reportOf(second, id)).json).toEqual(before);
    expect((await second.call("GET", `${PATH}/${id}`)).json).toEqual(machine);
    expect(runtime.started).toHaveLength(1);
  });

  test("states without processes survive too: the runtime none recalls them", async () => {
    const dir = folder();
    const first = await instance(dir, noRuntime(fakeClock()));
    const id = await first.create(WEB);
    await deliver(first, id);
    const before = (await running(first, id)).json;
    await first.stop();

    const second = await instance(dir, noRuntime(fakeClock()));
    expect((await reportOf(second, id)).json).toEqual(before);
  });

  test("what an unknown process left behind is removed", async () => {
    const runtime = noRuntime(fakeClock());
    const strange = { machineId: "ffffffffffffff", name: "app", attempt: 0 };
    const removed: string[] = [];
    await instance(folder(), {
      ...runtime,
      list: async () => [{ id: strange, state: "running", startedAtMs: 0 }],
      remove: async (machineId) => void removed.push(machineId),
    });

    expect(removed).toEqual(["ffffffffffffff"]);
  });

  test("no address and no name of a living Machine is given again", async () => {
    const dir = folder();
    const runtime = noRuntime(fakeClock());
    const first = await instance(dir, runtime);
    await first.create(WEB);
    const address = (await first.call("GET", PATH)).field(0, "private_ip");
    await first.stop();
    const second = await instance(dir, runtime);
    expect((await second.call("POST", PATH, WEB)).status).toBe(409);
    const other = await second.call("POST", PATH, { ...WEB, name: "other" });

    expect(other.field("private_ip")).not.toBe(address);
  });
});

/** Create, deliver, run, stop, start, destroy: all effects a Machine can have on its host. */
async function wholeLife(api: OpenApi): Promise<void> {
  const id = await api.create(WEB);
  await deliver(api, id);
  await running(api, id);
  await api.call("POST", `${PATH}/${id}/stop`);
  await stateOf(api, id, "stopped");
  await api.call("POST", `${PATH}/${id}/start`);
  await running(api, id);
  await api.call("DELETE", `${PATH}/${id}?force=true`);
  await stateOf(api, id, "destroyed");
}

function stateOf(api: OpenApi, id: string, ...states: readonly string[]): Promise<string> {
  return until(async () => {
    const state = String((await api.call("GET", `${PATH}/${id}`)).field("state"));
    return states.includes(state) ? state : undefined;
  });
}

/** Brings whatever the dead process left to a running container, then to nothing. */
async function continued(api: OpenApi): Promise<void> {
  const found = await api.call("GET", `${PATH}?include_deleted=true`);
  const id = String(found.field(0, "id"));
  expect(found.field(1)).toBeUndefined();
  const state = await stateOf(api, id, "started", "stopped", "destroyed");
  if (state === "destroyed") return;
  if (state === "stopped") await api.call("POST", `${PATH}/${id}/start`);
  await deliver(api, id);
  await running(api, id);
  await api.call("DELETE", `${PATH}/${id}?force=true`);
  await stateOf(api, id, "destroyed");
}

/** Nobody can talk to a process that is dead. */
function reachable(api: OpenApi, { isDead }: { readonly isDead: () => boolean }): OpenApi {
  return {
    ...api,
    call: async (...request) => {
      if (isDead()) throw new Error("connection refused");
      return api.call(...request);
    },
  };
}

/** As many calls as a whole life makes of the runtime. */
const CALLS = 6;
const DEATHS: readonly DeathAt[] = Array.from({ length: CALLS }, (_, index) => index + 1).flatMap(
  (call) => [
    { call, when: "before" as const },
    { call, when: "after" as const },
  ],
);

function diskFull(): Promise<never> {
  return Promise.reject(new FksError("Unavailable", "disk full"));
}

describe("a process killed between any two steps", () => {
  test("a life without a death makes just the calls that the deaths are tried at", async () => {
    let calls = 0;
    const runtime = noRuntime(fakeClock());
    const count =
      <A extends readonly unknown[], R>(work: (...args: A) => R) =>
      (...args: A): R => {
        calls += 1;
        return work(...args);
      };
    const api = await instance(folder(), {
      ...runtime,
      prepare: count((...args) => runtime.prepare(...args)),
      start: count((...args) => runtime.start(...args)),
      signal: count((...args) => runtime.signal(...args)),
      release: count((...args) => runtime.release(...args)),
      remove: count((...args) => runtime.remove(...args)),
    });
    await wholeLife(api);

    expect(calls).toBe(CALLS);
  });

  test.each(DEATHS.map((death) => [`${death.when} call ${death.call}`, death] as const))(
    "%s: the next one finishes, never runs two, and leaves nothing",
    async (_name, death) => {
      const dir = folder();
      const host = watched(noRuntime(fakeClock()));
      const first = mortal(host, death);
      dead.push(first);
      const life = wholeLife(reachable(await instance(dir, first.runtime), first)).catch(() => {});
      await Promise.race([first.died, life]);
      expect(first.isDead()).toBe(true);

      const second = await instance(dir, host);
      await continued(second);

      expect(await host.list(forever)).toEqual([]);
      const attempts = host.started.map(({ attempt }) => attempt);
      expect(new Set(attempts).size).toBe(attempts.length);
    },
  );

  test.each(["prepare", "start", "signal", "release", "remove"] as const)(
    "a %s that fails for a while is done in the end",
    async (method) => {
      const clock = fakeClock();
      const host = watched(noRuntime(clock));
      let failures = 3;
      const flaky: Runtime = {
        ...host,
        [method]: (...args: never[]) => {
          failures -= 1;
          return failures >= 0 ? diskFull() : Reflect.apply(host[method], host, args);
        },
      };
      const api = await instance(folder(), flaky, clock);
      const turning = setInterval(() => clock.advance(1_000), 2);
      await wholeLife(api);
      clearInterval(turning);

      expect(await host.list(forever)).toEqual([]);
    },
  );
});
