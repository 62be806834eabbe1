import { afterEach, describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type Answer, type OpenApi, type OpenOptions, openApi, until } from "./testing/open-api.ts";

const opened: OpenApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

interface World {
  readonly api: OpenApi;
  readonly clock: ReturnType<typeof fakeClock>;
  readonly log: ReturnType<typeof memoryLog>;
}

async function world(options: Partial<OpenOptions> = {}): Promise<World> {
  const clock = fakeClock();
  const log = memoryLog();
  const api = await openApi({ clock, log, ...options });
  opened.push(api);
  return { api, clock, log };
}

const MACHINES = "/v1/apps/demo/machines";
const WEB = { name: "web", config: { image: "nginx" } };

async function launched(
  api: OpenApi,
  body: Readonly<Record<string, unknown>> = WEB,
): Promise<string> {
  const id = await api.create(body);
  await reached(api, id, "started");
  return id;
}

function reached(api: OpenApi, id: string, state: string): Promise<Answer> {
  return until(async () => {
    const answer = await api.call("GET", `${MACHINES}/${id}`);
    return answer.field("state") === state ? answer : undefined;
  });
}

const errorOf = (answer: Answer): string => String(answer.field("error"));

describe("who may call and what", () => {
  test("a wrong or missing token is 401 with Fly's text, in both spellings the right one works", async () => {
    const { api } = await world();
    for (const authorization of ["", "Bearer nope", "Basic api-token", "FlyV1 "]) {
      const answer = await api.call("GET", "/v1/apps", undefined, { authorization });
      expect([answer.status, errorOf(answer)]).toEqual([
        401,
        "Authenticate: token validation error",
      ]);
    }
    const macaroon = await api.call("GET", "/v1/apps", undefined, {
      authorization: "FlyV1 api-token",
    });
    expect(macaroon.status).toBe(200);
    const protocol = await api.call("GET", "/fks/v1/watch", undefined, {
      authorization: "Bearer api-token",
    });
    expect([protocol.status, protocol.field("code")]).toEqual([401, "Unauthorized"]);
  });

  test("every answer carries a request id", async () => {
    const { api } = await world();
    for (const path of ["/healthz", "/v1/apps", "/v1/apps/none", "/nowhere"]) {
      const { headers } = await api.call("GET", path);
      expect(headers.get("fly-request-id")).toMatch(/^[0-9A-Z]{26}-local-a$/);
    }
  });

  test("an App that is not there is 404 with the text flyctl looks for", async () => {
    const { api } = await world();
    const answer = await api.call("GET", "/v1/apps/other/machines");

    expect([answer.status, errorOf(answer)]).toEqual([404, "Could not find App"]);
  });

  test("a Machine is found in its own App only, and an id that is none is 400", async () => {
    const { api } = await world();
    const id = await launched(api);
    await api.call("POST", "/v1/apps", { app_name: "other" });

    expect(errorOf(await api.call("GET", `/v1/apps/other/machines/${id}`))).toBe(
      "machine not found",
    );
    const bad = await api.call("GET", `${MACHINES}/not-an-id`);
    expect([bad.status, errorOf(bad)]).toEqual([400, "invalid machine ID, 'not-an-id'"]);
  });
});

function bodyWith(bytes: number): object {
  const files = [{ guest_path: "/f", raw_value: "a".repeat(bytes) }];
  return { name: `m${bytes}`, config: { image: "x", files } };
}

describe("bodies", () => {
  test("malformed JSON is 400 with the position", async () => {
    const { api } = await world();
    await launched(api);
    const answer = await api.call("POST", MACHINES, '{"name": "x",\n  oops}');

    expect([answer.status, errorOf(answer)]).toEqual([
      400,
      "invalid_argument: malformed JSON at line 2, column 3",
    ]);
  });

  test("a body larger than 8 MiB is 413, one just below is taken", async () => {
    const { api } = await world();
    await launched(api);
    expect((await api.call("POST", MACHINES, bodyWith(9 * 1024 * 1024))).status).toBe(413);
    expect((await api.call("POST", MACHINES, bodyWith(8 * 1024 * 1024 - 1_000))).status).toBe(200);
  });

  test("unknown fields are accepted, counted by path and named in the debug log", async () => {
    const { api, log } = await world();
    await api.create({ name: "web", config: { image: "x", flavour: "salt", services: [] } });

    expect(await api.metrics()).toContain(
      'fks_machines_api_unknown_fields_total{path="config.flavour"} 1',
    );
    expect(log.lines).toContainEqual(["request has unknown fields", { paths: ["config.flavour"] }]);
  });

  test("a config that names nothing to run is refused with the field", async () => {
    const { api } = await world();
    await launched(api);
    const none = await api.call("POST", MACHINES, { config: {} });
    expect([none.status, errorOf(none)]).toEqual([
      400,
      "invalid_argument: config: needs an image or containers",
    ]);
    const twice = [
      { name: "a", image: "x" },
      { name: "a", image: "x" },
    ];
    const answer = await api.call("POST", MACHINES, { config: { containers: twice } });
    expect(errorOf(answer)).toContain("names of containers must differ");
  });
});

