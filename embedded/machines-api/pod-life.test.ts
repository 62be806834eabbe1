/** A Machine's own life as a Pod's, over HTTP, with states only and a clock turned by hand. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type Answer, type OpenApi, type OpenOptions, openApi, until } from "./testing/open-api.ts";
import { POD_METADATA } from "./testing/records.ts";

const opened: OpenApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

interface Given {
  readonly container?: object;
  readonly config?: object;
  /** Of the container `app`. */
  readonly app?: object;
  readonly bundle?: object;
  readonly options?: Partial<OpenOptions>;
}

/** A Machine whose container `app` is restarted always, with its bundle delivered. */
async function pod(given: Given) {
  const clock = fakeClock();
  const api = await openApi({ clock, log: memoryLog(), ...given.options });
  opened.push(api);
  const app = { name: "app", image: "web:1", restart: { policy: "always" }, ...given.container };
  const config = { metadata: POD_METADATA, containers: [app], ...given.config };
  const id = await api.create({ name: "web", config });
  const path = `/fks/v1/apps/demo/machines/${id}`;
  const deliver = (bundle: object = {}): Promise<Answer> =>
    api.call("PUT", `${path}/bundle`, {
      containers: { app: given.app ?? {} },
      volumes: {},
      ...given.bundle,
      ...bundle,
    });
  expect((await deliver()).status).toBe(204);

  const report = (): Promise<Answer> => api.call("GET", path);
  /** The report once `isSo`; time goes on meanwhile, when `stepMs` says how fast. */
  const reported = (isSo: (now: Answer) => unknown, stepMs = 0): Promise<Answer> =>
    until(async () => {
      const now = await report();
      if (isSo(now)) return now;
      if (stepMs > 0) clock.advance(stepMs);
      return undefined;
    });
  const stop = (): Promise<Answer> => api.call("POST", `/v1/apps/demo/machines/${id}/stop`);
  const machine = async (): Promise<unknown> =>
    (await api.call("GET", `/v1/apps/demo/machines/${id}`)).field("state");
  return { api, clock, id, path, deliver, report, reported, stop, machine };
}

const isRunning = (now: Answer): boolean =>
  now.field("containers", 0, "state", "running") !== undefined;

function eventsOf(now: Answer): readonly string[] {
  const found: string[] = [];
  for (let index = 0; now.field("events", index) !== undefined; index += 1) {
    const [reason, message] = ["reason", "message"].map((name) => now.field("events", index, name));
    found.push(`${String(reason)}: ${String(message)}`);
  }
  return found;
}

const run = (...command: readonly string[]) => ({ kind: "exec", command }) as const;

function probe(handler: object, changes: object = {}) {
  return {
    handler,
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
    ...changes,
  };
}

