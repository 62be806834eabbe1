import { describe, expect, test } from "bun:test";
import { type FakeApiServer, fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { kubernetesClient } from "./client.ts";
import { podFrom } from "./pod-codec.ts";
import { reflect } from "./reflect.ts";

describe("a watched list", () => {
  test("tells what was there, what comes and what goes", async () => {
    await using api = fakeApiServer();
    api.put(pod("old"));
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    api.put(pod("new"));
    api.remove(pod("old"));
    await eventually(() => watching.told.length === 3);
    expect(watching.told).toEqual(["all old", "put new", "drop old"]);
  });

  test("closed in the middle of a burst it loses nothing and lists nothing again", async () => {
    await using api = fakeApiServer();
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    for (let i = 0; i < 200; i += 1) {
      api.put(pod(`p${i}`));
      if (i % 50 === 20) api.closeWatches();
      if (i % 50 === 45) api.breakWatches();
      if (i % 10 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await eventually(() => watching.told.length >= 201, { clock: watching.clock });
    expect(watching.told.slice(1)).toEqual(Array.from({ length: 200 }, (_, i) => `put p${i}`));
    expect(lists(api)).toBe(1);
  });

  test("goes on from the last bookmark, however old the last change is", async () => {
    await using api = fakeApiServer();
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    api.put(pod("a"));
    await eventually(() => watching.told.includes("put a"));
    api.bookmark();
    api.compact();
    api.closeWatches();
    api.put(pod("b"));
    await eventually(() => watching.told.includes("put b"));
    expect(lists(api)).toBe(1);
  });

  test("lists again when its version is too old", async () => {
    await using api = fakeApiServer();
    api.put(pod("a"));
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    api.setAway(true);
    api.closeWatches();
    api.remove(pod("a"));
    api.put(pod("b"));
    api.compact();
    api.setAway(false);
    await eventually(() => watching.told.includes("all b"), { clock: watching.clock });
    expect(watching.told).toEqual(["all a", "all b"]);
    expect(watching.log.lines).toEqual([]);
  });

  test("waits as long as the API server asks", async () => {
    await using api = fakeApiServer();
    api.answerOnce("GET", /pods/, () =>
      statusAnswer(429, "TooManyRequests", "slow down", { headers: { "retry-after": "30" } }),
    );
    await using watching = watch(api);
    await eventually(() => watching.log.lines.length === 1);
    expect(watching.log.lines[0]?.[1]).toMatchObject({ retry_in_ms: 30_000 });
    watching.clock.advance(30_000);
    await eventually(() => watching.told.length === 1);
  });

  test("an outage of a minute takes nothing away, and nothing is listed again after it", async () => {
    await using api = fakeApiServer();
    api.put(pod("a"));
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    api.setAway(true);
    api.closeWatches();
    const { clock, log } = watching;
    const waits = () => log.lines.map(([, { retry_in_ms }]) => Number(retry_in_ms));
    await eventually(() => waits().length === 1, { clock });
    for (let failures = 1; clock.now() < 60_000; failures += 1) {
      await eventually(() => waits().length === failures);
      clock.advance(waits().at(-1) ?? 0);
    }
    expect(watching.told).toEqual(["all a"]);
    expect(
      waits()
        .slice(0, 3)
        .every((ms, i) => ms >= 200 * 2 ** i),
    ).toBe(true);
    expect(Math.max(...waits())).toBeLessThanOrEqual(5_000);

    api.put(pod("b"));
    api.setAway(false);
    await eventually(() => watching.told.some((line) => line === "put b" || line === "all a,b"), {
      clock: watching.clock,
    });
  });

  test("a connection that went silent is given up and resumed", async () => {
    await using api = fakeApiServer();
    await using watching = watch(api);
    await eventually(() => api.watches() === 1);
    watching.clock.advance(150_000);
    await eventually(() => api.requests.length === 3, { clock: watching.clock });
    api.put(pod("a"));
    await eventually(() => watching.told.includes("put a"));
  });

  test("ends when it is told to, and closes its watch", async () => {
    await using api = fakeApiServer();
    const watching = watch(api);
    await eventually(() => api.watches() === 1);
    await watching[Symbol.asyncDispose]();
    await eventually(() => api.watches() === 0);
  });
});

function watch(api: FakeApiServer) {
  const clock = fakeClock();
  const log = memoryLog();
  const told: string[] = [];
  const client = kubernetesClient({ server: api.url, clock });
  const stop = new AbortController();
  const running = reflect(
    {
      client,
      path: "/api/v1/pods",
      query: { fieldSelector: "spec.nodeName=local-a" },
      decode: podFrom,
      sink: {
        replace: (pods) =>
          void told.push(`all ${pods.map(({ metadata }) => metadata.name).join()}`),
        put: ({ metadata }) => void told.push(`put ${metadata.name}`),
        drop: ({ metadata }) => void told.push(`drop ${metadata.name}`),
      },
      clock,
      log,
    },
    stop.signal,
  );
  return {
    clock,
    log,
    told,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await running;
      client.close();
    },
  };
}

function pod(name: string) {
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    spec: { nodeName: "local-a", containers: [{ name: "c", image: "web" }] },
  };
}

function lists(api: FakeApiServer): number {
  return api.requests.filter((request) => !request.includes("watch=true")).length;
}