describe("Apps", () => {
  test("both spellings of the name create one; a taken name is 422 name_taken", async () => {
    const { api } = await world();
    const created = await api.call("POST", "/v1/apps", { app_name: "a", org_slug: "personal" });
    expect([created.status, created.field("name")]).toEqual([201, "a"]);
    const taken = await api.call("POST", "/v1/apps", { name: "a", org_slug: "personal" });

    expect([taken.status, taken.field("status")]).toEqual([422, "name_taken"]);
  });

  test("an App that is deleted takes its Machines along, and its name is free again", async () => {
    const { api } = await world();
    await launched(api);
    expect((await api.call("DELETE", "/v1/apps/demo")).status).toBe(202);

    await until(async () => {
      const { status } = await api.call("POST", "/v1/apps", { name: "demo" });
      return status === 201 ? true : undefined;
    });
    expect((await api.call("GET", MACHINES)).json).toEqual([]);
  });
});

describe("Machines", () => {
  test("what clients look for is always there", async () => {
    const { api } = await world();
    const answer = await reached(api, await api.create(WEB), "started");

    expect(answer.json).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{14}$/),
      instance_id: expect.stringMatching(/^[0-9A-Z]{26}$/),
      host_status: "ok",
      region: "local-a",
      private_ip: "fdaa:a0b:c0d:a7b:1:0:1:2",
      config: { init: {}, dns: {}, guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 } },
      image_ref: { repository: "library/nginx", tag: "latest" },
    });
    expect(answer.field("events", 0, "type")).toBe("start");
  });

  test("the list is filtered by metadata, region and state, and can be short", async () => {
    const { api } = await world();
    const metadata = { app: "web", tier: "front" };
    const id = await launched(api, { name: "a", config: { image: "x", metadata } });
    await launched(api, { name: "b", region: "local-b", config: { image: "x" } });
    const idsOf = async (query: string): Promise<unknown> => {
      const { json } = await api.call("GET", `${MACHINES}?${query}`);
      return Array.isArray(json) ? json.length : json;
    };

    expect(await idsOf("metadata.app=web&metadata.tier=front")).toBe(1);
    expect(await idsOf("metadata.app=web&metadata.tier=back")).toBe(0);
    expect(await idsOf("region=local-b")).toBe(1);
    expect(await idsOf("state=stopped,created")).toBe(0);
    const short = await api.call("GET", `${MACHINES}?summary=true`);
    expect(short.field(0, "config")).toBeUndefined();
    expect([short.field(0, "id"), short.field(0, "state")]).toEqual([id, "started"]);
  });

  test("the region is the first of a list that we have; an unknown one is refused", async () => {
    const { api } = await world();
    const id = await launched(api, { region: "lhr,local-b", config: { image: "x" } });
    expect((await api.call("GET", `${MACHINES}/${id}`)).field("region")).toBe("local-b");
    const answer = await api.call("POST", MACHINES, { region: "lhr", config: { image: "x" } });

    expect([answer.status, errorOf(answer)]).toEqual([
      400,
      "invalid_argument: target region lhr not found",
    ]);
  });

  test("a destroyed Machine can be read for a minute, then it is not found", async () => {
    const { api, clock } = await world();
    const id = await launched(api);
    expect((await api.call("DELETE", `${MACHINES}/${id}`)).status).toBe(412);
    // flyctl says kill where the specification says force.
    await api.call("DELETE", `${MACHINES}/${id}?kill=true`);
    await reached(api, id, "destroyed");
    expect((await api.call("GET", MACHINES)).json).toEqual([]);
    expect((await api.call("GET", `${MACHINES}?include_deleted=true`)).field(0, "id")).toBe(id);
    expect((await api.call("POST", `${MACHINES}/${id}/start`)).status).toBe(404);

    clock.advance(59_000);
    expect((await api.call("GET", `${MACHINES}/${id}`)).status).toBe(200);
    clock.advance(1_000);
    expect((await api.call("GET", `${MACHINES}/${id}`)).status).toBe(404);
  });

  test("a signal that is none is refused", async () => {
    const { api } = await world();
    const id = await launched(api);
    const refused = await api.call("POST", `${MACHINES}/${id}/stop`, { signal: "SIGNOPE" });

    expect(errorOf(refused)).toBe("invalid_argument: unknown signal 'SIGNOPE'");
  });

  test("a stop that is not obeyed is a kill when its time is over", async () => {
    const { api, clock } = await world();
    const id = await launched(api);
    // The runtime none knows no SIGTRAP: it stands for a program that ignores its signal.
    await api.call("POST", `${MACHINES}/${id}/stop`, { signal: "SIGTRAP", timeout: "2s" });
    const stopping = await reached(api, id, "stopping");
    expect(stopping.status).toBe(200);
    expect(errorOf(await api.call("POST", `${MACHINES}/${id}/start`))).toBe(
      "failed_precondition: machine still active, refusing to start",
    );
    clock.advance(1_900);
    await reached(api, id, "stopping");
    clock.advance(100);
    const stopped = await reached(api, id, "stopped");

    expect(stopped.field("events", 0, "request", "exit_event")).toMatchObject({
      exit_code: 137,
      guest_signal: 9,
      requested_stop: true,
    });
  });

  test("a signal is a name or fly-go's number", async () => {
    const { api } = await world();
    const config = { image: "x", restart: { policy: "no" } };
    const id = await launched(api, { name: "n", config });
    await api.call("POST", `${MACHINES}/${id}/signal`, { signal: 9 });

    const stopped = await reached(api, id, "stopped");
    expect(stopped.field("events", 0, "request", "exit_event", "exit_code")).toBe(137);
    expect((await api.call("POST", `${MACHINES}/${id}/signal`, { signal: "SIGTERM" })).status).toBe(
      412,
    );
  });

  test("an update with a stale version is refused; versions list what was", async () => {
    const { api } = await world();
    const id = await launched(api);
    const update = { config: { image: "nginx:2" }, current_version: "stale" };
    expect(errorOf(await api.call("POST", `${MACHINES}/${id}`, update))).toContain(
      "concurrent update",
    );
    await api.call("POST", `${MACHINES}/${id}`, { config: { image: "nginx:2" } });

    const versions = await api.call("GET", `${MACHINES}/${id}/versions`);
    expect(versions.field(0, "user_config", "image")).toBe("nginx:2");
    expect(versions.field(1, "user_config", "image")).toBe("nginx");
  });

  test("a plain Machine whose image has no valid name is failed, and says why", async () => {
    const { api } = await world();
    const id = await api.create({ name: "bad", config: { image: "UPPER CASE" } });
    const failed = await reached(api, id, "failed");

    expect(failed.field("events", 0, "request", "reason")).toContain("InvalidImageName");
  });

  test("cordon and uncordon show", async () => {
    const { api } = await world();
    const id = await launched(api);
    await api.call("POST", `${MACHINES}/${id}/cordon`);
    expect((await api.call("GET", `${MACHINES}/${id}`)).field("cordoned")).toBe(true);
    await api.call("POST", `${MACHINES}/${id}/uncordon`);
    expect((await api.call("GET", `${MACHINES}/${id}`)).field("cordoned")).toBe(false);
  });
});

