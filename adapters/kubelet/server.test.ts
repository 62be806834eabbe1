import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { connect, type TLSSocket } from "node:tls";
import { FksError } from "#core/errors.ts";
import { testCa } from "#test/fakes/kubelet-pki.ts";
import { kubeletWorld } from "#test/fakes/kubelet-world.ts";

type World = Awaited<ReturnType<typeof kubeletWorld>>;
let world: World;

beforeAll(async () => {
  world = await kubeletWorld();
});

afterAll(() => world[Symbol.asyncDispose]());

beforeEach(() => {
  world.asked.length = 0;
  world.allow = () => true;
});

async function answer(...request: Parameters<World["fetch"]>): Promise<[number, string]> {
  const response = await world.fetch(...request);
  return [response.status, await response.text()];
}

describe("who is calling", () => {
  test("nobody known gets 401, whatever the path", async () => {
    for (const path of ["/healthz", "/pods", "/nothing", "/exec/default/web/app?command=sh"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other keeps the failure readable
      expect(await answer(path, {}, { as: undefined })).toEqual([401, "Unauthorized"]);
    }
    expect(world.asked).toEqual([]);
  });

  test("a certificate names the user and the groups that are asked about", async () => {
    const subject = [{ O: ["a"] }, { O: ["b"] }, { CN: ["jane\nO=system:masters"] }];
    const as = await world.clientCa.client(subject);
    expect(await answer("/healthz", {}, { as })).toEqual([200, "ok"]);
    expect(world.asked).toEqual([
      {
        identity: { user: "jane\nO=system:masters", groups: ["a", "b"] },
        access: { node: "local-a", verb: "get", subresource: "healthz" },
      },
    ]);
  });

  test("a certificate of another CA, an expired one and a server's are nobody's", async () => {
    const rogue = await testCa("client-ca");
    const subject = [{ O: ["system:masters"] }, { CN: ["system:apiserver"] }];
    for (const as of [
      await rogue.client(subject),
      await world.clientCa.client(subject, { expired: true }),
      await world.clientCa.server("127.0.0.1"),
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other keeps the failure readable
      expect(await answer("/healthz", {}, { as })).toEqual([401, "Unauthorized"]);
    }
  });

  test("a bearer token is reviewed", async () => {
    expect(await answer("/metrics", bearer("good-token"), { as: undefined })).toEqual([
      200,
      "# of local-a\n",
    ]);
    expect(world.asked[0]?.identity.user).toBe("scraper");
    expect(await answer("/metrics", bearer("bad"), { as: undefined })).toEqual([
      401,
      "Unauthorized",
    ]);
  });

  test("the node that is meant is the one that was dialled", async () => {
    const headers = { Host: "local-a" };
    const [, pods] = await answer("/pods", { headers }, { node: 1 });
    expect(world.asked[0]?.access.node).toBe("local-b");
    expect(JSON.parse(pods)).toMatchObject({
      kind: "PodList",
      items: [{ metadata: { name: "far" } }],
    });
  });
});

describe("what they may", () => {
  test("without the right it is 403 in the kubelet's words", async () => {
    world.allow = () => false;
    expect(await answer("/pods")).toEqual([
      403,
      "Forbidden (user=system:apiserver, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
    ]);
    expect(world.asked.map(({ access }) => access.subresource)).toEqual(["pods", "proxy"]);
  });

  test("the wider right is enough", async () => {
    world.allow = (_identity, { subresource }) => subresource === "proxy";
    expect((await answer("/pods"))[0]).toBe(200);
  });

  test("who may only read cannot run commands, not even by a GET with an upgrade", async () => {
    world.allow = (_identity, { verb }) => verb === "get";
    expect((await answer("/exec/default/web/app?command=sh"))[0]).toBe(403);
    expect(await upgrade("/exec/default/web/app?command=sh&output=1")).toStartWith(
      "HTTP/1.1 403 Forbidden\r\n",
    );
  });

  test("an API server that cannot be asked keeps everybody out", async () => {
    world.allow = () => {
      throw new FksError("Unavailable", "the API server is away");
    };
    expect((await answer("/pods"))[0]).toBe(500);
  });
});

describe("paths", () => {
  test("what nobody serves is 404, a wrong method 405", async () => {
    expect((await answer("/debug/pprof"))[0]).toBe(404);
    expect((await answer("/pods", { method: "POST" }))[0]).toBe(405);
  });

  test("the small ones answer", async () => {
    expect(await answer("/healthz/syncloop")).toEqual([200, "ok"]);
    const [, running] = await answer("/runningpods/");
    expect(JSON.parse(running).items).toHaveLength(1);
    const [, config] = await answer("/configz");
    expect(JSON.parse(config).kubeletconfig.authentication.anonymous.enabled).toBe(false);
  });

  test("what the Pods use is told in every format", async () => {
    const [, summary] = await answer("/stats/summary?only_cpu_and_memory=true");
    expect(JSON.parse(summary)).toMatchObject({
      node: { nodeName: "local-a", cpu: { usageNanoCores: 25_000_000 } },
      pods: [{ podRef: { name: "web" }, containers: [{ name: "app" }] }],
    });
    const [, resource] = await answer("/metrics/resource");
    expect(resource).toContain('container_cpu_usage_seconds_total{container="app",');
    const [, cadvisor] = await answer("/metrics/cadvisor");
    expect(cadvisor).toContain('container_network_receive_bytes_total{container="",');
    expect(await answer("/metrics")).toEqual([200, "# of local-a\n"]);
  });

  test("numbers that cannot be read are no numbers, and the scrape says so", async () => {
    const { usage } = world;
    world.usage = () => {
      throw new FksError("Unavailable", "the Machines are away");
    };
    expect((await answer("/stats/summary"))[0]).toBe(503);
    const [status, text] = await answer("/metrics/resource");
    expect([status, text]).toEqual([200, expect.stringContaining("resource_scrape_error 1")]);
    expect(text).not.toContain("container_cpu");
    world.usage = usage;
  });

  test("a checkpoint is refused by name", async () => {
    const post = { method: "POST" };
    expect(await answer("/checkpoint/default/web/app", post)).toEqual([
      501,
      "checkpointing of default/web/app failed (a container of a Machine cannot be checkpointed)",
    ]);
    expect((await answer("/checkpoint/default/web/app"))[0]).toBe(405);
  });

  test("run gives both streams at once, and a failure its exit code", async () => {
    const post = { method: "POST" };
    expect(await answer("/run/default/web/app?cmd=say%20out%20err", post)).toEqual([200, "outerr"]);
    expect(await answer("/run/default/web/app?cmd=exit%204", post)).toEqual([
      500,
      "command 'exit 4' exited with 4: ",
    ]);
  });

  test("exec needs an upgrade", async () => {
    expect((await answer("/exec/default/web/app?command=sh"))[0]).toBe(400);
    expect(await upgrade("/pods")).toStartWith("HTTP/1.1 400 ");
  });

  test.each([
    ["/exec/default/none/app", 404, 'pod "none" does not exist'],
    ["/exec/default/web/old-uid/app", 404, 'pod "web" not found'],
    ["/exec/default/web/x", 404, 'container "x" not found in pod "web"'],
    ["/exec/default/late/app", 400, "is waiting to start: ContainerCreating"],
    ["/portForward/default/late", 404, 'pod not found ("late")'],
  ])("%s is %d before any upgrade", async (path, status, text) => {
    const reply = await upgrade(`${path}?command=sh&output=1`);
    expect(reply).toStartWith(`HTTP/1.1 ${status} `);
    expect(reply).toContain(text);
  });
});

describe("logs", () => {
  test("come as they are, with the options handed on", async () => {
    world.machines.writeLog("one\ntwo\n");
    const path = "/containerLogs/default/web/app?tailLines=5&timestamps=true";
    expect(await answer(path)).toEqual([200, "one\ntwo\n"]);
    expect(world.machines.lastLogOptions()).toEqual({ tailLines: 5, timestamps: true });
  });

  test("have their headers before the container says a word, then what it says", async () => {
    const response = await world.fetch("/containerLogs/default/web/app?follow=true&tailLines=0");
    expect(response.headers.get("transfer-encoding")).toBe("chunked");
    const reader = response.body?.getReader();
    world.machines.writeLog("three\n");
    const next = await reader?.read();
    expect(Buffer.from(next?.value ?? []).toString()).toBe("three\n");

    await reader?.cancel();
    while (world.machines.running() > 0 || world.api.sessions() > 0) {
      // oxlint-disable-next-line no-await-in-loop -- the server notices when its socket closes
      await Bun.sleep(1);
    }
  });

  test.each([
    ["/containerLogs/default/web/app?tailLines=-1", 400, "tailLines"],
    ["/containerLogs/default/none/app", 404, 'pod "none" does not exist'],
    ["/containerLogs/default/web/x", 404, 'container "x" not found in pod "web"'],
    ["/containerLogs/default/late/app", 400, "is waiting to start: ContainerCreating"],
    ["/containerLogs/default/web/app?previous=true", 400, "previous terminated container"],
  ])("%s is %d", async (path, status, text) => {
    const [actual, body] = await answer(path);
    expect([actual, body]).toEqual([status, expect.stringContaining(text)]);
  });

  test("of a Pod whose Machine is gone are those that were kept", async () => {
    expect(await answer("/containerLogs/default/done/app")).toEqual([200, "148e0000000002 app\n"]);
    const [status, text] = await answer("/containerLogs/default/done/app?previous=true");
    expect([status, text]).toEqual([400, expect.stringContaining("previous terminated container")]);
  });

  test("of a container whose status lags are there when the Machine has them", async () => {
    world.machines.report = {
      revision: 2,
      events: [],
      containers: [
        {
          name: "app",
          image: "",
          imageID: "",
          containerID: "fks://1",
          restartCount: 1,
          started: true,
          ready: true,
          state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
          lastState: {
            terminated: {
              exitCode: 1,
              reason: "Error",
              startedAt: "2026-01-01T00:00:00Z",
              finishedAt: "2026-01-01T00:00:00Z",
              containerID: "fks://0",
            },
          },
        },
      ],
    };
    expect((await answer("/containerLogs/default/web/app?previous=true"))[0]).toBe(200);
  });
});

test("a new certificate is served from the next connection on", async () => {
  const other = await testCa("another-server-ca");
  const next = await other.server("127.0.0.1");
  world.rotate(next);
  const response = await fetch(world.url("/healthz"), {
    keepalive: false,
    tls: { ca: other.cert, ...world.apiServer },
  });
  expect(response.status).toBe(200);
});

function bearer(token: string): RequestInit {
  return { headers: { Authorization: `Bearer ${token}` } };
}

/** What comes back for a request that asks for SPDY. */
async function upgrade(path: string): Promise<string> {
  const url = new URL(world.url(path));
  const socket: TLSSocket = connect({
    host: url.hostname,
    port: Number(url.port),
    ca: world.serverCa.cert,
    ...world.apiServer,
  });
  const lines = ["Host: node", "Connection: Upgrade", "Upgrade: SPDY/3.1"];
  socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  let reply = "";
  for await (const chunk of socket) reply += String(chunk);
  return reply;
}
