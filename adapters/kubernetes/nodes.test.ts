import { describe, expect, test } from "bun:test";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { kubernetesLeases } from "./leases.ts";
import { kubernetesNodes } from "./nodes.ts";

const never = new AbortController().signal;

describe("a Node", () => {
  test("is applied field by field, so that other people's fields stay", async () => {
    await using world = start();
    let sent: unknown;
    world.api.answerOnce("PATCH", /nodes\/local-a\?/, async (request) => {
      sent = { type: request.headers.get("content-type"), body: await request.json() };
      return Response.json({ metadata: { name: "local-a", uid: "1" } });
    });
    const metadata = { labels: { type: "virtual-kubelet" }, annotations: { owner: "ops" } };
    await world.nodes.applyObject("local-a", metadata, never);
    expect(sent).toEqual({
      type: "application/apply-patch+yaml",
      body: {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "local-a", ...metadata },
      },
    });
    expect(world.api.requests[0]).toEndWith("?fieldManager=fks-node&force=true");
  });

  test("is made with its taints, and left alone when somebody was faster", async () => {
    await using world = start();
    const taints = [{ key: "dedicated", effect: "NoSchedule" }] as const;
    let sent: unknown;
    world.api.answerOnce("POST", /nodes$/, async (request) => {
      sent = await request.json();
      return statusAnswer(409, "AlreadyExists", "it is there");
    });
    await world.nodes.register("local-a", taints, never);
    expect(sent).toMatchObject({ metadata: { name: "local-a" }, spec: { taints } });
  });

  test("that is not there is undefined, one that cannot be read is an error", async () => {
    await using world = start();
    world.api.answerOnce("GET", /nodes/, () => statusAnswer(404, "NotFound", "no such node"));
    expect(await world.nodes.read("local-a", never)).toBeUndefined();
    world.api.answerOnce("GET", /nodes/, () => statusAnswer(503, "ServiceUnavailable", "away"));
    const error = await world.nodes.read("local-a", never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Unavailable" });
  });
});

describe("a Lease", () => {
  test("is renewed, and made when it is missing, with its Node as owner", async () => {
    await using world = start();
    let made: unknown;
    world.api.answerOnce("PATCH", /leases\/local-a$/, () =>
      statusAnswer(404, "NotFound", "no such lease"),
    );
    world.api.answerOnce("POST", /leases$/, async (request) => {
      made = await request.json();
      return Response.json({}, { status: 201 });
    });
    const nowMs = Date.UTC(2026, 10, 24, 8, 0, 0, 5);
    await world.leases.renew("local-a", { nowMs, durationSeconds: 40, nodeUid: "1" }, never);
    expect(made).toMatchObject({
      metadata: { ownerReferences: [{ kind: "Node", name: "local-a", uid: "1" }] },
      spec: { leaseDurationSeconds: 40, renewTime: "2026-11-24T08:00:00.005000Z" },
    });
  });
});

function start() {
  const api = fakeApiServer();
  const clients = new Map([["local-a", kubernetesClient({ server: api.url, clock: fakeClock() })]]);
  return {
    api,
    nodes: kubernetesNodes(clients),
    leases: kubernetesLeases(clients),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
