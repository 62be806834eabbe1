import { describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import type { PodEvent } from "#core/ports/pods.ts";
import { type FakeApiServer, fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { kubernetesClient } from "./client.ts";
import { eventFor, kubernetesPodEvents } from "./events.ts";

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

  test("told twice they are sent once, and one that is there already is fine", async () => {
    await using world = start();
    world.api.answerOnce("POST", EVENTS, () => statusAnswer(409, "AlreadyExists", "is there"));
    await world.events.record(podWith("uid-1"), event("1"), never);
    await world.events.record(podWith("uid-1"), event("1"), never);
    await eventually(() => world.api.requests.length === 1);
    await world.tick();
    expect(world.api.requests).toHaveLength(1);
    expect(world.log.lines).toEqual([]);
  });

  test("are tried again while the API server is away, and dropped when it refuses", async () => {
    await using world = start();
    world.api.answerOnce("POST", EVENTS, () => statusAnswer(503, "ServiceUnavailable", "away"));
    world.api.answerOnce("POST", EVENTS, () => statusAnswer(403, "Forbidden", "terminating"));
    await world.events.record(podWith("uid-1"), event("1"), never);
    await eventually(() => world.log.lines.length === 1, { clock: world.clock });
    expect(world.api.requests).toHaveLength(2);
    expect(world.log.lines[0]?.[0]).toBe("event dropped");
  });

  test("a burst waits in the queue and never makes the teller wait", async () => {
    await using world = start({ isRunning: false });
    for (let i = 0; i < 21_000; i += 1) {
      await world.events.record(podWith(`uid-${i}`), event("1"), never);
    }
    expect(world.api.requests).toHaveLength(0);
    expect(world.log.lines[0]).toEqual(["events dropped, the queue is full", { dropped: 1 }]);
  });

  test("older than the API server keeps them they are not brought back", async () => {
    await using world = start();
    world.clock.advance(3_600_001);
    await world.events.record(podWith("uid-1"), event("1"), never);
    await world.tick();
    expect(world.api.requests).toHaveLength(0);
  });
});

function start({ isRunning = true } = {}) {
  const api: FakeApiServer = fakeApiServer();
  const clock = fakeClock();
  const log = memoryLog();
  const client = kubernetesClient({ server: api.url, clock });
  const events = kubernetesPodEvents({ nodes: new Map([["local-a", client]]), clock, log });
  const stop = new AbortController();
  const running = isRunning ? events.run(stop.signal) : Promise.resolve();
  return {
    api,
    clock,
    log,
    events,
    /** Lets both workers come round once. */
    async tick() {
      for (let i = 0; i < 20; i += 1) {
        clock.advance(10);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await running;
      await api[Symbol.asyncDispose]();
    },
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
