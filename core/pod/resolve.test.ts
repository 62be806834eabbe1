import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { aPod } from "#test/fixtures/pod.ts";
import { FksError } from "../errors.ts";
import type { ClusterObjects } from "../ports/cluster.ts";
import { podResolver } from "./resolve.ts";

const { signal } = new AbortController();

const unused = (): never => {
  throw new Error("nobody asks for this");
};

test("a ServiceAccount that is not there is missing, and no word about the Machine", async () => {
  const cluster: ClusterObjects = {
    clusterUid: unused,
    namespace: unused,
    labelNamespace: unused,
    configMap: unused,
    secret: unused,
    services: async () => [],
    async podToken() {
      throw new FksError("NotFound", 'serviceaccounts "default" not found');
    },
  };
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