describe("probes", () => {
  test("a container whose liveness fails is ended and started again, with its events", async () => {
    const liveness = probe(run("sh", "-c", "echo it is ill; exit 1"));
    const world = await pod({ app: { probes: { liveness } } });
    const restarted = await world.reported(
      (now) => now.field("containers", 0, "restartCount"),
      500,
    );

    expect(restarted.field("containers", 0, "lastState", "terminated", "exitCode")).toBe(143);
    const events = eventsOf(restarted);
    expect(events).toContain("Unhealthy: Liveness probe failed: it is ill\n");
    expect(events).toContain("Killing: Container app failed liveness probe, will be restarted");
    expect(world.clock.now()).toBeGreaterThanOrEqual(2_000);
  });

  test("under never a container whose liveness failed stays ended", async () => {
    const liveness = probe(run("exit", "1"), { failureThreshold: 1 });
    const world = await pod({
      container: { restart: { policy: "no" } },
      app: { probes: { liveness } },
    });
    const ended = await world.reported(
      (now) => now.field("containers", 0, "state", "terminated"),
      500,
    );

    expect(eventsOf(ended)).toContain("Killing: Container app failed liveness probe");
    expect(await world.machine()).toBe("stopped");
  });

  test("readiness follows what the probe finds, and the container runs on", async () => {
    const readiness = probe(run("cat", "/cfg/ok"), { failureThreshold: 1 });
    const world = await pod({
      container: { mounts: [{ name: "cfg", path: "/cfg" }] },
      app: { probes: { readiness } },
      bundle: { volumes: { cfg: [] } },
    });
    const waiting = await world.reported((now) => eventsOf(now).length > 3);
    expect(waiting.field("containers", 0)).toMatchObject({ ready: false, started: true });
    const put = (files: readonly object[]): Promise<Answer> =>
      world.api.call("PUT", `${world.path}/volumes/cfg`, files);
    await put([{ path: "ok", mode: 0o644, content: btoa("yes") }]);
    await world.reported((now) => now.field("containers", 0, "ready"), 500);
    await put([]);
    const unready = await world.reported((now) => !now.field("containers", 0, "ready"), 500);

    expect(unready.field("containers", 0, "restartCount")).toBe(0);
  });

  test("nothing is started or ready before the startup probe passed; then the next may start", async () => {
    const startup = probe(run("cat", "/cfg/ok"), { failureThreshold: 1_000 });
    const after = [{ name: "app", condition: "healthy" }];
    const world = await pod({
      config: {
        metadata: { ...POD_METADATA, fks_sidecars: "app" },
        containers: [
          { name: "app", image: "x", mounts: [{ name: "cfg", path: "/cfg" }] },
          { name: "web", image: "x", depends_on: after },
        ],
      },
      app: { probes: { startup } },
      bundle: { volumes: { cfg: [] } },
    });
    const held = await world.reported((now) =>
      eventsOf(now).some((one) => one.includes("Startup")),
    );
    expect(held.field("containers", 0)).toMatchObject({ started: false, ready: false });
    expect(held.field("containers", 1, "state", "waiting", "reason")).toBe("PodInitializing");
    const ok = [{ path: "ok", mode: 0o644, content: btoa("yes") }];
    await world.api.call("PUT", `${world.path}/volumes/cfg`, ok);
    const all = await world.reported(
      (now) => now.field("containers", 1, "state", "running") !== undefined,
      500,
    );

    expect(all.field("containers", 0)).toMatchObject({ started: true, ready: true });
  });

  test("where there are no processes, what asks the network always passes", async () => {
    const readiness = probe({ kind: "http", scheme: "http", port: 80, path: "/", headers: [] });
    const world = await pod({ app: { probes: { readiness } } });

    await world.reported((now) => now.field("containers", 0, "ready"));
  });
});

