import { describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { kubernetesClient } from "./client.ts";
import { kubernetesClusterObjects } from "./cluster-objects.ts";

const never = new AbortController().signal;
const POD: Pod = {
  metadata: { name: "web", namespace: "default", uid: "uid-web" },
  spec: { nodeName: "local-a", serviceAccountName: "robot", containers: [] },
};

describe("what a translation asks the cluster", () => {
  test("a token is bound to the Pod and asked for by its Node", async () => {
    await using world = start();
    let sent: unknown;
    world.node.answerOnce("POST", /serviceaccounts\/robot\/token$/, async (request) => {
      sent = await request.json();
      return Response.json({ status: { token: "t", expirationTimestamp: "2026-11-24T09:00:00Z" } });
    });
    const token = await world.objects.podToken(POD, { expirationSeconds: 3_607 }, never);
    expect(token).toEqual({ token: "t", expiresAt: "2026-11-24T09:00:00Z" });
    expect(sent).toMatchObject({
      spec: {
        audiences: [],
        expirationSeconds: 3_607,
        boundObjectRef: { kind: "Pod", name: "web", uid: "uid-web" },
      },
    });
    expect(world.own.requests).toEqual([]);
  });

  test("a token is asked for again while the API server has not noticed where the Pod is", async () => {
    await using world = start();
    for (let i = 0; i < 2; i += 1) {
      world.node.answerOnce("POST", /token$/, () => statusAnswer(403, "Forbidden", "not yet"));
    }
    world.node.answerOnce("POST", /token$/, () =>
      Response.json({ status: { token: "t", expirationTimestamp: "2026-11-24T09:00:00Z" } }),
    );
    let isOver = false;
    const asking = world.objects.podToken(POD, { expirationSeconds: 600 }, never).finally(() => {
      isOver = true;
    });
    await eventually(() => isOver, { clock: world.clock });
    expect((await asking).token).toBe("t");
  });

  test("a token that stays forbidden is an error", async () => {
    await using world = start();
    for (let i = 0; i < 5; i += 1) {
      world.node.answerOnce("POST", /token$/, () => statusAnswer(403, "Forbidden", "no"));
    }
    let error: unknown;
    const asking = world.objects
      .podToken(POD, { expirationSeconds: 600 }, never)
      .catch((err: unknown) => {
        error = err;
      });
    await eventually(() => error !== undefined, { clock: world.clock });
    await asking;
    expect(error).toMatchObject({ code: "Forbidden" });
    expect(world.node.requests).toHaveLength(5);
  });

  test("a token for a Pod that runs elsewhere is nobody's to ask for", async () => {
    await using world = start();
    const elsewhere = { ...POD, spec: { ...POD.spec, nodeName: "elsewhere" } };
    const asking = world.objects.podToken(elsewhere, { expirationSeconds: 600 }, never);
    expect(await asking.catch((err: unknown) => err)).toMatchObject({ code: "Forbidden" });
  });

  test("a ConfigMap is read by the Pod's Node, and undefined only when the API server says so", async () => {
    await using world = start();
    const path = /namespaces\/default\/configmaps\/c$/;
    world.node.answerOnce("GET", path, () => statusAnswer(404, "NotFound", "no"));
    expect(await world.objects.configMap(POD, "c", never)).toBeUndefined();
    world.node.answerOnce("GET", path, () =>
      Response.json({ metadata: { uid: "u", resourceVersion: "7" }, data: { a: "1" } }),
    );
    const view = await world.objects.configMap(POD, "c", never);
    expect(view).toEqual({
      data: new Map([["a", "1"]]),
      binaryData: new Map(),
      version: "u/7",
      isImmutable: false,
    });
    world.node.answerOnce("GET", path, () => statusAnswer(500, "InternalError", "oops"));
    const error = await world.objects.configMap(POD, "c", never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "Unavailable" });
    expect(world.own.requests).toEqual([]);
  });

  test("a Secret is read by the Pod's Node, also before the API server knows where the Pod is", async () => {
    await using world = start();
    const path = /namespaces\/default\/secrets\/keys$/;
    world.node.answerOnce("GET", path, () => statusAnswer(403, "Forbidden", "not yet"));
    world.node.answerOnce("GET", path, () =>
      Response.json({
        metadata: { uid: "u", resourceVersion: "7" },
        type: "Opaque",
        immutable: true,
        data: { word: "czNjcmV0" },
      }),
    );
    let isOver = false;
    const asking = world.objects.secret(POD, "keys", never).finally(() => {
      isOver = true;
    });
    await eventually(() => isOver, { clock: world.clock });
    const view = await asking;
    expect(view).toEqual({
      type: "Opaque",
      data: new Map([["word", "czNjcmV0"]]),
      version: "u/7",
      isImmutable: true,
    });
    expect(JSON.stringify(view)).not.toContain("czNjcmV0");
    expect(world.own.requests).toEqual([]);
  });

  test("a Secret is undefined only when the API server says so", async () => {
    await using world = start();
    world.node.answerOnce("GET", /secrets/, () => statusAnswer(404, "NotFound", "no"));
    expect(await world.objects.secret(POD, "keys", never)).toBeUndefined();
    world.node.answerOnce("GET", /secrets/, () => new Response("no such route", { status: 404 }));
    const error = await world.objects.secret(POD, "keys", never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "Unavailable" });
  });

  test("a Secret that cannot be read is an error without its text", async () => {
    await using world = start();
    world.node.answerOnce("GET", /secrets/, () => Response.json({ data: { word: ["czNjcmV0"] } }));
    const error = await world.objects.secret(POD, "keys", never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "Unavailable" });
    expect(Bun.inspect(error, { depth: 9 })).not.toContain("czNjcmV0");
  });

  test("Services are told with their addresses and ports", async () => {
    await using world = start();
    const items = [
      {
        metadata: { name: "web" },
        spec: { clusterIP: "fdaa::7", ports: [{ name: "http", port: 80, protocol: "TCP" }] },
      },
      { metadata: { name: "elsewhere" }, spec: { type: "ExternalName", externalName: "a.b" } },
    ];
    world.own.answerOnce("GET", /namespaces\/default\/services\?/, () =>
      Response.json({ metadata: { resourceVersion: "7" }, items }),
    );
    expect(await world.objects.services("default", never)).toEqual([
      {
        name: "web",
        clusterIP: "fdaa::7",
        ports: [{ name: "http", port: 80, protocol: "TCP" }],
      },
      { name: "elsewhere", clusterIP: "", ports: [] },
    ]);
  });

  test("the cluster is the UID of its kube-system namespace", async () => {
    await using world = start();
    world.own.answerOnce("GET", /namespaces\/kube-system$/, () =>
      Response.json({ metadata: { name: "kube-system", uid: "the-cluster" } }),
    );
    expect(await world.objects.clusterUid(never)).toBe("the-cluster");
  });
});

/** The same API server twice, to tell who asked. */
function start() {
  const [own, node] = [fakeApiServer(), fakeApiServer()];
  const clock = fakeClock();
  return {
    own,
    node,
    clock,
    objects: kubernetesClusterObjects({
      client: kubernetesClient({ server: own.url, clock }),
      nodes: new Map([["local-a", kubernetesClient({ server: node.url, clock })]]),
      clock,
    }),
    async [Symbol.asyncDispose]() {
      await own[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    },
  };
}