describe("wait", () => {
  test("it answers when the state comes, with the event to go on from", async () => {
    const { api } = await world();
    const id = await launched(api);
    const waited = api.call("GET", `${MACHINES}/${id}/wait?state=stopped,failed&timeout=60`);
    await api.call("POST", `${MACHINES}/${id}/stop`);

    expect((await waited).json).toMatchObject({ ok: true, state: "stopped" });
    const from = (await waited).field("event_id");
    const next = api.call(
      "GET",
      `${MACHINES}/${id}/wait?state=stopped&from_event_id=${String(from)}`,
    );
    await api.call("POST", `${MACHINES}/${id}/start`);
    await reached(api, id, "started");
    await api.call("POST", `${MACHINES}/${id}/stop`);
    expect((await next).field("state")).toBe("stopped");
  });

  test("408 tells the state it is in; times and states out of range are 400", async () => {
    const { api, clock } = await world();
    const id = await launched(api);
    const waited = api.call("GET", `${MACHINES}/${id}/wait?state=stopped&timeout=5`);
    const turning = setInterval(() => clock.advance(1_000), 5);
    const answer = await waited;
    clearInterval(turning);

    expect([answer.status, errorOf(answer)]).toEqual([
      408,
      "deadline_exceeded: machine failed to reach desired state, stopped, currently started",
    ]);
    for (const query of ["timeout=0", "timeout=61", "timeout=x", "state=flying"]) {
      expect((await api.call("GET", `${MACHINES}/${id}/wait?${query}`)).status).toBe(400);
    }
  });

  test("an old version is currently replaced", async () => {
    const { api } = await world();
    const id = await launched(api);
    const old = (await api.call("GET", `${MACHINES}/${id}`)).field("instance_id");
    await api.call("POST", `${MACHINES}/${id}`, { config: { image: "nginx:2" } });

    const answer = await api.call("GET", `${MACHINES}/${id}/wait?instance_id=${String(old)}`);
    expect(errorOf(answer)).toEndWith("currently replaced");
  });
});