describe("hooks", () => {
  test("a container runs only once its postStart hook is done, and the next starts after it", async () => {
    const postStart = { kind: "sleep", seconds: 5 };
    const world = await pod({
      config: {
        containers: [
          { name: "app", image: "x" },
          { name: "web", image: "x" },
        ],
      },
      app: { hooks: { postStart } },
    });
    const held = await world.reported((now) =>
      eventsOf(now).includes("Started: Started container app"),
    );
    expect(isRunning(held)).toBe(false);
    expect(eventsOf(held)).not.toContain("Created: Created container: web");
    const up = await world.reported(
      (now) => now.field("containers", 1, "state", "running") !== undefined,
      1_000,
    );
    expect(isRunning(up)).toBe(true);
    expect(eventsOf(up).filter((one) => one === "Started: Started container app")).toHaveLength(1);
  });

  test("a postStart hook that fails ends the container, which says so", async () => {
    const hooks = { postStart: run("sh", "-c", "echo no; exit 3") };
    const world = await pod({ app: { hooks } });
    const failed = await world.reported(
      (now) => now.field("containers", 0, "state", "waiting", "reason") === "PostStartHookError",
    );
    expect(failed.field("containers", 0, "state", "waiting", "message")).toContain(
      'lifecycle hook ([sh -c echo no; exit 3]) for Container "app" in Pod "web_shop(uid-1)" failed',
    );
    expect(failed.field("containers", 0, "lastState", "terminated", "exitCode")).toBe(143);
    expect(eventsOf(failed)).toEqual(
      expect.arrayContaining([
        "FailedPostStartHook: PostStartHook failed",
        "Killing: FailedPostStartHook",
      ]),
    );
    await world.reported((now) => now.field("containers", 0, "restartCount") === 1, 500);
  });

  test("nobody waits for the postStart hook of a container that has ended, or is to stop", async () => {
    const postStart = { kind: "sleep", seconds: 600 };
    const crashing = await pod({
      container: { exec: ["sleep-exit", "1000", "1"] },
      app: { hooks: { postStart } },
    });
    await crashing.reported((now) => now.field("containers", 0, "restartCount") === 1, 500);
    const world = await pod({ app: { hooks: { postStart } } });
    await world.reported((now) => eventsOf(now).includes("Started: Started container app"));
    await world.stop();
    const ended = await world.reported((now) => now.field("containers", 0, "state", "terminated"));

    expect(ended.field("containers", 0, "state", "terminated", "exitCode")).toBe(143);
    expect(world.clock.now()).toBe(0);
  });

  test("preStop runs before the stop signal, inside the grace", async () => {
    const world = await pod({
      config: { stop_config: { timeout: "30s" } },
      app: { hooks: { preStop: { kind: "sleep", seconds: 3 } } },
    });
    await world.reported(isRunning);
    await world.stop();
    await world.reported((now) => eventsOf(now).includes("Killing: Stopping container app"));
    world.clock.advance(2_999);
    expect(isRunning(await world.report())).toBe(true);
    world.clock.advance(1);
    const ended = await world.reported((now) => now.field("containers", 0, "state", "terminated"));

    expect(ended.field("containers", 0, "state", "terminated", "exitCode")).toBe(143);
  });

  test("a preStop hook that takes longer than the grace is cut, and the signal follows", async () => {
    const world = await pod({
      config: { stop_config: { timeout: "5s" } },
      app: { hooks: { preStop: { kind: "sleep", seconds: 60 } } },
    });
    await world.reported(isRunning);
    await world.stop();
    await world.reported((now) => eventsOf(now).includes("Killing: Stopping container app"));
    world.clock.advance(5_000);

    await world.reported((now) => now.field("containers", 0, "state", "terminated"));
    expect(world.clock.now()).toBe(5_000);
  });

  test("a preStop hook that fails is told and stops nothing", async () => {
    const world = await pod({ app: { hooks: { preStop: run("exit", "1") } } });
    await world.reported(isRunning);
    await world.stop();
    const ended = await world.reported((now) => now.field("containers", 0, "state", "terminated"));

    expect(eventsOf(ended)).toContain("FailedPreStopHook: PreStopHook failed");
  });
});

const limitedTo = (cpu_millis: number, memory_bytes: number) => ({
  containers: {
    app: { resources: { cpu_millis, memory_bytes }, restartOnResize: ["memory"] },
  },
});

