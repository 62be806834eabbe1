import { afterEach, expect, test } from "bun:test";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { flapsApps } from "./apps.ts";
import { authorizationFor } from "./authorization.ts";
import { callBudget } from "./budget.ts";
import { flapsMachines } from "./machines.ts";
import { flapsRequest } from "./request.ts";

const forever = new AbortController().signal;
const servers: Bun.Server<undefined>[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

/** A client of a server that answers as `answer` says. */
function against(answer: (request: Request) => Response | Promise<Response>, suffix = "") {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  servers.push(server);
  const clock = fakeClock();
  const log = memoryLog();
  const deps = {
    baseUrl: `http://127.0.0.1:${server.port}${suffix}`,
    token: "s3cr3t-token",
    budget: callBudget({ clock, enabled: false }),
    clock,
    log,
  };
  return { ...deps, deps, request: flapsRequest(deps) };
}

const READ = {
  method: "GET",
  path: "/x",
  app: "a",
  budgeted: { action: "get", id: "m" },
  schema: z.object({ n: z.number() }),
} as const;

test("a call carries the token, and the affinity cookie of its App only", async () => {
  const seen: string[] = [];
  const { request, log } = against((incoming) => {
    const { pathname } = new URL(incoming.url);
    seen.push(`${pathname} ${incoming.headers.get("cookie") ?? "-"}`);
    expect(incoming.headers.get("authorization")).toBe("Bearer s3cr3t-token");
    return Response.json(
      { n: 1 },
      { headers: { "set-cookie": "fly_flaps_affinity=abc; Path=/v1/apps/a; HttpOnly" } },
    );
  }, "/v1/");
  await request(READ, forever);
  await request(READ, forever);
  await request({ ...READ, app: "b" }, forever);

  expect(seen).toEqual(["/v1/x -", "/v1/x fly_flaps_affinity=abc", "/v1/x -"]);
  expect(JSON.stringify(log.lines)).not.toContain("s3cr3t");
});

test("a success that cannot be read is Unavailable, for it may have been obeyed", async () => {
  for (const body of ["", "not json", '{"n":"one"}']) {
    const { request } = against(() => new Response(body));
    const failed = await request(READ, forever).catch((error: unknown) => error);
    expect(FksError.is(failed, "Unavailable")).toBe(true);
  }
});

test("nobody listens: Unavailable", async () => {
  const { request } = against(() => new Response());
  await servers[0]?.stop(true);

  const failed = await request(READ, forever).catch((error: unknown) => error);
  expect(FksError.is(failed, "Unavailable")).toBe(true);
});

test("no answer in time is Unavailable; the caller's own abort is the caller's reason", async () => {
  const hanging = against(() => new Promise<Response>(() => {}));
  const late = hanging
    .request({ ...READ, timeoutMs: 500 }, forever)
    .catch((error: unknown) => error);
  await new Promise(setImmediate);
  hanging.clock.advance(500);
  expect(FksError.is(await late, "Unavailable")).toBe(true);

  const stop = new AbortController();
  const stopped = hanging.request(READ, stop.signal).catch((error: unknown) => error);
  stop.abort(new Error("shutting down"));
  expect(await stopped).toEqual(new Error("shutting down"));
});

test("the token does not follow a redirect", async () => {
  const paths: string[] = [];
  const { request } = against((incoming) => {
    paths.push(new URL(incoming.url).pathname);
    return new Response(null, { status: 302, headers: { location: "/elsewhere" } });
  });
  await request(READ, forever).catch(() => {});

  expect(paths).toEqual(["/v1/x"]);
});

test("a 429 holds back the next call of the same key until Retry-After is over", async () => {
  let calls = 0;
  const { request, clock } = against(() => {
    calls += 1;
    return calls === 1
      ? Response.json({ error: "slow down" }, { status: 429, headers: { "retry-after": "9" } })
      : Response.json({ n: calls });
  });
  const first = await request(READ, forever).catch((error: unknown) => error);
  const second = request(READ, forever);
  await new Promise(setImmediate);
  expect(FksError.is(first, "RateLimited") && first.retryAfterMs).toBe(9_000);
  expect(calls).toBe(1);

  clock.advance(9_000);
  expect(await second).toEqual({ n: 2 });
});

test("null means absent, unknown fields and the older place of an exit event are understood", async () => {
  const machine = {
    id: "0a1b2c3d4e5f60",
    name: "w",
    state: "stopped",
    region: "ams",
    instance_id: "01K9ZZ",
    private_ip: "fdaa::2",
    created_at: "2026-11-22T07:00:00Z",
    updated_at: "2026-11-22T07:00:00Z",
    image_ref: null,
    config: { image: "nginx", env: null, novelty: { of: "tomorrow" } },
    events: [
      {
        id: "1",
        type: "exit",
        status: "stopped",
        source: "flyd",
        timestamp: 1,
        request: { MonitorEvent: { exit_event: { exit_code: 3, exited_at: "…" } } },
      },
    ],
    host_status: "ok",
    nonce: null,
  };
  const { deps } = against(() => Response.json(machine));
  const read = await flapsMachines(deps).get("a", machine.id, forever);

  expect(read.image_ref).toBeUndefined();
  expect(read.config).toMatchObject({ image: "nginx", novelty: { of: "tomorrow" } });
  expect(read.events[0]?.request?.exit_event?.exit_code).toBe(3);
});

test("a long wait is several of at most a minute each", async () => {
  const waits: string[] = [];
  const { deps } = against((incoming) => {
    waits.push(new URL(incoming.url).search);
    return waits.length === 3
      ? Response.json({ ok: true, state: "stopped" })
      : Response.json({ error: "deadline_exceeded: …" }, { status: 408 });
  });
  const reached = await flapsMachines(deps).wait(
    "a",
    "m",
    { states: ["stopped", "failed"], timeoutSeconds: 150, instanceId: "01V" },
    forever,
  );

  expect(reached).toBe("stopped");
  expect(waits).toEqual(
    [60, 60, 30].map(
      (seconds) => `?state=stopped&state=failed&timeout=${seconds}&version=01V&instance_id=01V`,
    ),
  );
});

test("an App whose name another organisation holds is Forbidden, our own is a success", async () => {
  const { deps } = against((incoming) =>
    incoming.method === "POST"
      ? Response.json({ error: "taken", status: "name_taken" }, { status: 422 })
      : incoming.url.endsWith("/ours")
        ? Response.json({ name: "ours", status: "deployed", machine_count: 2 })
        : Response.json({ error: "unauthorized" }, { status: 403 }),
  );
  const apps = flapsApps({ ...deps, orgSlug: "personal" });

  expect(await apps.create("ours", forever)).toEqual({
    name: "ours",
    status: "deployed",
    machine_count: 2,
  });
  const theirs = await apps.create("theirs", forever).catch((error: unknown) => error);
  expect(FksError.is(theirs, "Forbidden")).toBe(true);
});

test.each([
  ["fm2_abc,fm2_def", "FlyV1 fm2_abc,fm2_def"],
  ["FlyV1 fm2_abc", "FlyV1 fm2_abc"],
  ["Bearer xyz", "Bearer xyz"],
  [" opaque\n", "Bearer opaque"],
])("the token %p is shown as %p", (token, header) => {
  expect(authorizationFor(token)).toBe(header);
});
