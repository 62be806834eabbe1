import { describe, expect, test } from "bun:test";
import type { ErrorCode } from "#core/errors.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { type Credentials, kubernetesClient } from "./client.ts";
import { podFrom } from "./pod-codec.ts";

const never = new AbortController().signal;
const UID_CHANGED = { details: { causes: [{ field: "metadata.uid" }] } };

describe("the API server's client", () => {
  const ANSWERS: readonly [string, () => Response, ErrorCode][] = [
    ["401", () => statusAnswer(401, "Unauthorized", "no"), "Unauthorized"],
    ["403", () => statusAnswer(403, "Forbidden", "no"), "Forbidden"],
    ["404 with a Status", () => statusAnswer(404, "NotFound", "no"), "NotFound"],
    ["a proxy's 404", () => new Response("not here", { status: 404 }), "Unavailable"],
    ["409", () => statusAnswer(409, "Conflict", "no"), "Conflict"],
    ["422 about the UID", () => statusAnswer(422, "Invalid", "no", UID_CHANGED), "Conflict"],
    ["422 about anything else", () => statusAnswer(422, "Invalid", "no"), "InvalidInput"],
    ["429", () => statusAnswer(429, "TooManyRequests", "no"), "RateLimited"],
    ["500", () => new Response("oops", { status: 500 }), "Unavailable"],
    ["503", () => statusAnswer(503, "ServiceUnavailable", "no"), "Unavailable"],
    ["a page that is not JSON", () => new Response("<html>"), "Unavailable"],
  ];

  test.each(ANSWERS)("%s becomes an error of ours", async (_, answer, code) => {
    await using api = fakeApiServer();
    api.answerOnce("GET", /pods/, answer);
    const client = kubernetesClient({ server: api.url, clock: fakeClock() });
    const path = "/api/v1/namespaces/default/pods/web";
    const error = await client.get(path, podFrom, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ name: "FksError", code });
  });

  test("tells how long the API server asks to wait", async () => {
    await using api = fakeApiServer();
    const headers = { "retry-after": "7" };
    api.answerOnce("GET", /pods/, () => statusAnswer(429, "TooManyRequests", "no", { headers }));
    const client = kubernetesClient({ server: api.url, clock: fakeClock() });
    const error = await client.get("/api/v1/pods", podFrom, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "RateLimited", retryAfterMs: 7_000 });
  });

  test("a server that is not there is unavailable", async () => {
    const api = fakeApiServer();
    await api[Symbol.asyncDispose]();
    const client = kubernetesClient({ server: api.url, clock: fakeClock() });
    const error = await client.get("/api/v1/pods", podFrom, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Unavailable" });
  });

  test("a call that hangs ends at its deadline, as unavailable", async () => {
    await using api = fakeApiServer();
    const clock = fakeClock();
    api.answerOnce("GET", /pods/, () => {
      clock.advance(30_000);
      return new Promise<Response>(() => {});
    });
    const client = kubernetesClient({ server: api.url, clock });
    const error = await client.get("/api/v1/pods", podFrom, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Unavailable" });
  });

  test("a caller that goes away gets its own reason", async () => {
    await using api = fakeApiServer();
    const stop = new AbortController();
    api.answerOnce("GET", /pods/, () => {
      stop.abort(new Error("nobody waits any more"));
      return new Promise<Response>(() => {});
    });
    const client = kubernetesClient({ server: api.url, clock: fakeClock() });
    const error = await client.get("/api/v1/pods", podFrom, stop.signal).catch((e: unknown) => e);
    expect(error).toEqual(new Error("nobody waits any more"));
  });

  test("a list is all pages, or a failure", async () => {
    await using api = fakeApiServer();
    for (let i = 0; i < 1_200; i += 1) api.put(pod(`p${i}`));
    const client = kubernetesClient({ server: api.url, clock: fakeClock() });
    const { items } = await client.list("/api/v1/pods", {}, podFrom, never);
    expect(items).toHaveLength(1_200);
    expect(api.requests).toHaveLength(3);

    api.answerOnce("GET", /continue=500/, () => statusAnswer(410, "Expired", "too old"));
    const error = await client.list("/api/v1/pods", {}, podFrom, never).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "Unavailable" });
  });

  test("a rotated identity is used from the next call on", async () => {
    await using api = fakeApiServer();
    const seen: (string | null)[] = [];
    const note = (request: Request): Response => {
      seen.push(request.headers.get("authorization"));
      return Response.json(pod("web"));
    };
    let credentials: Credentials = { token: "first" };
    const client = kubernetesClient({
      server: api.url,
      clock: fakeClock(),
      credentials: () => credentials,
    });
    api.answerOnce("GET", /pods/, note);
    await client.get("/api/v1/pods", podFrom, never);
    credentials = { token: "second" };
    api.answerOnce("GET", /pods/, note);
    await client.get("/api/v1/pods", podFrom, never);
    expect(seen).toEqual(["Bearer first", "Bearer second"]);
  });

  test("a Pod comes without the fields that only servers manage", () => {
    const { metadata, ...rest } = pod("web");
    const read = podFrom({ ...rest, metadata: { ...metadata, managedFields: [{ f: 1 }] } });
    expect(JSON.stringify(read)).not.toContain("managedFields");
    expect(read.metadata.name).toBe("web");
  });
});

function pod(name: string) {
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    spec: { nodeName: "local-a", containers: [{ name: "c", image: "web" }] },
  };
}