describe("bundles that change a life", () => {
  test("once its deadline is past a Machine stops all it runs, and says why", async () => {
    const deadlineAt = new Date(60_000).toISOString();
    const world = await pod({ bundle: { deadlineAt } });
    await world.reported(isRunning);
    world.clock.advance(59_999);
    expect(isRunning(await world.report())).toBe(true);
    world.clock.advance(1);
    const over = await world.reported((now) => now.field("containers", 0, "state", "terminated"));

    expect(over.field("ended")).toEqual({
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    });
    expect(await world.machine()).toBe("stopped");
  });

  test("a Machine that is ended from outside stops for good and says why, also started anew", async () => {
    const dir = mkdtempSync(join(tmpdir(), "fks-pod-end-"));
    const world = await pod({ options: { dir } });
    await world.reported(isRunning);
    const end = { reason: "Evicted", message: "full. ", disruption: "TerminationByKubelet" };
    const ask = (reason: string): Promise<Answer> =>
      world.api.call("PUT", `${world.path}/end`, { ...end, reason, graceSeconds: 1 });
    expect((await ask("Evicted")).status).toBe(204);
    const over = await world.reported((now) => now.field("containers", 0, "state", "terminated"));

    expect(over.field("ended")).toEqual(end);
    expect(await world.machine()).toBe("stopped");
    expect((await ask("Other")).status).toBe(204);
    await world.api.close();
    const again = await openApi({ clock: world.clock, log: memoryLog(), dir });
    opened.splice(opened.indexOf(world.api), 1, again);
    expect((await again.call("GET", world.path)).field("ended")).toEqual(end);
    rmSync(dir, { recursive: true });
  });

  test("what has stopped already cannot be ended for another reason", async () => {
    const world = await pod({});
    await world.reported(isRunning);
    await world.stop();
    await world.reported((now) => now.field("containers", 0, "state", "terminated"));
    const end = { reason: "Evicted", message: "full. ", graceSeconds: 1 };

    expect((await world.api.call("PUT", `${world.path}/end`, end)).status).toBe(409);
    const bad = await world.api.call("PUT", `${world.path}/end`, { ...end, graceSeconds: -1 });
    expect(bad.status).toBe(400);
    expect((await world.report()).field("ended")).toBeUndefined();
  });

  test("a refused container waits with its reason until another bundle says otherwise", async () => {
    const refused = { reason: "CreateContainerConfigError", message: 'configmap "x" not found' };
    const world = await pod({ app: { refused } });
    const waiting = await world.reported((now) => eventsOf(now).length > 0);
    expect(waiting.field("containers", 0, "state", "waiting")).toEqual(refused);
    expect(eventsOf(waiting)).toEqual(['Failed: Error: configmap "x" not found']);
    await world.deliver({ containers: {} });

    await world.reported(isRunning);
  });

  test("a container that could not be configured is tried again with the next bundle", async () => {
    const world = await pod({ container: { mounts: [{ name: "cfg", path: "/cfg" }] } });
    await world.reported(
      (now) =>
        now.field("containers", 0, "state", "waiting", "reason") === "CreateContainerConfigError",
    );
    await world.deliver({ volumes: { cfg: [] } });

    await world.reported(isRunning);
  });

  test("new limits reach what runs, and are told once they are in force", async () => {
    const world = await pod({ app: { resources: { memory_bytes: 1_000 } } });
    const up = await world.reported(isRunning);
    expect(up.field("containers", 0, "resources")).toEqual({ memory_bytes: 1_000 });
    expect(up.field("containers", 0, "user")).toEqual({ uid: 0, gid: 0, groups: [0] });
    await world.deliver({ containers: { app: { resources: { cpu_millis: 500 } } } });
    const resized = await world.reported((now) =>
      now.field("containers", 0, "resources", "cpu_millis"),
    );

    expect(resized.field("containers", 0)).toMatchObject({
      resources: { cpu_millis: 500 },
      restartCount: 0,
    });
  });

  test("new limits start a container anew where it asks for that, once", async () => {
    const world = await pod({
      container: { restart: { policy: "no" } },
      app: limitedTo(100, 1_000).containers.app,
    });
    await world.reported(isRunning);
    await world.deliver(limitedTo(200, 1_000));
    const kept = await world.reported(
      (now) => now.field("containers", 0, "resources", "cpu_millis") === 200 || undefined,
    );
    expect(kept.field("containers", 0, "restartCount")).toBe(0);
    await world.deliver(limitedTo(200, 2_000));
    const anew = await world.reported(
      (now) => now.field("containers", 0, "resources", "memory_bytes") === 2_000 || undefined,
    );

    expect(anew.field("containers", 0)).toMatchObject({
      restartCount: 1,
      state: { running: {} },
      lastState: { terminated: { exitCode: 143 } },
    });
    const killings = Object.values(Object(anew.field("events"))).filter(
      (event) => Object(event).reason === "Killing",
    );
    expect(killings).toMatchObject([{ message: "Container app resize requires restart" }]);
    expect(await world.machine()).toBe("started");
  });

  test("a rule of its own restarts a container for certain exit codes only", async () => {
    const restartRules = [{ action: "restart", operator: "In", exitCodes: [42] }];
    const life = (exec: readonly string[]) =>
      pod({ container: { exec, restart: { policy: "no" } }, app: { restartRules } });
    const again = await life(["sleep-exit", "1000", "42"]);
    await again.reported((now) => now.field("containers", 0, "restartCount"), 500);
    const once = await life(["sleep-exit", "1000", "41"]);
    await once.reported((now) => now.field("containers", 0, "state", "terminated"), 500);

    expect(await once.machine()).toBe("stopped");
  });

  test("a bundle that makes no sense is refused with a sentence", async () => {
    const world = await pod({});
    const bad = [
      { deadlineAt: "tomorrow" },
      { containers: { app: { mounts: [{ name: "v", path: "/v", subPath: "../x" }] } } },
      { containers: { app: { probes: { liveness: { handler: { kind: "smoke" } } } } } },
    ];
    for (const one of bad) expect((await world.deliver(one)).status).toBe(400);
  });
});