describe("metadata", () => {
  test("keys are set and taken away, one or many, without a new version", async () => {
    const { api } = await world();
    const id = await launched(api);
    const path = `${MACHINES}/${id}/metadata`;
    const version = (await api.call("GET", `${MACHINES}/${id}`)).field("instance_id");
    expect((await api.call("POST", `${path}/a`, { value: "1" })).status).toBe(204);
    const many = { metadata: { b: "2", c: "3", a: null }, machine_version: version };
    expect((await api.call("PATCH", path, many)).status).toBe(204);
    expect((await api.call("PUT", path, { metadata: { c: "" } })).status).toBe(204);

    expect((await api.call("GET", path)).json).toEqual({ b: "2" });
    expect((await api.call("GET", `${path}/b`)).json).toEqual({ value: "2" });
    expect((await api.call("DELETE", `${path}/b`)).status).toBe(204);
    expect((await api.call("GET", `${path}/b`)).status).toBe(404);
    expect((await api.call("GET", `${MACHINES}/${id}`)).field("instance_id")).toBe(version);
    const stale = { metadata: {}, machine_version: "stale" };
    expect((await api.call("PUT", path, stale)).status).toBe(412);
  });
});

describe("leases", () => {
  test("who holds the nonce may, others may not; it can be refreshed, given back and run out", async () => {
    const { api, clock } = await world();
    const id = await launched(api);
    const path = `${MACHINES}/${id}/lease`;
    expect(errorOf(await api.call("GET", path))).toContain(" lease not found");
    const lease = await api.call("POST", `${path}?ttl=30`);
    const nonce = String(lease.field("data", "nonce"));
    expect([lease.status, lease.field("status"), lease.field("nonce")]).toEqual([
      201,
      "success",
      nonce,
    ]);
    const held = { "fly-machine-lease-nonce": nonce };

    const foreign = await api.call("POST", `${MACHINES}/${id}`, { config: { image: "y" } });
    expect([foreign.status, errorOf(foreign)]).toEqual([
      409,
      expect.stringContaining(`machine ID ${id} lease currently held by`),
    ]);
    expect((await api.call("POST", path)).status).toBe(409);
    expect((await api.call("POST", path, { ttl: 60 }, held)).field("data", "nonce")).toBe(nonce);
    expect((await api.call("POST", `${MACHINES}/${id}/start`, undefined, held)).status).toBe(200);
    expect((await api.call("DELETE", path)).status).toBe(400);

    clock.advance(60_000);
    expect((await api.call("POST", `${MACHINES}/${id}/start`)).status).toBe(200);
    const mine = await api.call("POST", path, { ttl: 10, description: "deploy" });
    const own = { "fly-machine-lease-nonce": String(mine.field("data", "nonce")) };
    expect((await api.call("DELETE", path, undefined, own)).json).toEqual({
      status: "success",
      data: { ok: true },
    });
  });

  test("a create with lease_ttl answers with the nonce, and no read does", async () => {
    const { api } = await world();
    await launched(api);
    const created = await api.call("POST", MACHINES, {
      name: "l",
      config: { image: "x" },
      lease_ttl: 9,
    });

    expect(created.field("nonce")).toMatch(/^[0-9a-f]{12}$/);
    const read = await api.call(
      "GET",
      `${MACHINES}/${String(created.field("id"))}?include_leases=true`,
    );
    expect(read.field("lease", "owner")).toBeString();
    expect(read.text).not.toContain(String(created.field("nonce")));
  });
});

describe("exec", () => {
  test("cmd is split as a shell does, command is taken as it is", async () => {
    const { api } = await world();
    const id = await launched(api);
    const exec = (body: object): Promise<Answer> =>
      api.call("POST", `${MACHINES}/${id}/exec`, body);

    expect((await exec({ cmd: `sh -c 'echo "out"; echo err >&2; exit 3'` })).json).toMatchObject({
      exit_code: 3,
      stdout: '"out"\n',
      stderr: "err\n",
    });
    expect((await exec({ command: ["cat"], stdin: "fed" })).field("stdout")).toBe("fed");
    expect((await exec({ command: [] })).status).toBe(400);
    expect((await exec({ cmd: "echo 'a" })).status).toBe(400);
    expect((await exec({ command: ["true"], container: "other" })).status).toBe(404);
  });
});

describe("limits", () => {
  test("with limits fly the fourth call of one kind in a second is 429 with Retry-After", async () => {
    const { api, clock } = await world({ limits: "fly" });
    const id = await launched(api);
    clock.advance(10_000);
    const start = (): Promise<Answer> => api.call("POST", `${MACHINES}/${id}/start`);
    const answers = [await start(), await start(), await start(), await start()];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[3]?.headers.get("retry-after")).toBe("1");
    clock.advance(1_000);
    expect((await start()).status).toBe(200);
  });
});
