/** A process that dies anywhere in a Pod's life: the next one goes on with what was written. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { noRuntime } from "./runtime/none.ts";
import type { ContainerId, Runtime } from "./runtime/runtime.ts";
import { type DeathAt, type Mortal, mortal, watched } from "./testing/mortal-runtime.ts";
import { type Answer, type OpenApi, openApi, until } from "./testing/open-api.ts";
import { POD_METADATA } from "./testing/records.ts";

const folders: string[] = [];
const opened: OpenApi[] = [];
const dead: Mortal[] = [];
afterEach(async () => {
  const closing = opened.splice(0).map((api) => api.close());
  for (const one of dead.splice(0)) one.bury();
  await Promise.all(closing);
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "fks-pod-crash-"));
  folders.push(dir);
  return dir;
}

async function instance(dir: string, runtime: Runtime, clock = fakeClock()): Promise<OpenApi> {
  const api = await openApi({ clock, log: memoryLog(), dir, runtime });
  opened.push(api);
  return api;
}

/** `setup` ends, the sidecar `mesh` starts, `app` does its work and ends; then `mesh` is stopped. */
const JOB = {
  name: "job",
  config: {
    metadata: { ...POD_METADATA, fks_init: "setup", fks_sidecars: "mesh" },
    containers: [
      { name: "setup", image: "x", exec: ["exit", "0"], restart: { policy: "no" } },
      {
        name: "mesh",
        image: "x",
        depends_on: [{ name: "setup", condition: "exited_successfully" }],
      },
      {
        name: "app",
        image: "x",
        exec: ["echo", "done"],
        restart: { policy: "no" },
        depends_on: [{ name: "mesh", condition: "healthy" }],
      },
    ],
  },
};

const ok = { kind: "exec", command: ["exit", "0"] } as const;
const terminationMessage = { path: "/dev/termination-log", fallsBackToLogs: true };
const BUNDLE = {
  containers: {
    setup: { terminationMessage },
    mesh: { hooks: { postStart: ok, preStop: ok }, terminationMessage },
    app: { terminationMessage },
  },
  volumes: {},
};

const PATH = "/v1/apps/demo/machines";

async function finished(api: OpenApi, id: string): Promise<Answer> {
  await api.call("PUT", `/fks/v1/apps/demo/machines/${id}/bundle`, BUNDLE);
  await until(async () =>
    (await api.call("GET", `${PATH}/${id}`)).field("state") === "stopped" ? true : undefined,
  );
  return api.call("GET", `/fks/v1/apps/demo/machines/${id}`);
}

/** Each call of the runtime from `prepare` to the last `release`. */
const CALLS = 8;
const DEATHS: readonly DeathAt[] = Array.from({ length: CALLS }, (_, index) => index + 1).flatMap(
  (call) => [
    { call, when: "before" as const },
    { call, when: "after" as const },
  ],
);

const order = (started: readonly ContainerId[]): readonly string[] => [
  ...new Set(started.map(({ name }) => name)),
];

describe("a process killed anywhere in the life of a Pod that ends", () => {
  test("a life without a death makes just the calls that the deaths are tried at", async () => {
    let calls = 0;
    const runtime = noRuntime(fakeClock());
    const counted: Runtime = {
      ...runtime,
      prepare: (...args) => ((calls += 1), runtime.prepare(...args)),
      start: (...args) => ((calls += 1), runtime.start(...args)),
      signal: (...args) => ((calls += 1), runtime.signal(...args)),
      release: (...args) => ((calls += 1), runtime.release(...args)),
    };
    const api = await instance(folder(), counted);
    const report = await finished(api, await api.create(JOB));
    await until(() => (calls === CALLS ? true : undefined));

    expect(report.field("containers", 2, "state", "terminated", "exitCode")).toBe(0);
  });

  test.each(DEATHS.map((death) => [`${death.when} call ${death.call}`, death] as const))(
    "%s: everything has its turn once more, in order, and the Machine stops",
    async (_name, death) => {
      const dir = folder();
      const host = watched(noRuntime(fakeClock()));
      const first = mortal(host, death);
      dead.push(first);
      const before = await instance(dir, first.runtime);
      const id = await before.create(JOB);
      void finished(before, id).catch(() => undefined);
      await first.died;
      // Calls that had returned before the death are still written down.
      await new Promise((resolve) => setImmediate(resolve));

      const after = await instance(dir, host);
      const report = await finished(after, id);
      expect(order(host.started)).toEqual(["setup", "mesh", "app"]);
      const attempts = host.started.map(({ name, attempt }) => `${name}/${attempt}`);
      expect(new Set(attempts).size).toBe(attempts.length);
      for (const index of [0, 1, 2]) {
        expect(report.field("containers", index, "state", "terminated")).toBeDefined();
      }
      expect(report.field("containers", 0)).toMatchObject({ ready: true });
    },
  );
});

test("readiness outlives the process that found it, and so do restart counts", async () => {
  const dir = folder();
  const clock = fakeClock();
  const host = noRuntime(clock);
  const first = await instance(dir, host, clock);
  const web = { name: "app", image: "x", mounts: [{ name: "cfg", path: "/cfg" }] };
  const id = await first.create({
    name: "web",
    config: { metadata: POD_METADATA, containers: [web] },
  });
  const handler = { kind: "exec", command: ["cat", "/cfg/ok"] };
  const times = { initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 1 };
  const readiness = { handler, ...times, successThreshold: 1, failureThreshold: 3 };
  const file = { path: "ok", mode: 0o644, content: btoa("yes") };
  const path = `/fks/v1/apps/demo/machines/${id}`;
  await first.call("PUT", `${path}/bundle`, {
    containers: { app: { probes: { readiness } } },
    volumes: { cfg: [file] },
  });
  const readyIn = (api: OpenApi, ready: boolean): Promise<Answer> =>
    until(async () => {
      const report = await api.call("GET", path);
      return report.field("containers", 0, "ready") === ready ? report : undefined;
    });
  const before = (await readyIn(first, true)).json;
  await first.stop();

  const second = await instance(dir, host, clock);
  expect((await second.call("GET", path)).json).toEqual(before);
  await second.call("PUT", `${path}/volumes/cfg`, []);
  for (let seconds = 0; seconds < 30; seconds += 1) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await readyIn(second, false);
});
