import { describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import type { PodEvent } from "#core/ports/pods.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { eventFor, kubernetesNodeEvents, kubernetesPodEvents } from "./events.ts";

const never = new AbortController().signal;
const EVENTS = /^\/api\/v1\/namespaces\/default\/events$/;

describe("Events about a Pod", () => {
  test("have one name per Pod and event, whoever tells them", () => {
    const [pod, other] = [podWith("uid-1"), podWith("uid-2")];
    expect(eventFor(pod, event("1"))).toEqual(eventFor(pod, event("1")));
    const names = [
      eventFor(pod, event("1")),
      eventFor(pod, event("2")),
      eventFor(other, event("1")),
    ];
    expect(new Set(names.map((made) => JSON.stringify(made).slice(0, 90))).size).toBe(3);
  });

  test("look like the kubelet's", () => {
    expect(eventFor(podWith("uid-1"), event("1"))).toMatchObject({
      involvedObject: { kind: "Pod", name: "web", uid: "uid-1", fieldPath: "spec.containers{c}" },
      reason: "Started",
      source: { component: "kubelet", host: "local-a" },
      reportingComponent: "kubelet",
    });
  });

  test("told again they are one", async () => {
    await using world = start();
    world.api.answerOnce("POST", EVENTS, () => Response.json({}, { status: 201 }));
    await world.events.record(podWith("uid-1"), event("1"), never);
    world.api.answerOnce("POST", EVENTS, () => statusAnswer(409, "AlreadyExists", "is there"));
    await world.events.record(podWith("uid-1"), event("1"), never);
    expect(world.api.requests).toHaveLength(2);
  });

  test("that cannot be told are the teller's business", async () => {
    await using world = start();
    world.api.answerOnce("POST", EVENTS, () => statusAnswer(503, "ServiceUnavailable", "away"));
    const telling = world.events.record(podWith("uid-1"), event("1"), never);
    expect(await telling.catch((err: unknown) => err)).toMatchObject({ code: "Unavailable" });
  });

  test("older than the API server keeps them they are not brought back", async () => {
    await using world = start();
    world.clock.advance(3_600_001);
    await world.events.record(podWith("uid-1"), event("1"), never);
    expect(world.api.requests).toHaveLength(0);
  });
});

describe("Events about a Node", () => {
  test("stand where kubectl describe looks for them, and go by its name", async () => {
    await using world = start();
    const told: unknown[] = [];
    world.api.answerOnce("POST", EVENTS, async (request) => {
      told.push(await request.json());
      return Response.json({}, { status: 201 });
    });
    const annotations = { starved_resource: "memory" };
    const met = { ...event("1"), reason: "EvictionThresholdMet", annotations };
    await world.nodeEvents.record("local-a", met, never);
    await world.nodeEvents.record("not-ours", met, never);
    expect(world.api.requests).toHaveLength(1);
    expect(told).toMatchObject([
      {
        metadata: { namespace: "default", annotations },
        involvedObject: { kind: "Node", name: "local-a", uid: "local-a" },
        reason: "EvictionThresholdMet",
        source: { component: "kubelet", host: "local-a" },
      },
    ]);
  });
});

function start() {
  const api = fakeApiServer();
  const clock = fakeClock();
  const client = kubernetesClient({ server: api.url, clock });
  const nodes = new Map([["local-a", client]]);
  return {
    api,
    clock,
    events: kubernetesPodEvents({ nodes, clock }),
    nodeEvents: kubernetesNodeEvents({ nodes }),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

function podWith(uid: string): Pod {
  return {
    metadata: { name: "web", namespace: "default", uid },
    spec: { nodeName: "local-a", containers: [{ name: "c", image: "web" }] },
  };
}

function event(id: string): PodEvent {
  return {
    id,
    type: "Normal",
    reason: "Started",
    message: "Started container c",
    fieldPath: "spec.containers{c}",
    at: "1970-01-01T00:00:00Z",
  };
}
