import { describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type FakeApiServer, fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { kubernetesClient } from "./client.ts";
import { kubernetesPods } from "./pods.ts";

const never = new AbortController().signal;

describe("the Pods of our Nodes", () => {
  test("are all watched, and known once every Node's list came", async () => {
    await using api = fakeApiServer();
    api.put(pod("web"));
    const pods = podsOn(api);
    expect(pods.isSynced()).toBe(false);
    await using _ = run(pods);
    await eventually(() => pods.isSynced());
    expect(pods.keys()).toEqual(["default/web/uid-web"]);
    expect(pods.get("default/web/uid-web")?.spec.nodeName).toBe("local-a");
  });

  test("tell of a Pod that was deleted, and of one that a later list lacks", async () => {
    await using api = fakeApiServer();
    api.put(pod("deleted"));
    api.put(pod("missed"));
    const clock = fakeClock();
    const pods = podsOn(api, clock);
    const changed: string[] = [];
    await using _ = run(pods);
    await eventually(() => api.watches() === 1);
    pods.onChange((key) => changed.push(key));

    api.remove(pod("deleted"));
    await eventually(() => changed.includes("default/deleted/uid-deleted"));
    api.setAway(true);
    api.closeWatches();
    api.remove(pod("missed"));
    api.compact();
    api.setAway(false);
    await eventually(() => changed.includes("default/missed/uid-missed"), { clock });
    expect(pods.keys()).toEqual([]);
  });

  test("a read is undefined only when the API server says there is no such Pod", async () => {
    await using api = fakeApiServer();
    const pods = podsOn(api);
    expect(await pods.read("default", "web", never)).toBeUndefined();

    api.answerOnce("GET", /web/, () => statusAnswer(403, "Forbidden", "no relationship found"));
    const error = await pods.read("default", "web", never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Forbidden" });
  });

  test("a status is a strategic merge for one UID only", async () => {
    await using api = fakeApiServer();
    let sent: unknown;
    api.answerOnce("PATCH", /pods\/web\/status$/, async (request) => {
      sent = { type: request.headers.get("content-type"), body: await request.json() };
      return Response.json(pod("web"));
    });
    await podsOn(api).patchStatus(pod("web"), { phase: "Running" }, never);
    expect(sent).toEqual({
      type: "application/strategic-merge-patch+json",
      body: { metadata: { uid: "uid-web" }, status: { phase: "Running" } },
    });
  });

  test("removing asks for this very UID, and a Pod that is gone already is a success", async () => {
    await using api = fakeApiServer();
    let sent: unknown;
    api.answerOnce("DELETE", /pods\/web$/, async (request) => {
      sent = await request.json();
      return Response.json(pod("web"));
    });
    const pods = podsOn(api);
    await pods.remove(pod("web"), never);
    expect(sent).toMatchObject({ gracePeriodSeconds: 0, preconditions: { uid: "uid-web" } });

    await pods.remove(pod("web"), never);
    api.answerOnce("DELETE", /pods\/web$/, () => statusAnswer(409, "Conflict", "another UID"));
    await pods.remove(pod("web"), never);
  });
});

function podsOn(api: FakeApiServer, clock = fakeClock()) {
  const client = kubernetesClient({ server: api.url, clock });
  return kubernetesPods({
    nodes: new Map([["local-a", client]]),
    reader: client,
    statusPatchFor: ({ metadata: { uid } }, status) => ({ metadata: { uid }, status }),
    clock,
    log: memoryLog(),
  });
}

function run(pods: ReturnType<typeof podsOn>): AsyncDisposable {
  const stop = new AbortController();
  const running = pods.run(stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await running;
    },
  };
}

function pod(name: string): Pod {
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    spec: { nodeName: "local-a", containers: [{ name: "c", image: "web" }] },
  };
}
