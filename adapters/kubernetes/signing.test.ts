import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { kubernetesClient } from "./client.ts";
import { type SigningOrder, signedKeyPair } from "./signing.ts";

const never = new AbortController().signal;
const SERVING: SigningOrder = {
  signer: "kubernetes.io/kubelet-serving",
  subject: {
    commonName: "system:node:local-a",
    organization: "system:nodes",
    addresses: ["fdaa:1:2:ffff::1:0"],
  },
};

const askedSchema = z.object({ spec: z.record(z.string(), z.unknown()) });

describe("a signing request", () => {
  test("is approved by us and gives a certificate with the key that never left", async () => {
    await using world = start();
    const pair = await signedKeyPair(SERVING, world, never);
    expect(pair.cert).toBe("PEM");
    expect(pair.key).toContain("BEGIN PRIVATE KEY");
    expect(world.asked[0]?.spec).toMatchObject({
      signerName: "kubernetes.io/kubelet-serving",
      usages: ["digital signature", "server auth"],
      expirationSeconds: 2_592_000,
    });
    expect(JSON.stringify(world.asked)).not.toContain("PRIVATE");
    expect(world.api.requests.some((line) => line.startsWith("PATCH"))).toBe(true);
  });

  test("that was changed on its way is never approved", async () => {
    await using world = start({ change: { signerName: "kubernetes.io/kube-apiserver-client" } });
    const error = await signedKeyPair(SERVING, world, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Forbidden" });
    expect(world.api.requests).toHaveLength(1);
  });

  test("that the cluster denies is an error with its words", async () => {
    const conditions = [{ type: "Denied", message: "not on my watch" }];
    await using world = start({ status: { conditions } });
    const error = await signedKeyPair(SERVING, world, never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Forbidden" });
    expect(String(error)).toContain("not on my watch");
  });

  test("that the controller-manager approved first goes on", async () => {
    await using world = start({ approval: () => statusAnswer(409, "Conflict", "modified") });
    expect((await signedKeyPair(SERVING, world, never)).cert).toBe("PEM");
  });

  test("that nobody signs ends after half a minute", async () => {
    await using world = start({ status: {} });
    let error: unknown;
    const waiting = signedKeyPair(SERVING, world, never).catch((err: unknown) => {
      error = err;
    });
    await eventually(() => {
      world.clock.advance(1_000);
      return error !== undefined;
    });
    await waiting;
    expect(error).toMatchObject({ code: "Unavailable" });
  });
});

interface StartOptions {
  /** Fields of the spec that come back different from what was sent. */
  readonly change?: object;
  readonly status?: object;
  readonly approval?: () => Response;
}

function start({
  change = {},
  status = { certificate: btoa("PEM") },
  approval,
}: StartOptions = {}) {
  const api = fakeApiServer();
  const clock = fakeClock();
  const asked: z.infer<typeof askedSchema>[] = [];
  let stored: object = {};
  api.answerOnce("POST", /certificatesigningrequests$/, async (request) => {
    const body = askedSchema.parse(await request.json());
    asked.push(body);
    stored = { metadata: { name: "fks-node-abcde" }, spec: { ...body.spec, ...change } };
    return Response.json(stored, { status: 201 });
  });
  api.answerOnce("PATCH", /approval$/, () => approval?.() ?? Response.json({}));
  for (let i = 0; i < 200; i += 1) {
    api.answerOnce("GET", /certificatesigningrequests/, () => Response.json({ ...stored, status }));
  }
  const client = kubernetesClient({ server: api.url, clock });
  return {
    api,
    asked,
    client,
    clock,
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
