import { expect, test } from "bun:test";
import type { KeyPair } from "#adapters/kubernetes/certificates.ts";
import { selfSigned } from "#adapters/kubernetes/self-signed.ts";
import { FksError } from "#core/errors.ts";
import { onAnyPort } from "#core/ports/listen.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { serveWebhook, WEBHOOK_PATH, type WebhookDeps } from "./server.ts";

const RANGE = "fdaa:1:2:0:1::/112";
const IP = "fdaa:1:2:0:1::2a";

interface Answer {
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patch?: string;
    readonly status?: object;
  };
}

async function start(take: WebhookDeps["take"]) {
  const pairs = new Map<string, KeyPair>();
  const store = {
    load: async (name: string) => pairs.get(name),
    save: async (name: string, pair: KeyPair) => void pairs.set(name, pair),
  };
  const certificate = { name: "webhook", commonName: "webhook", address: "127.0.0.1" };
  const tls = await selfSigned(certificate, store, Date.now());
  const stop = new AbortController();
  const clock = fakeClock();
  const webhook = serveWebhook(
    {
      host: "127.0.0.1",
      listen: onAnyPort,
      tls,
      range: RANGE,
      take,
      nameFrom: (generateName) => `${generateName}x7k2p`,
      clock,
      log: memoryLog(),
    },
    stop.signal,
  );
  const url = `https://127.0.0.1:${webhook.port}${WEBHOOK_PATH}`;
  const post = (body: string): Promise<Response> =>
    fetch(url, { method: "POST", body, tls: { ca: tls.cert } });
  return {
    clock,
    post,
    /** The Service as the API server has it after our answer, or the refusal. */
    async ask(metadata: object, spec: object = {}, dryRun = false): Promise<Answer["response"]> {
      const object = { metadata, spec: { type: "ClusterIP", ...spec } };
      const request = { uid: "r1", namespace: "default", operation: "CREATE", dryRun, object };
      const response = await post(JSON.stringify({ kind: "AdmissionReview", request }));
      const answer: Answer = JSON.parse(await response.text());
      return answer.response;
    },
    [Symbol.asyncDispose]: () => webhook.stop(),
  };
}

const patchOf = ({ patch = "" }: Answer["response"]): unknown => JSON.parse(atob(patch));

test("a Service gets its address, and the annotation that says so", async () => {
  await using world = await start(async () => IP);
  const address = [
    { op: "add", path: "/spec/clusterIP", value: IP },
    { op: "add", path: "/spec/clusterIPs", value: [IP] },
  ];
  const plain = await world.ask({ name: "web" });
  expect(plain).toMatchObject({ uid: "r1", allowed: true, patchType: "JSONPatch" });
  expect(patchOf(plain)).toEqual([
    ...address,
    {
      op: "add",
      path: "/metadata/annotations",
      value: { "fly.io/clusterip-allocator": "configured" },
    },
  ]);
  expect(patchOf(await world.ask({ name: "web", annotations: { a: "b" } }))).toEqual([
    ...address,
    { op: "add", path: "/metadata/annotations/fly.io~1clusterip-allocator", value: "configured" },
  ]);
});

test("one without a name gets the name its address is for", async () => {
  const asked: string[] = [];
  await using world = await start(async ({ name }) => {
    asked.push(name);
    return IP;
  });
  const answer = await world.ask({ generateName: "many-" });
  expect(asked).toEqual(["many-x7k2p"]);
  expect(patchOf(answer)).toContainEqual({
    op: "add",
    path: "/metadata/name",
    value: "many-x7k2p",
  });
});

test("dry runs and headless Services take none", async () => {
  await using world = await start(() => Promise.reject(new Error("asked")));
  expect(await world.ask({ name: "web" }, {}, true)).toEqual({ uid: "r1", allowed: true });
  expect(await world.ask({ name: "web" }, { clusterIP: "None" })).toEqual({
    uid: "r1",
    allowed: true,
  });
});

test.each([
  ["Conflict", 409, "Conflict"],
  ["Unavailable", 503, "ServiceUnavailable"],
  ["InvalidInput", 422, "Invalid"],
] as const)("%s is told to the caller in one sentence", async (code, status, reason) => {
  await using world = await start(() => Promise.reject(new FksError(code, "it is like this")));
  expect(await world.ask({ name: "web" })).toEqual({
    uid: "r1",
    allowed: false,
    status: {
      code: status,
      reason,
      message: 'no address for Service "default/web": it is like this',
    },
  });
});

test("a platform that does not answer is told of before the API server gives up", async () => {
  await using world = await start((_request, signal) => {
    const { promise, reject } = Promise.withResolvers<string>();
    signal.addEventListener("abort", () => reject(signal.reason));
    world.clock.advance(8_000);
    return promise;
  });
  expect(await world.ask({ name: "web" })).toMatchObject({
    allowed: false,
    status: { code: 503, message: expect.stringContaining("the platform gave none within 8 s") },
  });
});

test("what is no question about a Service is refused", async () => {
  await using world = await start(async () => IP);
  expect((await world.post("{")).status).toBe(400);
  expect((await world.post('{"request":{}}')).status).toBe(400);
});
