import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { aConfigMap, aSecret } from "#test/fixtures/objects.ts";
import { aPod, TOKEN_VOLUME } from "#test/fixtures/pod.ts";
import { FksError } from "../errors.ts";
import type { ClusterObjects } from "../ports/cluster.ts";
import { podResolver } from "./resolve.ts";

const { signal } = new AbortController();

const unused = (): never => {
  throw new Error("nobody asks for this");
};

function clusterOf(parts: Partial<ClusterObjects>): ClusterObjects {
  return {
    clusterUid: unused,
    configMap: unused,
    secret: unused,
    podToken: unused,
    claim: async () => undefined,
    persistentVolume: async () => undefined,
    services: async () => [],
    ...parts,
  };
}

const WITH_MAP = aPod({ volumes: [{ name: "v", configMap: { name: "settings" } }] });

test("a ServiceAccount that is not there is missing, and no word about the Machine", async () => {
  const cluster = clusterOf({
    async podToken() {
      throw new FksError("NotFound", 'serviceaccounts "default" not found');
    },
  });
  const pod = aPod({
    volumes: [
      { name: "token", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
    ],
  });

  expect(await podResolver(cluster, fakeClock())(pod, signal)).toEqual({
    ok: false,
    missing:
      'MountVolume.SetUp failed for volume "token" : failed to fetch token: serviceaccounts "default" not found',
  });
});

describe("objects", () => {
  test.each([
    ["one that may change", false, 4],
    ["an immutable one", true, 1],
  ])("%s is read as often as it can have changed", async (_what, isImmutable, times) => {
    let reads = 0;
    const clock = fakeClock();
    const cluster = clusterOf({
      async configMap() {
        reads += 1;
        return { ...aConfigMap({ a: "1" }), isImmutable };
      },
    });
    const resolve = podResolver(cluster, clock);
    for (let i = 0; i < 4; i += 1) {
      await resolve(WITH_MAP, signal);
      await resolve(WITH_MAP, signal);
      clock.advance(30_000);
    }
    expect(reads).toBe(times);
  });

  test("what was not there is asked for again at once, as is what failed", async () => {
    const answers = [
      () => undefined,
      () => {
        throw new FksError("Unavailable", "no answer");
      },
      () => aConfigMap({ a: "1" }),
    ];
    const cluster = clusterOf({ configMap: async () => answers.shift()?.() });
    const resolve = podResolver(cluster, fakeClock());

    expect(await resolve(WITH_MAP, signal)).toMatchObject({ ok: false });
    const error = await resolve(WITH_MAP, signal).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "Unavailable" });
    expect(await resolve(WITH_MAP, signal)).toMatchObject({ ok: true });
  });

  test("a Secret of one namespace is none of another's", async () => {
    const cluster = clusterOf({
      secret: async ({ metadata }) =>
        metadata.namespace === "a" ? aSecret({ word: "s3cret" }) : undefined,
    });
    const resolve = podResolver(cluster, fakeClock());
    const volumes = [{ name: "v", secret: { secretName: "keys" } }];

    const [a, b] = ["a", "b"].map((namespace) => aPod({ metadata: { namespace }, volumes }));
    expect(a && (await resolve(a, signal))).toMatchObject({ ok: true });
    expect(b && (await resolve(b, signal))).toMatchObject({ ok: false });
  });
});

test("a token lives for most of its time, and a day at the most; every Pod has its own", async () => {
  const clock = fakeClock();
  const asked: string[] = [];
  const cluster = clusterOf({
    configMap: async () => aConfigMap({ "ca.crt": "C" }),
    async podToken({ metadata }) {
      asked.push(metadata.uid);
      const expiresAt = new Date(clock.now() + 7 * 24 * 3_600_000).toISOString();
      return { token: `t${asked.length}`, expiresAt };
    },
  });
  const resolve = podResolver(cluster, clock);
  const a = aPod({ metadata: { uid: "a" }, volumes: [TOKEN_VOLUME] });
  const b = aPod({ metadata: { uid: "b" }, volumes: [TOKEN_VOLUME] });

  await resolve(a, signal);
  await resolve(b, signal);
  clock.advance(23 * 3_600_000);
  await resolve(a, signal);
  expect(asked).toEqual(["a", "b"]);
  clock.advance(3_600_000);
  await resolve(a, signal);
  expect(asked).toEqual(["a", "b", "a"]);
});