describe("a container that is added", () => {
  const later = {
    config: {
      metadata: { ...POD_METADATA, fks_init: "app" },
      containers: [
        { name: "app", image: "x" },
        {
          name: "web",
          image: "x",
          depends_on: [{ name: "app", condition: "exited_successfully" }],
        },
      ],
    },
  };

  test("comes while init containers run, is started once, and outlives later bundles", async () => {
    const world = await pod(later);
    const add = (name: string, body: object): Promise<Answer> =>
      world.api.call("PUT", `${world.path}/containers/${name}`, { bundle: {}, ...body });
    await world.reported(isRunning);
    const debug = { image: "x", bundle: { entrypoint: ["sleep-exit"], cmd: ["1000", "3"] } };
    expect((await add("debug", debug)).status).toBe(204);
    expect((await add("debug", debug)).status).toBe(204);
    await world.reported((now) => now.field("containers", 2, "state", "running"));
    await world.deliver();
    world.clock.advance(1_000);
    const ended = await world.reported((now) => now.field("containers", 2, "state", "terminated"));

    expect(ended.field("containers", 2)).toMatchObject({ name: "debug", restartCount: 0 });
    expect(ended.field("containers", 2, "state", "terminated", "exitCode")).toBe(3);
    expect(ended.field("containers", 3)).toBeUndefined();
    expect(isRunning(ended)).toBe(true);
    expect(await world.machine()).toBe("started");
  });

  test("keeps no Machine alive", async () => {
    const world = await pod({
      container: { exec: ["sleep-exit", "1000"], restart: { policy: "no" } },
    });
    await world.reported(isRunning);
    await world.api.call("PUT", `${world.path}/containers/debug`, { image: "x", bundle: {} });
    await world.reported((now) => now.field("containers", 1, "state", "running"));
    world.clock.advance(1_000);
    const ended = await world.reported((now) => now.field("containers", 1, "state", "terminated"));

    expect(ended.field("containers", 1, "state", "terminated", "exitCode")).toBe(143);
    await until(async () => ((await world.machine()) === "stopped" ? true : undefined));
  });

  test("is refused where it could never run", async () => {
    const world = await pod({});
    await world.reported(isRunning);
    const put = (name: string, body: object): Promise<Answer> =>
      world.api.call("PUT", `${world.path}/containers/${name}`, body);

    expect((await put("Debug", { image: "x", bundle: {} })).status).toBe(400);
    expect((await put("debug", { bundle: {} })).status).toBe(400);
    expect((await put("debug", { image: "x", target: "nobody", bundle: {} })).status).toBe(400);
    await world.stop();
    expect((await put("debug", { image: "x", bundle: {} })).status).toBe(409);
  });
});
