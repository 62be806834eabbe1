import { expect, test } from "bun:test";
import type { Namespace } from "#core/kube/namespace.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { kubernetesNamespaces } from "./namespaces.ts";

const never = new AbortController().signal;
const SHOP: Namespace = {
  metadata: { name: "shop", uid: "n1", labels: {}, annotations: {}, finalizers: [] },
  spec: { finalizers: ["kubernetes"] },
  status: { phase: "Active" },
};
const CHANGE = { labels: { "fly.io/app": "a" }, finalizer: "fly.io/app" };

function start() {
  const api = fakeApiServer();
  const client = kubernetesClient({ server: api.url, clock: fakeClock() });
  return {
    api,
    namespaces: kubernetesNamespaces(client),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

test("label and finalizer are added in one write to this very namespace", async () => {
  await using world = start();
  let sent: unknown;
  world.api.answerOnce("PATCH", /namespaces\/shop$/, async (request) => {
    sent = { type: request.headers.get("content-type"), body: await request.json() };
    return Response.json({});
  });
  await world.namespaces.claim(SHOP, CHANGE, never);
  expect(sent).toEqual({
    type: "application/strategic-merge-patch+json",
    body: { metadata: { uid: "n1", labels: CHANGE.labels, finalizers: ["fly.io/app"] } },
  });
});

test("a namespace that is being deleted takes no finalizer any more", async () => {
  await using world = start();
  world.api.answerOnce("PATCH", /namespaces\/shop$/, () =>
    statusAnswer(422, "Invalid", "no new finalizers can be added if the object is being deleted"),
  );
  const failure = await world.namespaces.claim(SHOP, CHANGE, never).catch((e: unknown) => e);
  expect(failure).toMatchObject({
    code: "Conflict",
    message: 'namespace "shop" is being deleted',
  });
});

test("letting go of a namespace that is gone is no harm", async () => {
  await using world = start();
  let sent: unknown;
  world.api.answerOnce("PATCH", /namespaces\/shop$/, async (request) => {
    sent = await request.json();
    return statusAnswer(404, "NotFound", "no such namespace");
  });
  await world.namespaces.letGo(SHOP, "fly.io/app", never);
  expect(sent).toEqual({
    metadata: { uid: "n1", "$deleteFromPrimitiveList/finalizers": ["fly.io/app"] },
  });
});
